"""Poses that users hold become a store: one pose file a sequence, and ``annotations.csv``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from mgpose.io.importers.dot_pose import read_dot_pose
from mgpose.io.importers.dwpose_npz import read_dwpose_npz
from mgpose.io.importers.holistic_arrays import read_frame_folders, read_npz_sets
from mgpose.io.importers.imigue_labels import annotate_store
from mgpose.io.importers.imported_pose import (
    NO_OPTIONS,
    FailedImport,
    Imported,
    ImportOptions,
    add_annotations,
    read_subjects,
)
from mgpose.io.importers.kinect_text import read_kinect_text
from mgpose.io.importers.ma52 import annotate_with_lists, read_ma52
from mgpose.io.importers.miga import read_miga
from mgpose.io.importers.mmaction_pickle import read_mmaction_pickle
from mgpose.io.importers.nw_ucla import read_nw_ucla
from mgpose.io.importers.openpose_json import read_openpose_json
from mgpose.io.importers.smg import read_smg
from mgpose.io.importers.stgcn_arrays import read_stgcn_arrays
from mgpose.io.importers.wholebody_json import read_wholebody_json
from mgpose.io.pose_file import SUFFIX, PoseFile, Provenance, check_video_id, write_pose_file
from mgpose.structures import Annotation, InputError, PoseSequence

# Raise it when a reader gives other numbers for the same source: stored files are then redone.
_IMPORT_VERSION = 1

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PoseFormat:
    """A format that can be imported.

    Args:
        read: source path and the user's options -> sequences, of which some may have failed.
        estimator: what made the poses, as far as the format tells.
        takes: the options that it heeds; others are refused. Subjects can always be told.
    """

    read: Callable[[Path, ImportOptions], Iterator[Imported]]
    estimator: str
    takes: tuple[str, ...]


_RATE = ("fps",)
_PICTURE = ("fps", "frame_size")
_WITH_LABELS = (*_PICTURE, "labels", "frame_base")
_PICKLE = (*_PICTURE, "labels", "skeleton")

FORMATS: dict[str, PoseFormat] = {
    "mediapipe-npz": PoseFormat(read_npz_sets, "mediapipe-holistic", _RATE),
    "mediapipe-1662": PoseFormat(read_frame_folders, "mediapipe-holistic", _RATE),
    "nw-ucla": PoseFormat(read_nw_ucla, "kinect-v1", _RATE),
    "kinect-text": PoseFormat(read_kinect_text, "kinect", _PICTURE),
    "openpose-json": PoseFormat(read_openpose_json, "openpose", _WITH_LABELS),
    "miga": PoseFormat(read_miga, "openpose", _WITH_LABELS),
    "smg": PoseFormat(read_smg, "kinect-v2", _RATE),
    "pyskl": PoseFormat(read_mmaction_pickle, "unknown", _PICKLE),
    "ma52": PoseFormat(read_ma52, "unknown", _PICKLE),
    "stgcn-npy": PoseFormat(read_stgcn_arrays, "unknown", _PICTURE),
    "pose-format": PoseFormat(read_dot_pose, "unknown", _PICTURE),
    "wholebody-json": PoseFormat(read_wholebody_json, "unknown", (*_PICTURE, "skeleton")),
    "dwpose-npz": PoseFormat(read_dwpose_npz, "dwpose", _PICTURE),
}


@dataclass(frozen=True)
class LabelFormat:
    """Labels of poses that a store already holds.

    Args:
        annotate: source, store and options -> number of videos.
        takes: the options that it heeds; others are refused.
    """

    annotate: Callable[[Path, Path, ImportOptions], int]
    takes: tuple[str, ...] = ()


LABEL_FORMATS: dict[str, LabelFormat] = {
    "imigue": LabelFormat(annotate_store, ("frame_base",)),
    "ma52-labels": LabelFormat(annotate_with_lists),
}


def import_poses(
    source: str | Path,
    format: str,
    out: str | Path,
    options: ImportOptions = NO_OPTIONS,
) -> int:
    """Import everything at ``source`` into the store ``out``; a rerun skips what is there whole.

    Annotations that the store already holds are kept, but for those of a video and tier that the
    source annotates itself. A bad sequence is logged and costs itself only: the error comes when
    all others are stored.

    Args:
        source: file or folder in the format.
        format: a key of ``FORMATS``, or of ``LABEL_FORMATS`` for labels of poses that the store
            holds.
        out: folder of the store, made when missing.
        options: what the format does not say.

    Returns:
        Number of sequences at the source, written now or before.

    Raises:
        InputError: for an unknown format, an option that it does not take, or when a sequence or
            the whole source is bad, or the store or the source holds its id for other poses.
    """
    if format in LABEL_FORMATS:
        labels = LABEL_FORMATS[format]
        options.refuse_others(format, labels.takes)
        return labels.annotate(Path(source), Path(out), options)
    if format not in FORMATS:
        raise InputError(
            f"unknown format {format!r}; known: {', '.join((*FORMATS, *LABEL_FORMATS))}"
        )
    chosen = FORMATS[format]
    options.refuse_others(format, (*chosen.takes, "subjects"))
    poses = chosen.read(Path(source), options)
    if options.subjects is not None:
        poses = _with_subjects(poses, read_subjects(options.subjects))
    return write_store(
        poses,
        Path(out),
        estimator=chosen.estimator,
        estimator_version=f"unknown; import {_IMPORT_VERSION}",
    )


def _with_subjects(poses: Iterator[Imported], subjects: Mapping[str, str]) -> Iterator[Imported]:
    """The sequences, each with the subject of the user's table; none may contradict it."""
    unused = set(subjects)
    for pose in poses:
        if isinstance(pose, FailedImport) or pose.video_id not in subjects:
            yield pose
            continue
        unused.discard(pose.video_id)
        told, subject = subjects[pose.video_id], pose.sequence.subject
        if subject not in (None, told):
            yield FailedImport(
                f"{pose.video_id}: the subject is {subject!r} by its format and {told!r} by the "
                "table of subjects; correct the table"
            )
            continue
        yield replace(
            pose,
            sequence=pose.sequence.replace(subject=told),
            annotations=tuple(replace(a, subject=told) for a in pose.annotations),
        )
    if unused:
        logger.warning("subjects of %d videos not used, such as %r", len(unused), min(unused))


def write_store(
    poses: Iterable[Imported],
    out: Path,
    estimator: str,
    estimator_version: str,
    total: int | None = None,
) -> int:
    """Write sequences and their annotations into a store, with a progress bar.

    Args:
        poses: the sequences; a failed one is logged.
        out: folder of the store, made when missing.
        estimator: what made the poses, for the provenance of each file.
        estimator_version: its version; a file of another version is written anew.
        total: number of sequences for the progress bar, where known.

    Returns:
        Number of sequences.

    Raises:
        InputError: once the good sequences are stored, when others failed: they could not be read,
            two share an id, or the store holds other poses under it.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: expected a folder for the store, found a file")
    stored: dict[str, tuple[Annotation, ...]] = {}
    errors: list[InputError] = []
    try:
        with logging_redirect_tqdm():
            for pose in tqdm(poses, desc=f"import to {out.name}", unit="seq", total=total):
                try:
                    _store(pose, out, stored, estimator, estimator_version)
                except InputError as error:
                    logger.error("%s", error)
                    errors.append(error)
    finally:  # whatever ends the import, what is stored has its annotations
        if stored:
            add_annotations(out, stored)
    if errors:
        raise InputError(
            f"{len(errors)} of {len(stored) + len(errors)} sequences were not imported into {out}; "
            f"the first: {errors[0]}"
        )
    return len(stored)


def _store(
    pose: Imported,
    out: Path,
    stored: dict[str, tuple[Annotation, ...]],
    estimator: str,
    estimator_version: str,
) -> None:
    """Write one sequence, unless it is there whole, and note its annotations in ``stored``."""
    if isinstance(pose, FailedImport):
        raise InputError(pose.error)
    if pose.video_id in stored:
        raise InputError(f"two sequences of the source share the id {pose.video_id!r}")
    out.mkdir(parents=True, exist_ok=True)
    provenance = Provenance(estimator, estimator_version, source_sha256=pose.source_sha256)
    path = out / (check_video_id(pose.video_id) + SUFFIX)
    if not _is_stored(path, pose.sequence, provenance):
        write_pose_file(out, pose.video_id, pose.sequence, provenance)
    stored[pose.video_id] = pose.annotations


def _is_stored(path: Path, sequence: PoseSequence, provenance: Provenance) -> bool:
    """True when the file is whole and was made from the same source by the same version.

    What the user told besides, such as the frame rate, must be the same too.
    """
    if not path.exists():
        return False
    try:
        with PoseFile(path) as file:
            found = file.header.provenance
            stored = file.read()
    except InputError:  # damaged: it is written anew
        return False
    if found.source_sha256 != provenance.source_sha256:
        raise InputError(
            f"{path.name} in {path.parent} comes from another source; import into another folder"
        )
    same = (stored.subject, stored.frame_size) == (sequence.subject, sequence.frame_size)
    return found == provenance and same and np.array_equal(stored.time, sequence.time)
