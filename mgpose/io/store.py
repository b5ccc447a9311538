"""A store: a folder of pose files, read as a mapping from video id to sequence.

``mgpose.io.pose_format`` writes out the format of a file. Beside the pose files a store may hold
``annotations.csv``, ``manifest.csv`` (how extraction went) and the private ``sources.csv`` (id to
path of the video), none of which is needed to read it.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mgpose.io.pose_file import SUFFIX, PoseFile, PoseHeader
from mgpose.structures import InputError, PoseSequence

_MAX_OPEN = 32  # closing a file costs time in proportion to the open ones


class PoseStore(Mapping[str, PoseSequence]):
    """Video id -> :class:`PoseSequence` over a folder of pose files, ids in sorted order.

    Files are opened on first use, at most 32 at a time, separately in each process, and never
    pickled: a store may travel to data loader workers.

    Args:
        folder: the folder; its ids are read once, at construction.

    Raises:
        InputError: when the folder is missing, holds no pose file, or none that is sound.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise InputError(f"{self.folder}: expected a folder of pose files, found none")
        names = [p.name for p in self.folder.iterdir() if p.suffix == SUFFIX and p.is_file()]
        self._ids = tuple(sorted(name.removesuffix(SUFFIX) for name in names))
        self._known = frozenset(self._ids)
        self._handles: dict[int, OrderedDict[str, PoseFile]] = {}
        if not self._ids:
            raise InputError(
                f"{self.folder}: expected pose files ({SUFFIX}), found none; make a store with "
                "tools/extract_pose.py or tools/import_pose.py"
            )
        self._require_a_sound_file()

    def __getitem__(self, video_id: str) -> PoseSequence:
        return self._open(video_id).read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, video_id: object) -> bool:
        return video_id in self._known

    def __repr__(self) -> str:
        return f"PoseStore({str(self.folder)!r}, {len(self)} videos)"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handles": {}}

    def read_window(self, video_id: str, start: int, stop: int) -> PoseSequence:
        """Frames ``start`` to ``stop`` (exclusive) of one video, without reading the rest.

        Raises:
            KeyError: for an unknown id.
            InputError: when the window leaves the video or the file is damaged.
        """
        return self._open(video_id).read(start, stop)

    def header(self, video_id: str) -> PoseHeader:
        """What the file of one video says of itself; no keypoints are read.

        Raises:
            KeyError: for an unknown id.
            InputError: when the file is damaged or not ours.
        """
        return self._open(video_id).header

    def time(self, video_id: str) -> npt.NDArray[np.float64]:
        """(T,) time stamps of one video, without its keypoints; as :attr:`PoseSequence.time`."""
        return self._open(video_id).time()

    def close(self) -> None:
        """Close the files that this process holds open; reading opens them again."""
        for file in self._handles.pop(os.getpid(), {}).values():
            file.close()

    def _require_a_sound_file(self) -> None:
        """A folder of other HDF5 files is refused at once; one damaged file is not the end of all.

        Raises:
            InputError: of the first file, when none can be opened.
        """
        failures = []
        for video_id in self._ids:
            try:
                PoseFile(self._path(video_id)).close()
                return
            except InputError as error:
                failures.append(error)
        raise failures[0]

    def _path(self, video_id: str) -> Path:
        return self.folder / (video_id + SUFFIX)

    def _open(self, video_id: str) -> PoseFile:
        """The open file of a video, from this process's least-recently-used cache."""
        if video_id not in self._known:
            raise KeyError(f"{self.folder} has no video {video_id!r}")
        # A forked child inherits its parent's handles; HDF5 must not share them.
        handles = self._handles.setdefault(os.getpid(), OrderedDict())
        if video_id not in handles:
            if len(handles) >= _MAX_OPEN:
                handles.popitem(last=False)[1].close()
            handles[video_id] = PoseFile(self._path(video_id))
        handles.move_to_end(video_id)
        return handles[video_id]
