"""The format of a pose file: the keypoints of one person in one video, as HDF5.

The format, version 1, in a file called ``<id>.h5``::

    /keypoints  (T, V, 2 or 3)  float32  raw, unsmoothed; NaN where not detected
    /scores     (T, V)          float32  in [0, 1]; 0 where not detected
    /time       (T,)            float64  strictly increasing; seconds, or frame numbers
    /ledger     (T,)            uint16   bits of mgpose.structures.FrameFlag, a row a frame

All are little-endian, gzip 4 with shuffle, in chunks of 64 frames. T counts failed frames too.
The attributes of the root, strings as fixed-length UTF-8 so that nothing has variable length::

    format              "mgpose-pose"
    format_version      1
    skeleton            name of the layout
    keypoint_names      (V,) the names, in order
    unit                "pixel", "normalised" or "metre"
    frame_size          (2,) width and height in pixels; absent where unknown
    time_source         "container", "rate" or "index"
    subject             subject id; absent where unknown
    estimator           what found the keypoints
    estimator_version   its version
    weights_sha256      hash of its model files, empty where not known
    source_sha256       hash of the source file, empty where not known
    frames_unyielded    frames that the container announced and never yielded

There is no file name, path, time of writing, picture or sound in it: the same poses give the same
bytes. A file is written as ``<id>.h5.partial``, closed, reopened and compared, flushed to the disk
and renamed, so a file under its final name is whole. Reading distrusts the file and checks its
structure before any data are read.
"""

from __future__ import annotations

import math
from typing import Any

import h5py
import numpy as np

FORMAT = "mgpose-pose"
FORMAT_VERSION = 1

DTYPES = {"keypoints": "<f4", "scores": "<f4", "time": "<f8", "ledger": "<u2"}
# name: kinds of NumPy type, number of dimensions
_ATTRIBUTES = {
    "format": ("S", 0),
    "format_version": ("iu", 0),
    "skeleton": ("S", 0),
    "keypoint_names": ("S", 1),
    "unit": ("S", 0),
    "frame_size": ("iu", 1),
    "time_source": ("S", 0),
    "subject": ("S", 0),
    "estimator": ("S", 0),
    "estimator_version": ("S", 0),
    "weights_sha256": ("S", 0),
    "source_sha256": ("S", 0),
    "frames_unyielded": ("iu", 0),
}
_OPTIONAL = {"frame_size", "subject"}
CHUNK_FRAMES = 64
_MAX_FRAMES = 50_000_000  # 23 days at 25 frames a second
_MAX_KEYPOINTS = 4096
_MAX_CHUNK_BYTES = 1 << 26
_MAX_DEFLATE_RATIO = 1100  # deflate cannot pack more than 1032 bytes into one
_KNOWN_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}


def read_attributes(file: h5py.File) -> dict[str, Any]:
    """The root's attributes, each one's type and size checked before it is read.

    Raises:
        ValueError: saying what was expected and found.
    """
    attributes = file.attrs
    found: dict[str, Any] = {}
    for name, (kinds, ndim) in _ATTRIBUTES.items():
        if name not in attributes:
            continue
        raw = attributes.get_id(name)
        dtype, shape = raw.dtype, raw.shape
        if dtype.kind not in kinds or len(shape) != ndim:
            raise ValueError(f"the attribute {name!r} has type {dtype} and shape {shape}")
        if math.prod(shape) > _MAX_KEYPOINTS or dtype.itemsize > 1024:
            raise ValueError(f"the attribute {name!r} is absurdly large: {shape} {dtype}")
        value = np.empty(shape, dtype)
        raw.read(value)
        found[name] = value.tolist()
    if found.get("format") != FORMAT.encode():
        raise ValueError(f"expected the attribute format = {FORMAT!r}, found another or none")
    if found.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"expected format version {FORMAT_VERSION}, found {found.get('format_version')}"
        )
    missing = sorted(set(_ATTRIBUTES) - _OPTIONAL - set(found))
    if missing:
        raise ValueError(f"the attribute {missing[0]!r} is missing")
    return found


def checked_datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """The four datasets, checked before any of their data are read.

    Raises:
        ValueError: saying what was expected and found.
    """
    if len(file) != len(DTYPES) or set(file) != set(DTYPES):
        raise ValueError(f"expected the datasets {sorted(DTYPES)}, found {list(file)[:8]}")
    data = {}
    for name in DTYPES:
        if file.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
            raise ValueError(f"/{name} is a soft or external link")
        data[name] = file[name]
        _check_dataset(name, data[name])
    shape = data["keypoints"].shape
    found = {name: d.shape for name, d in data.items()}
    expected = {
        "keypoints": shape,
        "scores": shape[:2],
        "time": shape[:1],
        "ledger": shape[:1],
    }
    if found != expected or len(shape) != 3 or shape[2] not in (2, 3):
        raise ValueError(f"shapes do not belong together: {found}")
    if not 0 < shape[0] <= _MAX_FRAMES or shape[1] > _MAX_KEYPOINTS:
        raise ValueError(
            f"expected 1..{_MAX_FRAMES} frames of at most {_MAX_KEYPOINTS} keypoints, found {shape}"
        )
    return data


def _check_dataset(name: str, data: Any) -> None:
    if not isinstance(data, h5py.Dataset) or data.dtype != np.dtype(DTYPES[name]):
        raise ValueError(f"/{name} must be a dataset of {DTYPES[name]}, found {data!r}")
    plist = data.id.get_create_plist()
    if plist.get_layout() != h5py.h5d.CHUNKED:
        raise ValueError(f"/{name} must hold its data in chunks of its own file")
    filters = {plist.get_filter(i)[0] for i in range(plist.get_nfilters())}
    if not filters <= _KNOWN_FILTERS:
        raise ValueError(f"/{name} uses unknown filters {sorted(filters - _KNOWN_FILTERS)}")
    if math.prod(plist.get_chunk()) * data.dtype.itemsize > _MAX_CHUNK_BYTES:
        raise ValueError(f"/{name} has absurdly large chunks {plist.get_chunk()}")
    if data.nbytes > data.id.get_storage_size() * _MAX_DEFLATE_RATIO:
        raise ValueError(f"/{name} claims {data.nbytes} bytes that the file does not hold")
