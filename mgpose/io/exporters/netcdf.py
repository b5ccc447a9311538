"""Poses as netCDF in the structure of the ``movement`` package's poses data sets.

``movement`` (0.15) holds poses as an xarray data set with the dimensions ``time, space, keypoints,
individuals``, the variables ``position`` over all of them and ``confidence`` without ``space``, and
the attributes ``ds_type``, ``source_software``, ``time_unit`` ("seconds" or "frames") and, with
seconds, ``fps`` (neuroinformatics-unit.github.io, user guide "The movement datasets"). xarray reads
the file; it is plain netCDF-4 for other readers, R's ncdf4 among them.

``time`` holds the true time stamps. ``fps`` is their mean rate, left out where a frame lies more
than one frame from its place at that rate. ``flags`` is the ledger, with its bits named in the way
of the CF conventions, section 3.5. The file is written block by block, in constant memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mgpose.io.exporters.exported_pose import BLOCK_FRAMES, MOST_RATE_ERROR, ExportedPose
from mgpose.structures import FrameFlag

_DIMENSIONS = ("time", "space", "keypoints", "individuals")
_PACKED = {"compression": "gzip", "compression_opts": 4, "shuffle": True}


def write_netcdf(video: ExportedPose, path: Path) -> None:
    """One video as netCDF-4; an unknown subject is called ``id_0``, as ``movement`` does."""
    import h5netcdf

    first, frames = video.first, video.header.frames
    points, dims = first.keypoints.shape[1:]
    coordinates = {
        "space": tuple("xyz"[:dims]),
        "keypoints": first.skeleton.keypoints,
        "individuals": (first.subject or "id_0",),
    }
    rows = min(frames, BLOCK_FRAMES)
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"time": frames, **{n: len(names) for n, names in coordinates.items()}}
        file.create_variable("time", ("time",), "f8", data=video.time)
        for name, names in coordinates.items():
            words = np.array(names, dtype=object)
            file.create_variable(name, (name,), h5py.string_dtype(), data=words)
        shape = (rows, dims, points, 1)
        position = file.create_variable(
            "position", _DIMENSIONS, "f4", fillvalue=np.float32("nan"), chunks=shape, **_PACKED
        )
        confidence = file.create_variable(
            "confidence", ("time", *_DIMENSIONS[2:]), "f4", chunks=(rows, points, 1), **_PACKED
        )
        flags = file.create_variable("flags", ("time",), "u2")
        flags.attrs["flag_masks"] = np.array(list(FrameFlag), dtype=np.uint16)
        flags.attrs["flag_meanings"] = " ".join(str(flag.name).lower() for flag in FrameFlag)
        for start, block in video.blocks():
            place = slice(start, start + len(block))
            position[place] = block.keypoints.transpose(0, 2, 1)[..., None]
            confidence[place] = block.scores[..., None]
            flags[place] = block.ledger
        for name, value in _attributes(video).items():
            file.attrs[name] = value


def _attributes(video: ExportedPose) -> dict[str, Any]:
    """The attributes of a ``movement`` data set, then ours; netCDF has no None: left out."""
    header, rate = video.header, video.rate
    width, height = header.frame_size or (None, None)
    one_rate = rate is not None and rate.error <= MOST_RATE_ERROR
    attributes = {
        "ds_type": "poses",
        "source_software": header.provenance.estimator,
        "time_unit": "frames" if header.time_source == "index" else "seconds",
        "fps": rate.fps if rate is not None and one_rate else None,
        "video": video.video_id,
        "unit": header.unit,
        "frame_width": width,
        "frame_height": height,
        "time_source": header.time_source,
        "skeleton": video.first.skeleton.name,
        "estimator_version": header.provenance.estimator_version,
        "weights_sha256": header.provenance.weights_sha256,
        "source_sha256": header.provenance.source_sha256,
        "frames_unyielded": header.provenance.frames_unyielded,
    }
    return {name: value for name, value in attributes.items() if value is not None}
