"""What ffprobe counts in a file, what mgpose's ledger says, and whether the two agree."""

from __future__ import annotations

import bisect
import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av.filter
import av.sidedata.sidedata  # noqa: F401  (before any rights are given up)
import numpy as np
import numpy.typing as npt

from faulty.not_videos import FORBIDDEN
from faulty.studio import Recipe
from mgpose.io.video import VideoReader
from mgpose.structures import FrameFlag, InputError

_NOBODY = 65534


@dataclass(frozen=True, eq=False)
class Probe:
    """What ffprobe finds in the stream that mgpose reads.

    Args:
        packets: that the container yields and does not mark to be thrown away.
        times: (F,) seconds of every decoded frame in the order shown, NaN where unknown.
        rate: frames a second, by ffprobe's guess.
    """

    packets: int
    times: npt.NDArray[np.float64]
    rate: float


@dataclass(frozen=True, eq=False)
class Ledger:
    """What mgpose yields.

    Args:
        times: (T,) seconds, or frame numbers when ``time_source`` is ``"index"``.
        flags: (T,) bits of ``FrameFlag``.
        announced, unyielded, time_source: as the reader says.
    """

    times: npt.NDArray[np.float64]
    flags: npt.NDArray[np.uint16]
    announced: int
    unyielded: int
    time_source: str

    def count(self, flag: FrameFlag) -> int:
        """Frames that carry a flag."""
        return int(np.count_nonzero(self.flags & np.uint16(flag)))


def probe(path: Path) -> Probe | None:
    """Ask ffprobe; None when it finds no video, or the path is no plain file (it would wait)."""
    if not path.is_file():
        return None
    entries = "stream=r_frame_rate:packet=flags:frame=best_effort_timestamp_time"
    command = ["ffprobe", "-v", "error", "-select_streams", "V:0", "-show_entries", entries]
    run = subprocess.run(
        [*command, "-of", "json", str(path)], capture_output=True, timeout=100, check=False
    )
    found = json.loads(run.stdout or "{}")
    if not found.get("streams"):
        return None
    items = found.get("packets_and_frames", [])
    frames = [item for item in items if item["type"] == "frame"]
    times = [float(frame.get("best_effort_timestamp_time", "nan")) for frame in frames]
    above, below = map(int, found["streams"][0]["r_frame_rate"].split("/"))
    return Probe(
        packets=sum(item["type"] == "packet" and "D" not in item["flags"] for item in items),
        times=np.array(times, float),
        rate=above / below,
    )


def read(path: Path) -> Ledger:
    """Read a whole video.

    Raises:
        InputError: when it is none.
    """
    with VideoReader(path) as reader:
        rows = [(frame.time, int(frame.flags)) for frame in reader]
        times, flags = zip(*rows, strict=True) if rows else ((), ())
        return Ledger(
            np.array(times, float),
            np.array(flags, np.uint16),
            reader.announced,
            reader.frames_unyielded,
            reader.time_source,
        )


@dataclass(frozen=True, eq=False)
class Verdict:
    """How a file fared.

    Args:
        recipe: the file.
        whole: frames in the sound clip that was damaged, None for a sound file.
        probe: what ffprobe found, None for no video.
        ledger: what mgpose yielded, None when it refused.
        message: why it refused, without the path.
    """

    recipe: Recipe
    whole: int | None
    probe: Probe | None
    ledger: Ledger | None
    message: str

    @property
    def decoded(self) -> int:
        """Pictures that mgpose got."""
        return self.ledger.count(FrameFlag.DECODED) if self.ledger else 0

    @property
    def unaccounted(self) -> int | None:
        """Frames of the damaged clip, or those that ffprobe decodes of a sound one, that are not in
        the ledger; None where the ledger had no way to know: nothing says how long the clip was.
        """
        if self.ledger is None or self.probe is None:
            return None
        expected = len(self.probe.times) if self.whole is None else self.whole
        return expected - len(self.ledger.times) - self.ledger.unyielded

    @property
    def time_error(self) -> float | None:
        """Greatest distance in seconds from ffprobe's ``best_effort_timestamp_time``, over the
        frames whose stamps are in order (where ffprobe's own run backwards no increasing times can
        follow); None without time stamps.
        """
        if self.ledger is None or self.ledger.time_source == "index" or self.probe is None:
            return None
        theirs, ours = self.probe.times, self.ledger.times[decoded_rows(self.ledger)]
        ordered = in_order(theirs)
        if not ordered.any():
            return None
        if len(theirs) == len(ours):
            return float(np.abs(ours - theirs)[ordered].max())
        return float(np.abs(theirs[ordered, None] - ours).min(axis=1).max())

    @property
    def faults(self) -> list[str]:
        """What must not be, in words; empty when all is well."""
        pictures = 0 if self.probe is None else len(self.probe.times)
        if self.ledger is None:
            return [] if self.recipe.refused or not pictures else ["refused, ffprobe reads it"]
        faults = []
        if self.recipe.refused and len(self.ledger.times):
            faults.append("read, though it is no video")
        if (np.diff(self.ledger.times) <= 0).any():
            faults.append("times do not increase")
        if self.probe is None:
            return faults + (["ffprobe finds no video"] if len(self.ledger.times) else [])
        accounted = len(self.ledger.times) + self.ledger.unyielded
        if self.whole is not None and accounted < self.probe.packets:
            faults.append(f"{self.probe.packets - accounted} packets unaccounted")
        if self.whole is None and self.decoded != pictures:
            faults.append(f"{self.decoded - pictures:+d} pictures against ffprobe")
        if self.time_error is not None and self.time_error > 1.01 / self.probe.rate:
            faults.append(f"time off by {self.time_error:.3f} s")
        return faults


def judge(recipe: Recipe, path: Path, whole: Path | None) -> Verdict:
    """Put a file to the trial."""
    frames = None
    if whole is not None and (sound := probe(whole)) is not None:
        frames = len(sound.times)
    with unprivileged() if recipe.name == FORBIDDEN else contextlib.nullcontext():
        try:
            ledger, message = read(path), ""
        except InputError as error:
            ledger, message = None, str(error).removeprefix(f"{path}: ")
    return Verdict(recipe, frames, probe(path), ledger, message)


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Give up root's rights for a while: root may read what nobody may."""
    if os.geteuid():
        yield
        return
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def in_order(times: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """(F,) True for the longest increasing subsequence of the times, of several the one with the
    earliest frames; by patience sorting from the end.
    """
    tops: list[float] = []
    piles = [_lay(tops, -time) for time in reversed(times)][::-1]
    chosen = np.zeros(len(times), bool)
    pile = len(tops) - 1
    for i, its_pile in enumerate(piles):
        if its_pile == pile:
            chosen[i] = True
            pile -= 1
    return chosen


def _lay(tops: list[float], time: float) -> int:
    """Lay a card on the first pile whose top is not smaller; the pile's number, -2 for NaN."""
    if np.isnan(time):
        return -2
    pile = bisect.bisect_left(tops, time)
    tops[pile : pile + 1] = [time]
    return pile


def decoded_rows(ledger: Ledger) -> npt.NDArray[np.bool_]:
    """(T,) True for decoded frames."""
    return (ledger.flags & np.uint16(FrameFlag.DECODED)) != 0
