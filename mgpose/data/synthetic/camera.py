"""A camera before the subject: where it stands, how it drifts, what it sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mgpose.data.synthetic.body import rotations
from mgpose.data.synthetic.hand import Floats
from mgpose.data.synthetic.idle import drift
from mgpose.data.synthetic.subject import Subject

FRAME_SIZE = (1280, 720)


@dataclass(frozen=True, eq=False)
class Camera:
    """A pin-hole camera that looks at the subject's chest.

    Args:
        rotation: (T, 3, 3) from the room to the camera.
        distance: from the chest, shoulder widths.
        scale: (T,) pixels a shoulder width at the distance of the chest.
        place: (T, 2) pixel at which the mid-shoulder rests.
    """

    rotation: Floats
    distance: float
    scale: Floats
    place: Floats

    def project(self, points: Floats, window: slice) -> Floats:
        """(t, V, 3) in shoulder widths -> (t, V, 2) pixels of these frames of the video."""
        rotation = self.rotation[window][:, None]
        # Sums in a written order: a matrix product's depends on the machine.
        x, y, z = (
            rotation[..., i, 0] * points[..., 0]
            + rotation[..., i, 1] * points[..., 1]
            + rotation[..., i, 2] * points[..., 2]
            for i in range(3)
        )
        size = self.scale[window][:, None] * self.distance / (self.distance - z)
        return np.stack([size * x, size * y], -1) + self.place[window][:, None]


def sample_camera(rng: np.random.Generator, subject: Subject, frames: int) -> Camera:
    """The camera of one video: near the subject's usual one, drifting slowly."""
    yaw, pitch, distance, scale = subject.camera
    yaw += 0.2 * rng.standard_normal()
    pitch += 0.06 * rng.standard_normal()
    roll = 0.025 * rng.standard_normal()
    wander = drift(rng, frames, 4, 60, 6)
    turn = rotations(
        pitch + 0.002 * wander[:, 0], yaw + 0.004 * wander[:, 1], np.full(frames, roll)
    )
    zoom = 1 + 0.012 * wander[:, 2]
    centre = np.array(
        [
            FRAME_SIZE[0] / 2 + 90 * rng.standard_normal(),
            rng.uniform(0.40, 0.46) * FRAME_SIZE[1],
        ]
    )
    place = centre + 1.5 * wander[:, 3:] * np.array([1.0, 0.5])
    return Camera(turn, float(distance), scale * zoom, place)
