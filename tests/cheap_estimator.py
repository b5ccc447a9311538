"""An estimator of a user's own, for tests of everything around it: ``cheap_estimator:make``.

Its keypoints follow from the pixels alone. ``MGPOSE_CHEAP_PAUSE`` (seconds a frame) slows it down,
``MGPOSE_CHEAP_NOISE`` makes it write a line to standard error, as native libraries do.
"""

import os
import time

import numpy as np

from mgpose.extraction.roles import Method
from mgpose.extraction.tracker import SubjectTracker
from mgpose.structures.sources import MEDIAPIPE_543


class Nobody:
    def detect(self, image):
        return []

    def close(self):
        pass


class Cheap:
    skeleton = MEDIAPIPE_543
    batch = 4
    finds_people = False

    def __init__(self):
        self.pause = float(os.environ.get("MGPOSE_CHEAP_PAUSE", 0))
        if os.environ.get("MGPOSE_CHEAP_NOISE"):
            os.write(2, b"a native library warns\n")

    def estimate(self, views):
        time.sleep(self.pause * len(views))
        found = []
        for view in views:
            values = view.image.reshape(-1)[:: max(1, view.image.size // 1086)][:1086]
            found.append(np.resize(values, (543, 2)).astype(np.float32))
        return np.stack(found), np.ones((len(views), 543), np.float32)

    def close(self):
        pass


def make(settings):
    settings.refuse("model", "checkpoint", "detector", "device", "batch")
    return Method("cheap", "1", "", Nobody, SubjectTracker, Cheap)
