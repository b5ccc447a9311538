"""The nouns: numpy only, frozen, validated on construction."""

from mgpose.structures.annotation import Annotation
from mgpose.structures.conversion import convert
from mgpose.structures.errors import CollapseError, InputError, run_tool
from mgpose.structures.kinect import KINECT_20
from mgpose.structures.layouts import UPPER_BODY_HANDS_FACE
from mgpose.structures.ledger import FrameFlag, ledger_totals
from mgpose.structures.pose_sequence import PoseSequence, mirror
from mgpose.structures.skeleton import Canonical, Skeleton
from mgpose.structures.sources import SKELETONS, skeleton_by_name
from mgpose.structures.split import Split, groups_of

__all__ = [
    "KINECT_20",
    "SKELETONS",
    "UPPER_BODY_HANDS_FACE",
    "Annotation",
    "Canonical",
    "CollapseError",
    "FrameFlag",
    "InputError",
    "PoseSequence",
    "Skeleton",
    "Split",
    "convert",
    "groups_of",
    "ledger_totals",
    "mirror",
    "run_tool",
    "skeleton_by_name",
]
