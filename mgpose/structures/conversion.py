"""From one layout to another: to the model layout by the frozen table, else by keypoint name.

A name means the same keypoint in every layout. Two keypoints are derived wherever a target has them
and whatever the source has there: ``neck`` is the middle of the shoulders, ``mid_hip`` of the hips.
So layouts with and without a neck of their own give a model the same point, and OpenPose-137 to
WholeBody-133 and back is exact on the 133 shared keypoints only: neck and mid-hip come back as
derived, the pupils not at all.

Kinect's joints become an upper body without nose, face and fingers. Metres, with x to the right of
a person who faces the camera and y up, are turned to the axes of an image, x right and y down; a
model that reads x and y then sees a parallel projection.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mgpose.structures.coco import COCO_17, DWPOSE_128, HALPE_136, OPENPOSE_18
from mgpose.structures.kinect import KINECT_20, KINECT_25
from mgpose.structures.layouts import LAYOUT_TABLE, UPPER_BODY_HANDS_FACE, Places
from mgpose.structures.pose_sequence import PoseSequence
from mgpose.structures.skeleton import Skeleton
from mgpose.structures.sources import (
    MEDIAPIPE_543,
    MEDIAPIPE_553,
    MEDIAPIPE_BODY_HANDS_75,
    MEDIAPIPE_CONTOURS_203,
    OPENPOSE_137,
    WHOLEBODY_133,
)


@dataclass(frozen=True)
class LayoutMap:
    """Where each target keypoint comes from.

    Args:
        source, target: the two layouts.
        places: for each target keypoint the source keypoints whose mean it is; empty = absent.
    """

    source: Skeleton
    target: Skeleton
    places: tuple[Places, ...]

    @property
    def lossy(self) -> bool:
        """True when the source cannot be rebuilt from the target."""
        copied = {p[0] for p in self.places if len(p) == 1}
        return copied != set(range(len(self.source)))

    @property
    def absent(self) -> tuple[str, ...]:
        """Target keypoints that the source does not hold."""
        return tuple(
            name for name, p in zip(self.target.keypoints, self.places, strict=True) if not p
        )


def _body_hands_places(places: Places) -> Places:
    """Places in the 75-point set (pose, hands): the 203-point set without its face."""
    if any(33 <= p < 161 for p in places):
        return ()
    return tuple(p if p < 33 else p - 128 for p in places)


_DERIVED = {
    "neck": ("left_shoulder", "right_shoulder"),
    "mid_hip": ("left_hip", "right_hip"),
}


def _places_by_name(source: Skeleton, target: Skeleton) -> tuple[Places, ...]:
    place = {name: i for i, name in enumerate(source.keypoints)}
    names = (_DERIVED.get(name, (name,)) for name in target.keypoints)
    return tuple(
        tuple(place[name] for name in group) if place.keys() >= set(group) else ()
        for group in names
    )


_TARGET = UPPER_BODY_HANDS_FACE
_MAPS = (
    *(
        LayoutMap(source, _TARGET, places)
        for source, places in (
            (WHOLEBODY_133, tuple(r.wholebody_133 for r in LAYOUT_TABLE)),
            (OPENPOSE_137, tuple(r.openpose_137 for r in LAYOUT_TABLE)),
            (MEDIAPIPE_543, tuple(r.mediapipe_543 for r in LAYOUT_TABLE)),
            (MEDIAPIPE_CONTOURS_203, tuple(r.mediapipe_contours_203 for r in LAYOUT_TABLE)),
            (
                MEDIAPIPE_BODY_HANDS_75,
                tuple(_body_hands_places(r.mediapipe_contours_203) for r in LAYOUT_TABLE),
            ),
        )
    ),
    *(
        LayoutMap(source, target, _places_by_name(source, target))
        for source, target in (
            (MEDIAPIPE_553, _TARGET),
            (COCO_17, _TARGET),
            (OPENPOSE_18, _TARGET),
            (DWPOSE_128, _TARGET),
            (HALPE_136, _TARGET),
            (OPENPOSE_137, WHOLEBODY_133),
            (WHOLEBODY_133, OPENPOSE_137),
        )
    ),
    *(
        LayoutMap(source, _TARGET, _places_by_name(source, _TARGET))
        for source in (KINECT_20, KINECT_25)
    ),
)
LAYOUT_MAPS: dict[tuple[str, str], LayoutMap] = {(m.source.name, m.target.name): m for m in _MAPS}


def viewed_as(skeleton: Skeleton) -> Skeleton:
    """The layout in which a pose is drawn and judged: the model layout where a map leads there.

    Bodies that models read on their own, such as Kinect's, stay whole.
    """
    has_map = (skeleton.name, _TARGET.name) in LAYOUT_MAPS
    return _TARGET if has_map and skeleton.canonical is None else skeleton


def convert(sequence: PoseSequence, target: Skeleton) -> PoseSequence:
    """The sequence in another layout; keypoints that the source lacks are NaN with score 0.

    A derived keypoint needs all of its sources and takes the lowest of their scores.

    Raises:
        ValueError: when no map between the two layouts exists.
    """
    if sequence.skeleton == target:
        return sequence
    key = (sequence.skeleton.name, target.name)
    if key not in LAYOUT_MAPS:
        known = ", ".join(f"{a} -> {b}" for a, b in LAYOUT_MAPS)
        raise ValueError(f"no conversion {key[0]} -> {key[1]}; known: {known}")
    frames, dims = len(sequence), sequence.keypoints.shape[2]
    keypoints = np.full((frames, len(target), dims), np.nan, dtype=np.float32)
    scores = np.zeros((frames, len(target)), dtype=np.float32)
    for v, places in enumerate(LAYOUT_MAPS[key].places):
        if places:
            keypoints[:, v] = sequence.keypoints[:, places].mean(1)
            scores[:, v] = sequence.scores[:, places].min(1)
    if sequence.unit == "metre" and target == _TARGET:
        keypoints[..., :2] *= -1
    return sequence.replace(skeleton=target, keypoints=keypoints, scores=scores)
