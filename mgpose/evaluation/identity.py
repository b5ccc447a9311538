"""Who is it: what a video's poses tell of the person, from proportions alone or from motion alone.

Two sets of features that share nothing but the unit of length, and the nearest known video by them:
an attacker of two minutes' work, so a lower bound of how well people can be told apart.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt

from mgpose.evaluation.embeddings import FloatArray, IntArray
from mgpose.structures import Skeleton

Float64Array = npt.NDArray[np.float64]
_PERCENTILES = (10, 25, 50, 75, 90, 97)
_LAG = 3  # frames: over one frame the jitter of an estimator outweighs a slow movement
_STRONG = 2.0  # times its usual speed, a part counts as moving
_OCTAVES = 5  # bands of the spectrum, from the Nyquist frequency down
_TINY = 1e-6


def proportions(points: FloatArray, skeleton: Skeleton) -> Float64Array:
    """Bone lengths of a body and their ratios; how it moves or where it is does not matter.

    Args:
        points: (T, V, D) of one video in units of the skeleton's scale, NaN where missing.
        skeleton: whose edges are the bones.

    Returns:
        (F,) logarithms of each bone's median length and of the ratios of bones that meet; NaN for a
        bone that is never seen.
    """
    edges = skeleton.edge_indices
    lengths = np.linalg.norm(points[:, edges[:, 0]] - points[:, edges[:, 1]], axis=-1)
    logs = np.log(_medians(lengths) + _TINY)
    meeting = [
        (a, b) for a, b in combinations(range(len(edges)), 2) if set(edges[a]) & set(edges[b])
    ]
    first, second = np.array(meeting, dtype=np.int64).reshape(-1, 2).T
    return np.concatenate([logs, logs[first] - logs[second]])


def kinematics(points: FloatArray, skeleton: Skeleton, rate: float) -> Float64Array:
    """How the parts of a body move: speeds, bouts of movement, spectrum; no length, no place.

    Args:
        points: (T, V, D) of one video in units of the skeleton's scale, NaN where missing.
        skeleton: for its parts.
        rate: frames a second, or 1 where it is unknown.

    Returns:
        (F,) for each part: logarithms of percentiles of its speed; share of the time, bouts a
        second and mean length of a bout in which it moves at twice its usual speed; shares of
        octaves in the power of its speed. NaN for a part that is never seen.
    """
    found = []
    for names in skeleton.parts.values():
        part = points[:, skeleton.indices(names)]
        steps = np.linalg.norm(part[_LAG:] - part[:-_LAG], axis=-1) * rate / _LAG
        seen = np.isfinite(steps)
        speed = np.where(seen, steps, 0).sum(1) / np.maximum(seen.sum(1), 1)
        found.append(_of_a_part(np.where(seen.any(1), speed, np.nan), rate))
    return np.concatenate(found)


def _of_a_part(speed: Float64Array, rate: float) -> Float64Array:
    known = np.isfinite(speed)
    if known.sum() < 2**_OCTAVES:
        return np.full(len(_PERCENTILES) + 3 + _OCTAVES, np.nan)
    percentiles = np.percentile(speed[known], _PERCENTILES)
    usual = np.median(speed[known])
    moving = np.concatenate([[False], np.where(known, speed, 0) > _STRONG * usual, [False]])
    bouts, frames = int((moving[1:] & ~moving[:-1]).sum()), int(moving.sum())
    movement = (frames / known.sum(), bouts * rate / known.sum(), frames / max(bouts, 1) / rate)
    # What is missing is bridged, so that a gap is no edge in the spectrum.
    times = np.arange(len(speed))
    whole = np.interp(times, times[known], speed[known])
    power = np.abs(np.fft.rfft(whole - whole.mean())[1:]) ** 2
    octave = np.ceil(-np.log2(np.arange(1, len(power) + 1) / len(power)))
    bands = np.bincount(np.clip(octave, 0, _OCTAVES - 1).astype(np.int64), power, _OCTAVES)
    shares = bands / max(power.sum(), _TINY)
    return np.log(np.concatenate([percentiles, movement, shares]) + _TINY)


def _medians(values: FloatArray) -> Float64Array:
    """(F,) median over what is finite in each column of (T, F); NaN where nothing is."""
    medians = np.full(values.shape[1], np.nan)
    seen = np.isfinite(values).any(0)
    medians[seen] = np.nanmedian(values[:, seen], axis=0)
    return medians


def within_person_scale(features: Float64Array, people: IntArray) -> Float64Array:
    """(F,) by how much each feature varies between videos of one person; 0 where none tells.

    Args:
        features: (N, F) of videos, NaN where not defined.
        people: (N,) who it is.
    """
    left = np.full_like(features, np.nan)
    for person in np.unique(people):
        rows = np.flatnonzero(people == person)
        if len(rows) > 1:
            left[rows] = features[rows] - _means(features[rows])
    return np.sqrt(_means(left**2, nothing=0.0))


def nearest_person(
    gallery: Float64Array, people: IntArray, query: Float64Array, scale: Float64Array
) -> IntArray:
    """(Q,) the person of the nearest gallery video by Euclidean distance.

    Args:
        gallery: (G, F) features, NaN where not defined.
        people: (G,) who it is.
        query: (Q, F).
        scale: (F,) unit of each feature; one of unit 0 is left out. It must not come from the
            people who are to be recognised.

    Raises:
        ValueError: on shapes that do not fit.
    """
    from scipy.spatial.distance import cdist

    if gallery.shape[1:] != query.shape[1:] or gallery.shape[1:] != scale.shape:
        raise ValueError(
            f"expected features of one length, got {gallery.shape}, {query.shape}, {scale.shape}"
        )
    used = scale > 0
    centre = _means(gallery[:, used])
    # A feature that is not defined lies in the middle, and so favours nobody.
    known, asked = (
        np.nan_to_num((part[:, used] - centre) / scale[used], nan=0.0) for part in (gallery, query)
    )
    return np.asarray(people[cdist(asked, known).argmin(1)], dtype=np.int64)


def _means(values: Float64Array, nothing: float = np.nan) -> Float64Array:
    """(F,) mean over what is finite in each column of (N, F)."""
    known = np.isfinite(values)
    count = known.sum(0)
    total = np.where(known, values, 0).sum(0)
    return np.where(count > 0, total / np.maximum(count, 1), nothing)
