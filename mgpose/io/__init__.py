"""Files: the pose store, annotations, and video reading."""

from mgpose.io.annotations import ANNOTATIONS_NAME, read_annotations, write_annotations
from mgpose.io.pose_file import PoseHeader, Provenance, read_pose_file, write_pose_file
from mgpose.io.store import PoseStore

__all__ = [
    "ANNOTATIONS_NAME",
    "PoseHeader",
    "PoseStore",
    "Provenance",
    "read_annotations",
    "read_pose_file",
    "write_annotations",
    "write_pose_file",
]
