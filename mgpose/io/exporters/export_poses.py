"""A store becomes files that R and neighbouring tools read.

In the folder of an export::

    poses/<id>.<suffix>   the poses, one file a video
    annotations.csv       labelled spans, a column for each of their groups; absent without any
    videos.csv            a row a video: subject, frame rate, unit, layout, estimator

Beside Parquet the two tables are Parquet too.

Every file is written aside and renamed, so a file under its name is whole; ``videos`` comes last,
so where it lies the export has run to its end. A rerun writes every file anew and skips none. There
is no path and no file name of a source in them.

A video that a format cannot hold truthfully is refused with a reason, never bent to fit, and the
export goes on with the others.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mgpose.io.annotations import ANNOTATIONS_NAME, read_annotations
from mgpose.io.atomic import publish
from mgpose.io.exporters.dot_pose import write_pose_format
from mgpose.io.exporters.exported_pose import ExportedPose
from mgpose.io.exporters.netcdf import write_netcdf
from mgpose.io.exporters.nwb import write_nwb
from mgpose.io.exporters.tables import time_unit, write_csv, write_csv_gz, write_parquet, write_rows
from mgpose.io.pose_file import SUFFIX
from mgpose.io.store import PoseStore
from mgpose.structures import Annotation, InputError, Skeleton, skeleton_by_name

POSES_FOLDER = "poses"


@dataclass(frozen=True)
class ExportFormat:
    """A format that a store can be exported to.

    Args:
        suffix: how the name of its files ends.
        write: writes one video to a path.
        needs: modules of the optional libraries that it uses.
        tables: suffix of ``videos`` and ``annotations``.
    """

    suffix: str
    write: Callable[[ExportedPose, Path], None]
    needs: tuple[str, ...]
    tables: str = ".csv"


FORMATS: dict[str, ExportFormat] = {
    "csv": ExportFormat(".csv", write_csv, ("pyarrow",)),
    "csv.gz": ExportFormat(".csv.gz", write_csv_gz, ("pyarrow",)),
    "parquet": ExportFormat(".parquet", write_parquet, ("pyarrow",), ".parquet"),
    "pose": ExportFormat(".pose", write_pose_format, ("pose_format",)),
    "nwb": ExportFormat(".nwb", write_nwb, ("pynwb", "ndx_pose")),
    "netcdf": ExportFormat(".nc", write_netcdf, ("h5netcdf",)),
}


@dataclass(frozen=True)
class ExportResult:
    """What an export did.

    Args:
        written: ids of the videos that were written.
        refused: id of each other video -> why.
    """

    written: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def export_store(
    store: str | Path,
    format: str,
    out: str | Path,
    skeleton: str | None = None,
    videos: Iterable[str] | None = None,
) -> ExportResult:
    """Export a store, or some of its videos, as the module says.

    Args:
        store: folder of the store.
        format: a key of ``FORMATS``.
        out: folder of the export, made when missing.
        skeleton: name of a layout to convert to; None keeps each video's own.
        videos: ids of the videos; None for all.

    Raises:
        InputError: for an unknown format, layout or video, a library that is not installed, a
            folder that holds something else, or when no video could be exported.
    """
    if format not in FORMATS:
        raise InputError(f"unknown format {format!r}; known: {', '.join(FORMATS)}")
    chosen = FORMATS[format]
    _require(format, chosen.needs)
    poses = _poses(PoseStore(store), skeleton, videos)
    out = Path(out)
    tables = {name: out / (name + chosen.tables) for name in ("annotations", "videos")}
    _prepare(out, {pose.video_id + chosen.suffix for pose in poses})
    for table in tables.values():
        table.unlink(missing_ok=True)
    result = ExportResult()
    rows = []
    for pose in tqdm(poses, desc=f"export to {out.name}", unit="video"):
        final = out / POSES_FOLDER / (pose.video_id + chosen.suffix)
        try:
            _write_whole(chosen.write, pose, out, final)
            rows.append(_video_row(pose))
            result.written.append(pose.video_id)
        except InputError as error:
            final.unlink(missing_ok=True)  # of an earlier run: no longer what the store says
            result.refused[pose.video_id] = str(error)
    if not rows:
        raise InputError(f"no video could be exported; {next(iter(result.refused.values()))}")
    written = set(result.written)
    spans = [a for pose in poses if pose.video_id in written for a in pose.annotations]
    if spans:
        write_rows(tables["annotations"], _annotation_rows(spans))
    write_rows(tables["videos"], rows)
    return result


def _require(format: str, modules: Sequence[str]) -> None:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"export to {format} needs {' and '.join(missing)}, not installed; "
            "pip install 'mgpose[export]'"
        )


def _poses(
    store: PoseStore, skeleton: str | None, videos: Iterable[str] | None
) -> list[ExportedPose]:
    """The videos to export, in sorted order."""
    ids = sorted(store if videos is None else set(videos))
    unknown = [video for video in ids if video not in store]
    if unknown:
        raise InputError(f"{store.folder}: expected the video {unknown[0]!r}, found no such id")
    target: Skeleton | None = None
    if skeleton is not None:
        try:
            target = skeleton_by_name(skeleton)
        except ValueError as error:
            raise InputError(str(error)) from None
    spans: dict[str, list[Annotation]] = {}
    table = store.folder / ANNOTATIONS_NAME
    for annotation in read_annotations(table) if table.exists() else ():
        spans.setdefault(annotation.video, []).append(annotation)
    # All tables of an export have the same columns, so that they can be read as one.
    dims = max((_dims(store, video) for video in ids), default=2)
    return [ExportedPose(store, v, target, tuple(spans.get(v, ())), dims) for v in ids]


def _dims(store: PoseStore, video: str) -> int:
    try:
        return store.header(video).dims
    except InputError:  # damaged: refused with its reason when its turn comes
        return 2


def _prepare(out: Path, names: set[str]) -> None:
    """Make the folders.

    Raises:
        InputError: when they hold what this export does not write, which would be mixed with it.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: expected a folder for the export, found a file")
    folder = out / POSES_FOLDER
    if out.is_dir() and any(path.suffix == SUFFIX for path in out.iterdir()):
        raise InputError(f"{out}: expected a folder for the export, found a store; give another")
    strangers = sorted({p.name for p in folder.iterdir()} - names) if folder.is_dir() else []
    if strangers:
        raise InputError(
            f"{folder}: found {strangers[0]!r} ({len(strangers)} such files), which this export "
            "does not write; give another folder"
        )
    folder.mkdir(parents=True, exist_ok=True)


def _write_whole(
    write: Callable[[ExportedPose, Path], None], pose: ExportedPose, out: Path, final: Path
) -> None:
    """Write beside the folder of poses, which readers take as a whole, then move into it."""
    partial = out / (final.name + ".partial")
    try:
        write(pose, partial)
        publish(partial, final)
    finally:
        partial.unlink(missing_ok=True)


def _video_row(pose: ExportedPose) -> dict[str, Any]:
    header, first, rate = pose.header, pose.first, pose.rate
    width, height = header.frame_size or (None, None)
    return {
        "video": pose.video_id,
        "subject": header.subject,
        "frames": header.frames,
        "time_source": header.time_source,
        "time_unit": time_unit(first),
        "first_time": float(pose.time[0]),
        "last_time": float(pose.time[-1]),
        "mean_fps": rate.fps if rate else None,
        "rate_error_frames": rate.error if rate else None,
        "unit": header.unit,
        "dims": header.dims,
        "frame_width": width,
        "frame_height": height,
        "skeleton": first.skeleton.name,
        "source_skeleton": header.skeleton,
        "estimator": header.provenance.estimator,
        "estimator_version": header.provenance.estimator_version,
        "weights_sha256": header.provenance.weights_sha256,
        "source_sha256": header.provenance.source_sha256,
        "frames_unyielded": header.provenance.frames_unyielded,
    }


def _annotation_rows(annotations: Iterable[Annotation]) -> list[dict[str, Any]]:
    annotations = list(annotations)
    groups = sorted({key for a in annotations for key in a.groups})
    return [
        {
            "video": a.video,
            "subject": a.subject,
            "start": float(a.start),
            "stop": float(a.stop),
            "unit": a.unit,
            "tier": a.tier,
            "label": a.label,
            "annotator": a.annotator,
            "confidence": float(a.confidence),
            **{f"group_{key}": a.groups.get(key) for key in groups},
        }
        for a in annotations
    ]
