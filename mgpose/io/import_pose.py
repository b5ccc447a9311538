"""Poses that users hold become a store: one pose file a sequence, and ``annotations.csv``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from mgpose.io.annotations import ANNOTATIONS_NAME, read_annotations, write_annotations
from mgpose.io.holistic_arrays import read_frame_folders, read_npz_sets
from mgpose.io.imported_pose import NO_OPTIONS, ImportedPose, ImportOptions
from mgpose.io.nw_ucla import read_nw_ucla
from mgpose.io.pose_file import SUFFIX, PoseFile, Provenance, write_pose_file
from mgpose.structures import InputError

# Raise it when a reader gives other numbers for the same source: stored files are then redone.
_IMPORT_VERSION = 1


@dataclass(frozen=True)
class PoseFormat:
    """A format that can be imported.

    Args:
        read: source path and the user's options -> sequences.
        estimator: what made the poses, as far as the format tells.
    """

    read: Callable[[Path, ImportOptions], Iterator[ImportedPose]]
    estimator: str


FORMATS: dict[str, PoseFormat] = {
    "mediapipe-npz": PoseFormat(read_npz_sets, "mediapipe-holistic"),
    "mediapipe-1662": PoseFormat(read_frame_folders, "mediapipe-holistic"),
    "nw-ucla": PoseFormat(read_nw_ucla, "kinect-v1"),
}


def import_poses(
    source: str | Path,
    format: str,
    out: str | Path,
    options: ImportOptions = NO_OPTIONS,
) -> int:
    """Import everything at ``source`` into the store ``out``; a rerun skips what is there whole.

    Annotations of videos that the store already holds from other sources are kept.

    Args:
        source: file or folder in the format.
        format: a key of ``FORMATS``.
        out: folder of the store, made when missing.
        options: what the format does not say.

    Returns:
        Number of sequences at the source, written now or before.

    Raises:
        InputError: for an unknown format, bad files, or an id that the store or the source holds
            for other poses.
    """
    if format not in FORMATS:
        raise InputError(f"unknown format {format!r}; known: {', '.join(FORMATS)}")
    chosen = FORMATS[format]
    return write_store(
        chosen.read(Path(source), options),
        Path(out),
        estimator=chosen.estimator,
        estimator_version=f"unknown; import {_IMPORT_VERSION}",
    )


def write_store(
    poses: Iterable[ImportedPose],
    out: Path,
    estimator: str,
    estimator_version: str,
    total: int | None = None,
) -> int:
    """Write sequences and their annotations into a store, with a progress bar.

    Args:
        poses: the sequences.
        out: folder of the store, made when missing.
        estimator: what made the poses, for the provenance of each file.
        estimator_version: its version; a file of another version is written anew.
        total: number of sequences for the progress bar, where known.

    Returns:
        Number of sequences.

    Raises:
        InputError: when two sequences share an id, or the store holds other poses under it.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: expected a folder for the store, found a file")
    annotations = []
    seen: set[str] = set()
    for pose in tqdm(poses, desc=f"import to {out.name}", unit="seq", total=total):
        if pose.video_id in seen:
            raise InputError(f"two sequences of the source share the id {pose.video_id!r}")
        seen.add(pose.video_id)
        out.mkdir(parents=True, exist_ok=True)
        provenance = Provenance(estimator, estimator_version, source_sha256=pose.source_sha256)
        if not _is_stored(out / (pose.video_id + SUFFIX), provenance):
            write_pose_file(out, pose.video_id, pose.sequence, provenance)
        annotations += pose.annotations
    table = out / ANNOTATIONS_NAME
    before = read_annotations(table) if table.exists() else []
    write_annotations(table, [a for a in before if a.video not in seen] + annotations)
    return len(seen)


def _is_stored(path: Path, provenance: Provenance) -> bool:
    """True when the file is whole and was made from the same source by the same version."""
    if not path.exists():
        return False
    try:
        with PoseFile(path) as file:
            found = file.header.provenance
            file.read()
    except InputError:  # damaged: it is written anew
        return False
    if found.source_sha256 != provenance.source_sha256:
        raise InputError(
            f"{path.name} in {path.parent} comes from another source; import into another folder"
        )
    return found == provenance
