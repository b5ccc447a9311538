"""Which videos a batch works on, and by which ids."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mgpose.io.pose_file import check_video_id
from mgpose.structures import InputError

# fmt: off
VIDEO_SUFFIXES = frozenset((
    ".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
    ".mts", ".mxf", ".ogv", ".ts", ".webm", ".wmv",
))
# fmt: on
_MANIFEST_COLUMNS = ["video", "id", "subject"]


@dataclass(frozen=True)
class Video:
    """A video to extract: its file, its id in the store, and its subject, if known."""

    path: Path
    video_id: str
    subject: str | None = None


def find_videos(inputs: Sequence[Path], manifest: Path | None = None) -> list[Video]:
    """The videos among files and folders, in order of their ids.

    A folder is searched to its depths for files with the suffix of a video, broken links among
    them, which are told when their turn comes; a file is taken whatever its suffix. Without a
    manifest the id is a hash of the path relative to the folder (of a file, its name), so that no
    name leaks. With one, the ids and subjects are the manifest's, and videos that it does not list
    are left out.

    Raises:
        InputError: when nothing is found, ids clash, or the manifest cannot be read or names a
            video that is not among the inputs.
    """
    found: dict[Path, str] = {}
    for source in inputs:
        if source.is_dir():
            for path in sorted(source.rglob("*")):
                if path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir():
                    found[_resolved(path)] = path.relative_to(source).as_posix()
        else:
            found[_resolved(source)] = source.name
    if not found:
        raise InputError(
            f"{', '.join(map(str, inputs))}: expected videos ({', '.join(sorted(VIDEO_SUFFIXES))}),"
            " found none"
        )
    if manifest is None:
        videos = [Video(path, hashed_id(name)) for path, name in found.items()]
    else:
        videos = _listed(found, manifest)
    _check_unique(videos)
    return sorted(videos, key=lambda video: video.video_id)


def hashed_id(relative_path: str) -> str:
    """A video id that does not tell the path that it is made from."""
    return "v" + hashlib.sha256(os.fsencode(relative_path)).hexdigest()[:12]


def _resolved(path: Path) -> Path:
    """The file itself behind links; a link that leads nowhere as it is."""
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError):  # nothing there, or a loop
        return path.absolute()


def _listed(found: dict[Path, str], manifest: Path) -> list[Video]:
    by_name: dict[str, list[Path]] = {}
    for path, name in found.items():
        by_name.setdefault(name, []).append(path)
    videos = []
    for number, row in _manifest_rows(manifest):
        paths = by_name.get(Path(row["video"]).as_posix(), [])
        if len(paths) != 1:
            raise InputError(
                f"{manifest}, line {number}: expected one video {row['video']!r} among the inputs "
                f"(a path relative to the input folder), found {len(paths)}"
            )
        try:
            video_id = check_video_id(row["id"])
        except InputError as error:
            raise InputError(f"{manifest}, line {number}: {error}") from None
        videos.append(Video(paths[0], video_id, row["subject"] or None))
    return videos


def _manifest_rows(manifest: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with manifest.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            if rows.fieldnames != _MANIFEST_COLUMNS:
                raise InputError(
                    f"{manifest}: expected the columns {','.join(_MANIFEST_COLUMNS)}, found "
                    f"{rows.fieldnames}"
                )
            table = [(rows.line_num, row) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{manifest}: expected a CSV manifest, found: {error}") from None
    for number, row in table:
        if None in row or None in row.values():
            raise InputError(f"{manifest}, line {number}: expected 3 fields, found another number")
    return table


def _check_unique(videos: Sequence[Video]) -> None:
    seen: dict[str, Path] = {}
    for video in videos:
        if video.video_id in seen:
            raise InputError(
                f"{video.path} and {seen[video.video_id]} have the same id {video.video_id!r}; "
                "give them ids with --manifest, or name their common folder"
            )
        seen[video.video_id] = video.path
