"""Which gestures a video shows, and how often: as annotated, or as a probe of embeddings says.

Features are square roots, so that a count of rare events varies about as much as one of frequent
ones (Bartlett, The use of transformations, Biometrics 1947).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from mgpose.evaluation.embeddings import FloatArray, IntArray
from mgpose.evaluation.probes import linear_probe_scores
from mgpose.evaluation.video_classifier import grouped_folds
from mgpose.evaluation.video_sequences import VideoSequences

Float64Array = npt.NDArray[np.float64]


def annotated_histograms(
    events: Iterable[tuple[int, int]], length: FloatArray, num_classes: int
) -> Float64Array:
    """(N, K) square roots of the events of each class in a unit of time.

    Args:
        events: video number and class number of each annotated gesture.
        length: (N,) of each video, > 0.
        num_classes: K.

    Raises:
        ValueError: on numbers out of range.
    """
    counts = np.zeros((len(length), num_classes))
    for video, gesture in events:
        if not (0 <= video < len(length) and 0 <= gesture < num_classes):
            raise ValueError(
                f"expected a video below {len(length)} and a class below {num_classes}, got "
                f"{video} and {gesture}"
            )
        counts[video, gesture] += 1
    return np.sqrt(counts / np.asarray(length)[:, None])


def predicted_histograms(
    clips: FloatArray,
    clip_labels: IntArray,
    clip_people: Sequence[str],
    train: VideoSequences,
    train_people: Sequence[str],
    test: VideoSequences,
    num_classes: int,
    epochs: int = 100,
    folds: int = 3,
    seed: int = 0,
) -> tuple[Float64Array, Float64Array]:
    """Square roots of the mean class probabilities of a video's windows, by a linear probe.

    A probe knows its own people's gestures too well, so a training video is read by the probe that
    its person did not train (by all of them where the person shows no labelled clip), and a test
    video by the mean of all.

    Args:
        clips: (C, D) embeddings of the labelled gestures of the training part.
        clip_labels: (C,) in [0, K).
        clip_people: C subjects, at least two distinct.
        train: N videos, windows embedded by the same encoder.
        train_people: N subjects.
        test: M videos.
        num_classes: K.
        epochs: of the probe.
        folds: of people, at most.
        seed: of folds and probes.

    Returns:
        (N, K) and (M, K).

    Raises:
        ValueError: with one person's clips only, or as the probe.
    """
    window_people = np.asarray(list(train_people))[train.video]
    parts = list(grouped_folds(clip_people, folds, seed))
    read = np.zeros((len(parts), len(train.values), num_classes), np.float32)
    strangers = np.ones((len(parts), len(train.values)), bool)
    test_windows = np.zeros((len(test.values), num_classes))
    for i, (known, _) in enumerate(parts):
        strangers[i] = ~np.isin(window_people, [clip_people[c] for c in known])
        found = linear_probe_scores(
            clips[known],
            clip_labels[known],
            np.concatenate([train.values[strangers[i]], test.values]),
            num_classes,
            epochs,
            seed,
        )
        read[i, strangers[i]] = found[: strangers[i].sum()]
        test_windows += found[strangers[i].sum() :] / len(parts)
    train_windows = read.sum(0) / strangers.sum(0)[:, None]
    return tuple(  # type: ignore[return-value]
        np.sqrt(sequences.with_values(values.astype(np.float32)).means().astype(np.float64))
        for sequences, values in ((train, train_windows), (test, test_windows))
    )
