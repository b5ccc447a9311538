"""The videos of one part of a fold that carry an emotion label, and their windows in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mgpose.data.clips import ClipDataset
from mgpose.data.folds import Corpus
from mgpose.evaluation.embed import embed
from mgpose.evaluation.video_sequences import VideoSequences
from mgpose.models.encoder import Encoder
from mgpose.structures import InputError
from mgpose.tasks.task_data import TaskData

IntArray = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LabelledVideos:
    """Videos with an emotion label and at least one window with a usable pose, sorted.

    Args:
        videos: N ids.
        labels: (N,) 1 for the positive label.
        people: N subjects.
        windows: their windows, by video and time.
        video: (M,) number of the video of each window.
        time: (M,) middle of each window since its video began, in the unit of the store's time.
        length: (N,) of each video in that unit.
        without_pose: ids of labelled videos without any usable window.
    """

    videos: tuple[str, ...]
    labels: IntArray
    people: tuple[str, ...]
    windows: ClipDataset
    video: IntArray
    time: Float64Array
    length: Float64Array
    without_pose: tuple[str, ...]

    @classmethod
    def of(cls, data: TaskData, part: str, positive: str) -> LabelledVideos:
        """The videos of ``"train"`` or ``"test"``.

        Raises:
            InputError: when none carries a label, or none of those has a usable pose.
        """
        corpus = data.corpus
        emotions = corpus.emotions(getattr(data.split, part))
        if not emotions:
            raise InputError(
                f"{data.name}: the emotion task needs annotations of the tier 'emotion' in the "
                f"{part} part, found none"
            )
        clips = corpus.unlabelled(emotions)
        order = sorted(
            range(len(clips.spans)), key=lambda i: (clips.spans[i].video, clips.spans[i].start)
        )
        if not order:
            raise InputError(
                f"{data.name}: the emotion task needs videos with usable poses in the {part} part, "
                f"none of {len(emotions)} has a window in which the skeleton's origin and scale "
                "are visible"
            )
        windows = clips.subset(order)
        videos = tuple(sorted({span.video for span in windows.spans}))
        number = {video: i for i, video in enumerate(videos)}
        time, length = _times(corpus, windows, videos)
        subjects = corpus.subjects()
        return cls(
            videos=videos,
            labels=np.array([int(emotions[v] == positive) for v in videos], dtype=np.int64),
            people=tuple(subjects[v] for v in videos),
            windows=windows,
            video=np.array([number[span.video] for span in windows.spans], dtype=np.int64),
            time=time,
            length=length,
            without_pose=tuple(sorted(set(emotions) - set(videos))),
        )

    def embedded(self, encoder: Encoder) -> VideoSequences:
        """The windows' frozen embeddings."""
        return self.sequences(embed(encoder, self.windows).embeddings)

    def sequences(self, values: Float32Array) -> VideoSequences:
        """Sequences of any (M, D) values of the windows."""
        return VideoSequences(values, self.video, self.time, self.length)

    def gestures(self, data: TaskData) -> list[tuple[int, int]]:
        """Video number and class number of each annotated gesture of the task's classes."""
        number = {video: i for i, video in enumerate(self.videos)}
        classes = {name: i for i, name in enumerate(data.classes)}
        return [
            (number[a.video], classes[a.label])
            for a in data.corpus.annotations
            if a.tier == "gesture" and a.video in number and a.label in classes
        ]


def _times(
    corpus: Corpus, windows: ClipDataset, videos: tuple[str, ...]
) -> tuple[Float64Array, Float64Array]:
    """(M,) middles of the windows, (N,) lengths of the videos."""
    axes = {video: corpus.store.time(video) for video in videos}
    middle = [
        (axes[s.video][s.start] + axes[s.video][s.stop - 1]) / 2 - axes[s.video][0]
        for s in windows.spans
    ]
    # The last frame lasts as long as the mean one; a video of one frame, one unit.
    lengths = [
        (axis[-1] - axis[0]) * len(axis) / (len(axis) - 1) if len(axis) > 1 else 1.0
        for axis in axes.values()
    ]
    return np.array(middle, dtype=np.float64), np.array(lengths, dtype=np.float64)
