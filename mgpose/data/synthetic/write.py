"""Stream a corpus to a store, several videos at a time, with labels, ground truth and data sheet.

Beside the pose files and ``annotations.csv`` a synthetic store holds what was drawn, free of noise:
``parameters.csv`` (a row a gesture) and ``states.csv`` (a row a video), and ``datasheet.md``.
"""

from __future__ import annotations

import csv
import io
import multiprocessing
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tqdm import tqdm

from mgpose.data.generating_parameters import PARAMETERS_NAME, STATES_NAME
from mgpose.data.synthetic.corpus import VERSION, SyntheticCorpus, SyntheticVideo
from mgpose.data.synthetic.datasheet import datasheet
from mgpose.data.synthetic.event_parameters import COLUMNS, event_parameters
from mgpose.io.atomic import write_text
from mgpose.io.importers.imported_pose import add_annotations
from mgpose.io.pose_file import SUFFIX, PoseFile, Provenance, write_pose_file
from mgpose.structures import Annotation, InputError

DATASHEET_NAME = "datasheet.md"
_ANNOTATION_COLUMNS = ("video", "start", "stop", "label")
_STATE_COLUMNS = ("video", "subject", "emotion", "state")


@dataclass(frozen=True)
class _Written:
    """What remains to be told of a video once its poses are stored."""

    annotations: tuple[Annotation, ...]
    parameters: tuple[Mapping[str, float], ...]
    state: float


def write_synthetic(corpus: SyntheticCorpus, out: str | Path, workers: int = 1) -> int:
    """Write a corpus as a store; what is there whole is kept, so a killed run goes on.

    The store may hold other poses too; annotations of theirs are kept.

    Args:
        corpus: what to make.
        out: folder, made when missing.
        workers: processes; the result does not depend on it.

    Returns:
        Number of videos.

    Raises:
        InputError: when the store holds other poses under an id of the corpus.
    """
    folder = Path(out)
    if workers < 1:
        raise InputError(f"expected at least one worker, got {workers}")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: expected a folder for the store, found a file")
    folder.mkdir(parents=True, exist_ok=True)
    _refuse_others(corpus, folder)
    write = partial(_write_video, corpus, folder)
    with _mapper(workers) as each:
        videos = each(write, range(len(corpus)))
        written = list(tqdm(videos, f"synthetic poses to {folder.name}", len(corpus), unit="video"))
    add_annotations(folder, {w.annotations[-1].video: w.annotations for w in written})
    write_text(folder / PARAMETERS_NAME, _parameters_csv(written))
    write_text(folder / STATES_NAME, _states_csv(written))
    write_text(folder / DATASHEET_NAME, datasheet(corpus, [w.annotations for w in written]))
    return len(written)


def _refuse_others(corpus: SyntheticCorpus, folder: Path) -> None:
    """The tables tell of this corpus only: no other synthetic video may lie beside it.

    Raises:
        InputError: when one does, such as of a larger corpus.
    """
    ours = {corpus.video(number).video_id for number in range(len(corpus))}
    others = {path.stem for path in folder.glob(f"synthetic_s*{SUFFIX}")} - ours
    if others:
        raise InputError(
            f"{folder}: expected no synthetic videos but those of this corpus, found {len(others)} "
            f"others, such as {min(others)}; write into another folder"
        )


@contextmanager
def _mapper(workers: int) -> Iterator[type[map] | partial]:  # type: ignore[type-arg]
    """A ``map`` in this process, or over a pool of them that keeps the order."""
    if workers == 1:
        yield map
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        yield partial(pool.map, chunksize=1)


def _write_video(corpus: SyntheticCorpus, folder: Path, number: int) -> _Written:
    video = corpus.video(number)
    script = video.script()
    provenance = Provenance("synthetic", VERSION, source_sha256=video.recipe)
    if not _is_stored(folder, video, provenance):
        write_pose_file(folder, video.video_id, video.sequence(script), provenance)
    return _Written(
        video.annotations(script),
        tuple(event_parameters(event) for event in script.events),
        script.state,
    )


def _is_stored(folder: Path, video: SyntheticVideo, provenance: Provenance) -> bool:
    """Whether the video lies there, made by the same recipe.

    Raises:
        InputError: when another one lies under its id.
    """
    path = folder / (video.video_id + SUFFIX)
    if not path.exists():
        return False
    with PoseFile(path) as file:
        if file.header.provenance != provenance:
            raise InputError(
                f"{path}: expected the poses of this corpus, found others under the same id; "
                "write into another folder"
            )
    return True


def _parameters_csv(written: list[_Written]) -> str:
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow((*_ANNOTATION_COLUMNS, *COLUMNS))
    for video in written:
        for a, drawn in zip(video.annotations, video.parameters, strict=False):
            span = (a.video, repr(float(a.start)), repr(float(a.stop)), a.label)
            rows.writerow((*span, *(_number(drawn.get(name)) for name in COLUMNS)))
    return text.getvalue()


def _states_csv(written: list[_Written]) -> str:
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_STATE_COLUMNS)
    for video in written:
        whole = video.annotations[-1]
        rows.writerow((whole.video, whole.subject, whole.label, _number(video.state)))
    return text.getvalue()


def _number(value: float | None) -> str:
    # Rounded, so that the last bit of a machine's arithmetic decides nothing.
    return "" if value is None else f"{value:.6f}"
