"""Constants of the measurement that no config sets, for the result file."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from mgpose.evaluation.baselines import PCA_COMPONENTS, SVM_C, SVM_GAMMA
from mgpose.evaluation.probes import kmeans_assignments, knn_scores, linear_probe_scores
from mgpose.evaluation.retrieval import CUTOFFS
from mgpose.evaluation.statistics import CALIBRATION_BINS, PERCENTILES


def measurement_constants() -> dict[str, Any]:
    """Method -> constant -> value, read off the functions themselves."""
    return {
        "linear_probe": defaults_of(linear_probe_scores, "seed", "epochs"),
        "knn": defaults_of(knn_scores),
        "kmeans": defaults_of(kmeans_assignments),
        "pca_svm": {"components": PCA_COMPONENTS, "C": SVM_C, "gamma": SVM_GAMMA, "mirror": True},
        "retrieval": {"cutoffs": list(CUTOFFS), "similarity": "cosine"},
        "calibration_error": {"bins": CALIBRATION_BINS},
        "interval": {"percentiles": list(PERCENTILES)},
    }


def defaults_of(function: Callable[..., Any], *less: str) -> dict[str, Any]:
    """The values of a function's arguments that are not given, without some."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is not parameter.empty and name not in less
    }
