"""What a user says about the estimator; plain values that travel to workers and cluster jobs."""

from __future__ import annotations

from dataclasses import dataclass, fields

from mgpose.structures import InputError


@dataclass(frozen=True)
class EstimatorSettings:
    """Which estimator, with which weights, on which device.

    Args:
        name: a key of :data:`mgpose.extraction.estimators.methods.METHODS`.
        model: path of the network: an ``.onnx`` file, a ``.task`` bundle, an MMPose config, or a
            model name of MMPose's.
        checkpoint: path of the weights where they lie apart from the network.
        detector: what finds people, see ``choose_detector`` in
            :mod:`mgpose.extraction.estimators.person_detectors`; empty for the estimator's own
            choice.
        device: ``"cpu"``, ``"cuda"`` or what the runtime calls it; empty for its own choice.
        batch: frames at a time; 0 for the estimator's own choice.

    Raises:
        InputError: when the batch is negative.
    """

    name: str = "mediapipe"
    model: str = ""
    checkpoint: str = ""
    detector: str = ""
    device: str = ""
    batch: int = 0

    def __post_init__(self) -> None:
        if self.batch < 0:
            raise InputError(f"--batch {self.batch}: expected 1 or more, or 0 for its own choice")

    def refuse(self, *options: str) -> None:
        """Refuse options that this estimator does not have, rather than not heed them.

        Raises:
            InputError: when one of them is given.
        """
        defaults = {field.name: field.default for field in fields(self)}
        given = [f"--{name}" for name in options if getattr(self, name) != defaults[name]]
        if given:
            raise InputError(f"the estimator {self.name!r} has no option {', '.join(given)}")
