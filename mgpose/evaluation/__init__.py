"""Embeddings, probes, retrieval, metrics, statistics, baselines, plots and the report."""

from mgpose.evaluation.baselines import (
    TrivialPredictor,
    pca_features,
    pca_svm_scores,
    random_retrieval,
)
from mgpose.evaluation.embeddings import EmbeddingTable
from mgpose.evaluation.figures import (
    Curve,
    Figure,
    confusion_figure,
    fractions_figure,
    intervals_figure,
    map_figure,
    precision_figure,
)
from mgpose.evaluation.metrics import (
    binary_metrics,
    classification_metrics,
    clustering_metrics,
    confusion_counts,
    per_class_recall,
)
from mgpose.evaluation.probes import kmeans_assignments, knn_scores, linear_probe_scores
from mgpose.evaluation.projection import tsne_points
from mgpose.evaluation.results import (
    ResultRow,
    TaskResult,
    mean_over,
    read_results,
    versions,
    write_results,
)
from mgpose.evaluation.retrieval import answerable, precision_at_k, retrieval_metrics
from mgpose.evaluation.statistics import (
    bootstrap_interval,
    expected_calibration_error,
    permutation_p_value,
)
from mgpose.evaluation.table import format_table

__all__ = [
    "Curve",
    "EmbeddingTable",
    "Figure",
    "ResultRow",
    "TaskResult",
    "TrivialPredictor",
    "answerable",
    "binary_metrics",
    "bootstrap_interval",
    "classification_metrics",
    "clustering_metrics",
    "confusion_counts",
    "confusion_figure",
    "expected_calibration_error",
    "format_table",
    "fractions_figure",
    "intervals_figure",
    "kmeans_assignments",
    "knn_scores",
    "linear_probe_scores",
    "map_figure",
    "mean_over",
    "pca_features",
    "pca_svm_scores",
    "per_class_recall",
    "permutation_p_value",
    "precision_at_k",
    "precision_figure",
    "random_retrieval",
    "read_results",
    "retrieval_metrics",
    "tsne_points",
    "versions",
    "write_results",
]
