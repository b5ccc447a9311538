"""Poses as Neurodata Without Borders (NWB) files through the extension ndx-pose.

A file holds, in the processing module ``behavior``: the ``Skeleton`` with its nodes and edges, a
``PoseEstimation`` with one ``PoseEstimationSeries`` a keypoint (position, NaN where not detected,
and confidence, over the video's true time stamps), and ``frame_flags``, the ledger. Annotations are
the time intervals ``annotations``. Subject and species (human) are stated where the subject is
known; there is no path and no file name of the video.

NWB wants a date of recording, which the store does not hold: it is written as 1970-01-01, said to
be unknown in the description of the session. NWB's time is in seconds: a video of unknown rate is
refused. Positions are streamed, in constant memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mgpose.io.exporters.exported_pose import BLOCK_FRAMES, ExportedPose, drawn_edges
from mgpose.structures import Annotation, FrameFlag, InputError

_UNKNOWN_DATE = datetime(1970, 1, 1, tzinfo=timezone.utc)
_UNITS = {
    "pixel": "pixels",
    "normalised": "fraction of frame width and height",
    "metre": "meters",
}
_IMAGE_FRAME = "(0, 0) is the top left corner of the picture; x runs right, y runs down"
_METRIC_FRAME = "the coordinate frame of the sensor that recorded the poses"
_MODULE = "behavior"
_ESTIMATION = "PoseEstimation"


def write_nwb(video: ExportedPose, path: Path) -> None:
    """One video as an NWB file.

    Raises:
        InputError: when its rate is unknown or a keypoint's name cannot name a series.
    """
    from pynwb import NWBHDF5IO

    _check(video)
    content = _content(video)
    # Every write fills whole chunks: the megabyte of cache that each data set gets is not needed.
    with (
        h5py.File(path, "w", rdcc_nbytes=1 << 16) as file,
        NWBHDF5IO(file=file, mode="w") as out,
    ):
        out.write(content)
        _fill(video, file[f"processing/{_MODULE}"])


def _check(video: ExportedPose) -> None:
    if video.header.time_source == "index":
        raise InputError(
            f"{video.video_id}: NWB needs time in seconds, found frame numbers; import the poses "
            "again with their rate, or export to csv, parquet or netcdf"
        )
    wrong = [k for k in video.first.skeleton.keypoints if "/" in k or ":" in k]
    if wrong:
        raise InputError(
            f"{video.video_id}: NWB names cannot hold '/' or ':', found the keypoint {wrong[0]!r}"
        )


def _content(video: ExportedPose) -> Any:
    """The NWB file in memory: all but the positions, whose data sets are empty as yet."""
    from ndx_pose import PoseEstimation, Skeleton, Skeletons
    from pynwb import NWBFile
    from pynwb.file import Subject

    header, layout = video.header, video.first.skeleton
    content = NWBFile(
        session_description="Poses of one person in one video. The date of recording is unknown; "
        "the session start time is a placeholder.",
        identifier=video.video_id,
        session_start_time=_UNKNOWN_DATE,
    )
    subject = None
    if header.subject:
        subject = Subject(subject_id=header.subject, species="Homo sapiens", sex="U")
        content.subject = subject
    places = [(layout.index(a), layout.index(b)) for a, b in drawn_edges(layout)]
    skeleton = Skeleton(
        name=layout.name,
        nodes=list(layout.keypoints),
        edges=np.array(places, dtype=np.uint16).reshape(-1, 2),
        subject=subject,
    )
    series = list(_series(video))
    estimation = PoseEstimation(
        name=_ESTIMATION,
        pose_estimation_series=series,
        description=_description(video),
        scorer=header.provenance.estimator,
        source_software=header.provenance.estimator,
        source_software_version=header.provenance.estimator_version,
        skeleton=skeleton,
    )
    module = content.create_processing_module(_MODULE, "poses of the person in the video")
    for item in (Skeletons(skeletons=[skeleton]), estimation, _flags(video, series[0])):
        module.add(item)
    _add_annotations(content, video)
    return content


def _series(video: ExportedPose) -> Iterator[Any]:
    """One series a keypoint; all share the time stamps of the first."""
    from ndx_pose import PoseEstimationSeries

    header, layout = video.header, video.first.skeleton
    times: Any = _packed(data=video.time)
    for name in layout.keypoints:
        series = PoseEstimationSeries(
            name=name,
            description=f"position of {name}; NaN where not detected",
            data=_empty(header.frames, header.dims),
            unit=_UNITS[header.unit],
            reference_frame=_METRIC_FRAME if header.unit == "metre" else _IMAGE_FRAME,
            confidence=_empty(header.frames),
            confidence_definition="score of the estimator in [0, 1]; 0 where not detected",
            timestamps=times,
        )
        yield series
        if name == layout.keypoints[0]:
            times = series


def _flags(video: ExportedPose, timed: Any) -> Any:
    from pynwb import TimeSeries

    bits = ", ".join(f"{int(flag)} {str(flag.name).lower()}" for flag in FrameFlag)
    return TimeSeries(
        name="frame_flags",
        description=f"what happened to every frame, as the sum of bits: {bits}",
        data=_empty(video.header.frames, dtype="u2"),
        unit="bits",
        timestamps=timed,
    )


def _empty(*shape: int, dtype: str = "f4") -> Any:
    """A data set to be filled block by block."""
    chunks = (min(shape[0], BLOCK_FRAMES), *shape[1:])
    return _packed(shape=shape, dtype=np.dtype(dtype), maxshape=shape, chunks=chunks)


def _packed(**settings: Any) -> Any:
    from hdmf.backends.hdf5.h5_utils import H5DataIO

    return H5DataIO(compression="gzip", compression_opts=4, shuffle=True, **settings)


def _fill(video: ExportedPose, module: h5py.Group) -> None:
    for start, block in video.blocks():
        place = slice(start, start + len(block))
        module["frame_flags/data"][place] = block.ledger
        for v, name in enumerate(block.skeleton.keypoints):
            group = module[f"{_ESTIMATION}/{name}"]
            group["data"][place] = block.keypoints[:, v]
            group["confidence"][place] = block.scores[:, v]


def _description(video: ExportedPose) -> str:
    header, origin = video.header, video.header.provenance
    size = "x".join(map(str, header.frame_size)) if header.frame_size else "unknown"
    return (
        f"Keypoints of the layout {video.first.skeleton.name}, raw and unsmoothed. Frame size "
        f"{size}. Time from: {header.time_source}. Frames announced and never yielded: "
        f"{origin.frames_unyielded}. SHA-256 of the weights: {origin.weights_sha256 or 'unknown'}; "
        f"of the source: {origin.source_sha256 or 'unknown'}."
    )


def _add_annotations(content: Any, video: ExportedPose) -> None:
    if not video.annotations:
        return
    from pynwb.epoch import TimeIntervals

    intervals = TimeIntervals(name="annotations", description="labelled spans of the video")
    groups = sorted({key for a in video.annotations for key in a.groups})
    for name in ("label", "tier", "annotator", "confidence", *groups):
        intervals.add_column(name=name, description=f"{name} of the annotation")
    for a in video.annotations:
        start, stop = _seconds(a, video)
        intervals.add_row(
            start_time=start,
            stop_time=stop,
            label=a.label,
            tier=a.tier,
            annotator=a.annotator,
            confidence=float(a.confidence),
            **{key: a.groups.get(key, "") for key in groups},
        )
    content.add_time_intervals(intervals)


def _seconds(annotation: Annotation, video: ExportedPose) -> tuple[float, float]:
    """Start and stop in seconds; frames by their time stamps, never by a rate."""
    if annotation.unit == "second":
        return float(annotation.start), float(annotation.stop)
    time = video.time
    after = time[-1] + (np.median(np.diff(time)) if len(time) > 1 else 0.0)
    ends = np.append(time, after)
    start, stop = (min(int(i), len(time)) for i in (annotation.start, annotation.stop))
    return float(ends[start]), float(ends[stop])
