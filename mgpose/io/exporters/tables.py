"""Poses as tidy tables: one row a keypoint and frame, in CSV or Parquet, for R and data frames.

The columns of a table of poses::

    video      id in the store
    subject    subject id; missing where unknown
    frame      number of the frame in the video, from 0; failed frames count
    time       when the frame was shown, in time_unit
    time_unit  "second", or "frame" where the rate is unknown
    keypoint   name in the layout
    part       body, left_hand, right_hand, face, or as the layout has it
    x, y, z    position in unit; missing where not detected; z only if some video has it
    unit       "pixel", "normalised" (fraction of frame width and height) or "metre"
    score      the estimator's confidence in [0, 1]; 0 where not detected
    flags      what happened to the frame, such as "decoded;several_people"

Missing is an empty field in CSV and null in Parquet, never zero and never NaN. Rows run by frame,
then by keypoint. Tables are written block by block, in constant memory.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mgpose.io.atomic import publish, write_text
from mgpose.io.exporters.exported_pose import ExportedPose, flag_names, keypoint_parts
from mgpose.structures import PoseSequence

if TYPE_CHECKING:
    import pyarrow as pa

Rows = Sequence[Mapping[str, Any]]


def write_csv(video: ExportedPose, path: Path) -> None:
    """The poses of one video as CSV: UTF-8, a header line first, strings in quotes."""
    with path.open("wb") as sink:
        _write_csv(video, sink)


def write_csv_gz(video: ExportedPose, path: Path) -> None:
    """As :func:`write_csv`, packed by gzip, which R and pandas read as it is."""
    import pyarrow as pa

    with pa.CompressedOutputStream(str(path), "gzip") as sink:
        _write_csv(video, sink)


def write_parquet(video: ExportedPose, path: Path) -> None:
    """The poses of one video as Parquet, a row group for at most 1024 frames."""
    import pyarrow.parquet as pq

    with pq.ParquetWriter(str(path), _schema(video.dims)) as writer:
        for batch in _batches(video):
            writer.write_batch(batch)


def write_rows(path: Path, rows: Rows) -> None:
    """A small table under its final name, whole or not at all; the suffix says which format.

    Args:
        path: ends in ``.csv`` or ``.parquet``.
        rows: at least one, all with the same columns; None is missing.
    """
    if path.suffix == ".csv":
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(path, text.getvalue())
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    partial = path.with_name(path.name + ".partial")
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), str(partial))
    publish(partial, path)


def _write_csv(video: ExportedPose, sink: Any) -> None:
    import pyarrow.csv as pa_csv

    with pa_csv.CSVWriter(sink, _schema(video.dims)) as writer:
        for batch in _batches(video):
            writer.write_batch(batch)


def _schema(dims: int) -> pa.Schema:
    import pyarrow as pa

    words = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [
            ("video", words),
            ("subject", words),
            ("frame", pa.int32()),
            ("time", pa.float64()),
            ("time_unit", words),
            ("keypoint", words),
            ("part", words),
            *((axis, pa.float32()) for axis in "xyz"[:dims]),
            ("unit", words),
            ("score", pa.float32()),
            ("flags", words),
        ]
    )


def _batches(video: ExportedPose) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    schema = _schema(video.dims)
    parts = keypoint_parts(video.first.skeleton)
    for start, block in video.blocks():
        columns = _columns(video, start, block, parts)
        yield pa.record_batch([columns[name] for name in schema.names], schema=schema)


def _columns(
    video: ExportedPose, start: int, block: PoseSequence, parts: Sequence[str]
) -> dict[str, pa.Array]:
    """The columns of one block, frame by frame and keypoint by keypoint within a frame."""
    import pyarrow as pa

    frames, points = block.scores.shape
    rows = frames * points
    flags, flag_of = np.unique(block.ledger, return_inverse=True)
    known_parts, part_of = np.unique(parts, return_inverse=True)

    def every_row(word: str | None) -> pa.Array:
        if word is None:
            return pa.nulls(rows, pa.dictionary(pa.int32(), pa.string()))
        return _words(np.zeros(rows), [word])

    def position(axis: int) -> pa.Array:
        if axis >= block.keypoints.shape[2]:
            return pa.nulls(rows, pa.float32())
        return pa.array(block.keypoints[..., axis].ravel(), mask=~block.detected.ravel())

    return {
        "video": every_row(video.video_id),
        "subject": every_row(block.subject),
        "frame": pa.array(np.repeat(np.arange(start, start + frames, dtype=np.int32), points)),
        "time": pa.array(np.repeat(block.time, points)),
        "time_unit": every_row(time_unit(block)),
        "keypoint": _words(np.tile(np.arange(points), frames), block.skeleton.keypoints),
        "part": _words(np.tile(part_of, frames), known_parts.tolist()),
        **{axis: position(i) for i, axis in enumerate("xyz"[: video.dims])},
        "unit": every_row(block.unit),
        "score": pa.array(block.scores.ravel()),
        "flags": _words(np.repeat(flag_of, points), [flag_names(int(f)) for f in flags]),
    }


def _words(indices: npt.NDArray[Any], words: Sequence[str]) -> pa.Array:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(
        pa.array(indices.astype(np.int32)), pa.array(list(words), pa.string())
    )


def time_unit(sequence: PoseSequence) -> str:
    """What ``time`` counts, in the words of annotations: ``"second"`` or ``"frame"``."""
    return "frame" if sequence.time_source == "index" else "second"
