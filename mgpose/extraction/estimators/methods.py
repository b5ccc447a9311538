"""The estimators by name."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable

from mgpose.extraction.estimators.estimator_settings import EstimatorSettings
from mgpose.extraction.estimators.mediapipe_holistic import mediapipe_method
from mgpose.extraction.estimators.mediapipe_tasks import mediapipe_tasks_method
from mgpose.extraction.estimators.mmpose_wholebody import mmpose_method
from mgpose.extraction.estimators.onnx_wholebody import onnx_method
from mgpose.extraction.roles import Method
from mgpose.structures import InputError

METHODS: dict[str, Callable[[EstimatorSettings], Method]] = {
    "mediapipe": mediapipe_method,
    "mmpose": mmpose_method,
    "onnx": onnx_method,
    "mediapipe-tasks": mediapipe_tasks_method,
}


def build_method(settings: EstimatorSettings) -> Method:
    """The method that the settings ask for; no model is loaded yet.

    A name ``package.module:function`` takes an estimator of the user's own: the function is given
    the settings and returns a :class:`Method`.

    Raises:
        InputError: for an unknown name, a missing package, model file or option.
    """
    if ":" in settings.name:
        try:
            method: Method = pkgutil.resolve_name(settings.name)(settings)
        except (ImportError, AttributeError) as error:
            raise InputError(f"estimator {settings.name!r}: {error}") from error
        return method
    if settings.name not in METHODS:
        raise InputError(
            f"unknown estimator {settings.name!r}; known: {', '.join(METHODS)}, or module:function"
        )
    return METHODS[settings.name](settings)
