"""From a store to model inputs: spans of videos as tensors ``(T, V, C)`` with a mask.

From clip to input, the same for every task: cut the span, convert to the model layout,
canonicalise, remove jumps, fill short gaps, resample (by time to the model's rate where the rate is
known, else by index to T frames), then cover a longer clip with evenly spaced crops and pad a
shorter one with mask.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from mgpose.data.filtering import fill_gaps, remove_jumps
from mgpose.io.store import PoseStore
from mgpose.structures import Annotation, InputError, PoseSequence, Skeleton, convert
from mgpose.structures.canonical import canonicalise

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClipSettings:
    """How a span of a video becomes tensors; part of every result file.

    Args:
        frames: T, frames of a crop.
        rate: model frame rate in Hz, for videos whose rate is known.
        max_crops: most crops of one clip.
        max_gap: longest gap filled by interpolation, in source frames.
        whole: resample every clip to T frames by index, whatever its rate; for baselines that
            need one vector of fixed length a clip.
    """

    frames: int = 32
    rate: float = 25.0
    max_crops: int = 4
    max_gap: int = 5
    whole: bool = False

    def __post_init__(self) -> None:
        if self.frames < 2 or self.rate <= 0 or self.max_crops < 1 or self.max_gap < 0:
            raise ValueError(f"frames >= 2, rate > 0, max_crops >= 1, max_gap >= 0; got {self}")


@dataclass(frozen=True)
class Span:
    """Frames ``start`` to ``stop`` (exclusive) of a video, with its annotation where it has one."""

    video: str
    start: int
    stop: int
    annotation: Annotation | None = None
    subject: str | None = None

    def group(self, name: str) -> str:
        """Subject, video or another group; an unknown subject counts as one of its own."""
        if self.annotation is not None:
            return self.annotation.group(name)
        return self.subject if name == "subject" and self.subject else self.video


class ClipDataset(Dataset[dict[str, Tensor]]):
    """Crops of clips, held in memory.

    Args:
        x: (M, T, V, D + 1) float32 canonical coordinates and score; 0 where masked.
        mask: (M, T, V) bool, True where present.
        clip: (M,) int64, clip of each crop, ascending.
        spans: the N clips.
        classes: label names; empty for unlabelled clips.
        source: (N,) number of the set each clip comes from; None for one set.

    Attributes:
        labels: (N,) class numbers, -1 for unlabelled clips.
        extents: (N, 3) video number, first frame and end of each clip.
    """

    def __init__(
        self,
        x: Tensor,
        mask: Tensor,
        clip: Tensor,
        spans: Sequence[Span],
        classes: Sequence[str] = (),
        source: Tensor | None = None,
    ) -> None:
        if not len(x) == len(mask) == len(clip):
            raise ValueError(
                f"x, mask and clip must have one length, got {len(x)}, {len(mask)}, {len(clip)}"
            )
        self.x, self.mask, self.clip = x, mask, clip
        self.spans, self.classes = tuple(spans), tuple(classes)
        self.source = torch.zeros(len(spans), dtype=torch.long) if source is None else source
        index = {name: i for i, name in enumerate(self.classes)}
        self.labels = torch.tensor(
            [index[s.annotation.label] if self.classes and s.annotation else -1 for s in spans],
            dtype=torch.long,
        )
        videos = {video: i for i, video in enumerate(sorted({s.video for s in spans}))}
        extents = [(videos[s.video], s.start, s.stop) for s in spans]
        self.extents = torch.tensor(extents, dtype=torch.long).view(-1, 3)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> dict[str, Tensor]:
        clip = self.clip[i]
        return {"x": self.x[i], "mask": self.mask[i], "extent": self.extents[clip]}

    def with_more(self, others: Sequence[ClipDataset]) -> ClipDataset:
        """The clips of several sets one after the other, without labels.

        Raises:
            ValueError: when two sets share a video id: which of the two is meant would be lost.
        """
        sets = (self, *others)
        count = Counter(video for s in sets for video in {span.video for span in s.spans})
        shared = sorted(video for video, times in count.items() if times > 1)
        if shared:
            raise ValueError(
                f"expected sets of different videos, {len(shared)} ids occur twice, such as "
                f"{shared[0]!r}"
            )
        before = [0]
        for s in sets:
            before.append(before[-1] + len(s.spans))
        return ClipDataset(
            torch.cat([s.x for s in sets]),
            torch.cat([s.mask for s in sets]),
            torch.cat([s.clip + b for s, b in zip(sets, before, strict=False)]),
            [span for s in sets for span in s.spans],
            source=torch.cat([torch.full((len(s.spans),), i) for i, s in enumerate(sets)]),
        )

    def group(self, name: str) -> list[str]:
        """Value of a group (subject, video, session ...) for each of the N clips."""
        return [span.group(name) for span in self.spans]

    def subset(self, clips: Iterable[int]) -> ClipDataset:
        """The dataset of some clips, in the order given, renumbered from 0."""
        chosen = list(clips)
        rows = [torch.nonzero(self.clip == c).flatten() for c in chosen]
        order = torch.cat(rows) if rows else torch.zeros(0, dtype=torch.long)
        clip = torch.cat([torch.full_like(r, i) for i, r in enumerate(rows)]) if rows else order
        spans = [self.spans[c] for c in chosen]
        source = self.source[torch.tensor(chosen, dtype=torch.long)]
        return ClipDataset(self.x[order], self.mask[order], clip, spans, self.classes, source)


def load_clips(
    store: PoseStore,
    spans: Sequence[Span],
    skeleton: Skeleton,
    settings: ClipSettings,
    classes: Sequence[str] = (),
) -> ClipDataset:
    """Read spans of a store into memory.

    Spans in which origin and scale of the skeleton are never visible are left out and counted in
    the log.

    Raises:
        InputError: when no span is usable, with the reason of the last.
    """
    xs, masks = [], []
    reason = "there is none"
    clips: list[int] = []
    kept: list[Span] = []
    for span in spans:
        sequence = store.read_window(span.video, span.start, span.stop)
        try:
            x, mask = clip_arrays(sequence, skeleton, settings)
        except ValueError as error:
            reason = str(error)
            logger.info("%s[%d:%d] left out: %s", span.video, span.start, span.stop, reason)
            continue
        clips += [len(kept)] * len(x)
        xs.append(x)
        masks.append(mask)
        kept.append(span)
    if not kept:
        raise InputError(
            f"{store.folder}: none of {len(spans)} spans is usable with skeleton "
            f"{skeleton.name!r}: {reason}"
        )
    if len(kept) < len(spans):
        logger.warning("%d of %d clips left out (see the log)", len(spans) - len(kept), len(spans))
    return ClipDataset(
        torch.from_numpy(np.concatenate(xs)),
        torch.from_numpy(np.concatenate(masks)),
        torch.tensor(clips),
        kept,
        classes,
    )


def clip_arrays(
    sequence: PoseSequence, skeleton: Skeleton, settings: ClipSettings
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """One clip as crops: x (crops, T, V, D + 1) and mask (crops, T, V).

    Raises:
        ValueError: when origin or scale of the skeleton is never visible, or the sequence cannot be
            brought to the skeleton.
    """
    sequence = convert(sequence, skeleton)
    keypoints = canonical_keypoints(sequence, skeleton)
    scores = np.where(np.isfinite(keypoints[..., 0]), sequence.scores, np.float32(0))
    keypoints, scores = fill_gaps(keypoints, scores, settings.max_gap)
    values = np.concatenate((keypoints, scores[..., None]), axis=-1)
    values = _resample(values, _targets(sequence, settings))
    mask = np.isfinite(values[..., 0])
    values = np.where(mask[..., None], values, np.float32(0)).astype(np.float32)
    return _crops(values, settings), _crops(mask, settings)


def canonical_keypoints(sequence: PoseSequence, skeleton: Skeleton) -> npt.NDArray[np.float32]:
    """(T, V, D) of a sequence in ``skeleton``, brought to its canonical frame, jumps removed.

    Raises:
        ValueError: when origin or scale of the skeleton is never visible, or the keypoints have too
            few dimensions.
    """
    keypoints = sequence.keypoints[..., : skeleton.dims]
    if keypoints.shape[-1] < skeleton.dims:
        raise ValueError(f"skeleton {skeleton.name!r} is 3-D, the keypoints are 2-D")
    if sequence.unit == "normalised" and sequence.frame_size is not None:
        # Fractions of width and height have different lengths; pixels do not.
        keypoints = keypoints * np.array(sequence.frame_size, dtype=np.float32)
    return remove_jumps(canonicalise(keypoints, skeleton))


def _targets(sequence: PoseSequence, settings: ClipSettings) -> npt.NDArray[np.float64]:
    """Frame positions to sample, as fractional indices into the sequence."""
    last = len(sequence) - 1
    if settings.whole or sequence.time_source == "index":
        return np.linspace(0, last, settings.frames)
    time = sequence.time - sequence.time[0]
    count = max(1, int(np.floor(time[-1] * settings.rate + 1e-6)) + 1)
    return np.interp(np.arange(count) / settings.rate, time, np.arange(last + 1))


def _resample(
    values: npt.NDArray[np.float32], targets: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """Linear interpolation between frames; where one of the two is missing, the nearer frame."""
    low = np.floor(targets).astype(int)
    high = np.minimum(low + 1, len(values) - 1)
    weight = (targets - low).astype(np.float32)[:, None, None]
    a, b = values[low], values[high]
    mixed = (1 - weight) * a + weight * b
    nearer = np.where(weight < 0.5, a, b)
    resampled: npt.NDArray[np.float32] = np.where(np.isfinite(mixed), mixed, nearer)
    return resampled


def _crops(values: npt.NDArray, settings: ClipSettings) -> npt.NDArray:  # type: ignore[type-arg]
    """(n, ...) -> (crops, T, ...): evenly spaced crops, or zero padding behind a short clip."""
    frames = settings.frames
    if len(values) <= frames:
        padded = np.zeros((1, frames, *values.shape[1:]), dtype=values.dtype)
        padded[0, : len(values)] = values
        return padded
    count = min(settings.max_crops, -(-len(values) // frames))
    last = len(values) - frames
    # A single crop looks at the middle.
    starts = np.linspace(0, last, count) if count > 1 else np.array([last / 2])
    starts = starts.round().astype(int)
    return np.stack([values[s : s + frames] for s in starts])


def annotated_spans(
    store: PoseStore, annotations: Iterable[Annotation], tier: str = "gesture"
) -> list[Span]:
    """Annotations as spans of frames; seconds are mapped by the time stamps, never by a rate.

    A span that ends after the video is cut there; one between two frames takes the next.

    Raises:
        InputError: for a video that the store lacks, a span that starts after the video's end, or
            seconds in a video without known rate.
    """
    return [_annotated_span(store, a) for a in annotations if a.tier == tier]


def _annotated_span(store: PoseStore, a: Annotation) -> Span:
    if a.video not in store:
        raise InputError(f"{store.folder}: an annotation names video {a.video!r}, not in the store")
    header = store.header(a.video)
    if a.unit == "frame":
        start, stop = int(a.start), int(a.stop)
    elif header.time_source == "index":
        raise InputError(
            f"{store.folder}: {a.label!r} of {a.video!r} is annotated in seconds, but the video's "
            "rate is unknown; annotate it in frames"
        )
    else:
        start, stop = (int(i) for i in np.searchsorted(store.time(a.video), (a.start, a.stop)))
    if start >= header.frames:
        raise InputError(
            f"{store.folder}: {a.label!r} of {a.video!r} starts at {a.unit} {a.start:g}, after the "
            f"last of its {header.frames} frames"
        )
    return Span(a.video, start, min(max(stop, start + 1), header.frames), a)


def sliding_spans(
    store: PoseStore, videos: Iterable[str], settings: ClipSettings, overlap: float = 0.5
) -> list[Span]:
    """Unlabelled windows: whole sequences where the rate is unknown, else overlapping windows.

    A sequence of unknown rate of up to four windows' length is one window, since it stands for one
    performance (sign and action sets are cut that way).
    """
    spans = []
    for video in videos:
        header = store.header(video)
        length = settings.frames
        if header.time_source != "index" and header.frames > 1:
            time = store.time(video)
            step = (time[-1] - time[0]) / (header.frames - 1)
            length = max(2, round(settings.frames / settings.rate / step))
        elif header.frames <= 4 * length or settings.frames >= header.frames:
            spans.append(Span(video, 0, header.frames, subject=header.subject))
            continue
        stride = max(1, round(length * (1 - overlap)))
        last = max(0, header.frames - length)
        starts = sorted({*range(0, last + 1, stride), last})
        spans += [
            Span(video, s, min(s + length, header.frames), subject=header.subject) for s in starts
        ]
    return spans
