"""The verdict on a video: use it, look at it, or leave it out, and why in words."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass

from mgpose.data.quality import VideoQuality, measure_video
from mgpose.data.quality_criteria import CRITERIA, Finding
from mgpose.data.quality_thresholds import LEVELS, QualityThresholds
from mgpose.io.store import PoseStore
from mgpose.structures import InputError

UNREADABLE = "unreadable"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class VideoVerdict:
    """What to do with one video.

    Args:
        video: its id.
        findings: the worst first; empty for a good video.
        quality: its measures; None where its file cannot be read.
    """

    video: str
    findings: tuple[Finding, ...]
    quality: VideoQuality | None

    @property
    def level(self) -> str:
        """``"use"``, ``"look"`` or ``"unusable"``, the worst of the findings."""
        return max((f.level for f in self.findings), key=LEVELS.index, default="use")

    @property
    def reasons(self) -> str:
        """The findings as one line."""
        return "; ".join(finding.words for finding in self.findings)


def judge_store(store: PoseStore, thresholds: QualityThresholds) -> list[VideoVerdict]:
    """The verdict on every video, in order of the ids, with a progress bar over the frames.

    A damaged file is logged and gets a verdict of its own; the others go on.
    """
    from tqdm import tqdm

    verdicts = []
    with tqdm(total=_frames(store), desc="measure", unit="frame", disable=None) as bar:
        for video in store:
            try:
                quality = measure_video(store, video, bar.update)
            except InputError as error:
                logger.warning("%s", error)
                words = "the file is damaged or not a pose file"
                finding = Finding(UNREADABLE, "unusable", words)
                verdicts.append(VideoVerdict(video, (finding,), None))
            else:
                verdicts.append(judge(video, quality, thresholds))
    return verdicts


def judge(video: str, quality: VideoQuality, thresholds: QualityThresholds) -> VideoVerdict:
    """The verdict on one video."""
    found = [c.finding(quality, getattr(thresholds, c.name)) for c in CRITERIA]
    findings = sorted(filter(None, found), key=lambda f: -LEVELS.index(f.level))
    return VideoVerdict(video, tuple(findings), quality)


def _frames(store: PoseStore) -> int:
    total = 0
    for video in store:
        with contextlib.suppress(InputError):  # reading it will say what is wrong
            total += store.header(video).frames
    return total
