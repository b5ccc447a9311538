"""The trial as a table in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from faulty.judge import Verdict
from mgpose.extraction.jobs.manifest import Outcome
from mgpose.structures import FrameFlag

_COLUMNS = (
    "file", "what is wrong or odd", "frames before the damage", "packets (ffprobe)",
    "frames (ffprobe)", "decoded", "of them repaired", "failed", "announced, never yielded",
    "unaccounted", "time error, frames", "in a batch",
)  # fmt: skip
_HEAD = """# Faulty videos

Made by `python tests/faulty_videos.py VIDEO_FOLDER --out DIR --table tests/FAULTY_VIDEOS.md` from
real videos; *decoded* to *never yielded* are mgpose's ledger.

- **Independent count**: ffprobe's packets (without those that an edit list throws away) and the
  frames that it decodes; for damaged files also the frames of the clip before the damage.
- **Unaccounted**: what decoded + failed + never yielded lack of the frames before the damage (in a
  sound file: of ffprobe's frames). Above 0 where nothing in the file says how long it was: streams
  without a header (.ts, .mpg, .h264) or in fragments that lost an end, torn indexes, and one
  Matroska file with 300 wrong bytes. Below 0 where a header, a torn time stamp or a gap in time
  speaks of more frames than there were.
- **Decoded** may differ from ffprobe's frames in damaged files: the two use different releases of
  FFmpeg.
- **Time error**: the greatest distance from ffprobe's `best_effort_timestamp_time`, where ffprobe's
  own times are in order; `-` stands for files without time stamps.
"""


def markdown(verdicts: Sequence[Verdict], batch: Mapping[str, Outcome]) -> str:
    """The table, with a summary above it.

    Args:
        verdicts: of the trial.
        batch: by file name, how a batch ended with it.
    """
    rows = [_cells(verdict, batch.get(verdict.recipe.name)) for verdict in verdicts]
    lines = [_HEAD, _summary(verdicts, batch), "", _line(_COLUMNS), _line(["---"] * len(_COLUMNS))]
    return "\n".join([*lines, *map(_line, rows), ""])


def _summary(verdicts: Sequence[Verdict], batch: Mapping[str, Outcome]) -> str:
    faults = [f"{v.recipe.name}: {', '.join(v.faults)}" for v in verdicts if v.faults]
    read = [v for v in verdicts if v.ledger is not None and len(v.ledger.times)]
    sound = [v for v in read if v.whole is None]
    damaged = [v for v in read if v.whole is not None]
    errors = [v.time_error * v.probe.rate for v in read if v.probe and v.time_error is not None]
    statuses = [outcome.status for outcome in batch.values()]
    return (
        f"**{len(verdicts)} files. {len(verdicts) - len(read)} hold no frame that can be reached "
        f"and are refused in one line. Of {len(sound)} sound ones "
        f"{sum(v.unaccounted == 0 for v in sound)} agree with ffprobe in every frame; of "
        f"{len(damaged)} damaged ones {sum(v.unaccounted == 0 for v in damaged)} account for every "
        f"frame that was there before. Greatest time error: {max(errors):.2f} frames. One batch "
        f"over all: {statuses.count('extracted')} extracted, {statuses.count('failed')} failed, "
        f"none left half-written. Against the rules: {'; '.join(faults) or 'none'}.**"
    )


def _cells(verdict: Verdict, outcome: Outcome | None) -> list[str]:
    probe, ledger, error = verdict.probe, verdict.ledger, verdict.time_error
    theirs = ["-", "-"] if probe is None else [str(probe.packets), str(len(probe.times))]
    ours = ["-"] * 4
    if ledger is not None:
        flags = (FrameFlag.DECODED, FrameFlag.REPAIRED, FrameFlag.FAILED)
        ours = [*(str(ledger.count(flag)) for flag in flags), str(ledger.unyielded)]
    return [
        verdict.recipe.name,
        verdict.recipe.what,
        "-" if verdict.whole is None else str(verdict.whole),
        *theirs,
        *ours,
        "-" if verdict.unaccounted is None else str(verdict.unaccounted),
        "-" if error is None or probe is None else f"{error * probe.rate:.2f}",
        _ending(verdict, outcome),
    ]


def _ending(verdict: Verdict, outcome: Outcome | None) -> str:
    if outcome is None:
        return f"not tried, for root may read it; refused: {verdict.message}"
    return f"{outcome.status}: {outcome.message}" if outcome.message else outcome.status


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in cells) + " |"
