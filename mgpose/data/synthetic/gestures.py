"""The kinematic models of the 32 classes, in the order of iMiGUE's numbers.

A gesture has one or several ways of doing it. A way says where a hand goes, which part of it meets
that place, how it lies and what it does there, and what trunk, head and face do.
``micro_gestures.json`` describes the same classes in words.
"""

from mgpose.data.synthetic.gesture_model import Gesture
from mgpose.data.synthetic.gestures_of_head import GESTURES_OF_HEAD
from mgpose.data.synthetic.gestures_of_trunk import GESTURES_OF_TRUNK
from mgpose.structures.micro_gestures import MICRO_GESTURES

_MODELS = GESTURES_OF_HEAD | GESTURES_OF_TRUNK
GESTURES: dict[str, Gesture] = {gesture.name: _MODELS[gesture.name] for gesture in MICRO_GESTURES}
