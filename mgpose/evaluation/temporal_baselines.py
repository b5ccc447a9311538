"""Two classical baselines that tell how much of a task is motion: mean pose, and time warping.

The mean pose knows where the body was and nothing of how it moved; the nearest neighbour by dynamic
time warping knows the order of the frames and forgives another tempo. Both, and any other baseline
on raw keypoints, need to be told what stands where a keypoint was not seen: :func:`bridge_gaps`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mgpose.evaluation.baselines import TrivialPredictor, pca_features
from mgpose.evaluation.embeddings import FloatArray, IntArray, require_finite, require_labels

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
_QUERIES, _GALLERY = 32, 400  # pairs in a block: 13,000, some 3 MB for 32 frames


def mean_poses(x: FloatArray, mask: npt.NDArray[np.bool_]) -> Float64Array:
    """Each keypoint's mean over the frames that show it, and a flag for one that is never seen.

    Args:
        x: (N, T, V, D) canonical coordinates; what is masked is not read.
        mask: (N, T, V), True where present.

    Returns:
        (N, V x (D + 1)); a keypoint that is never seen is 0 with flag 1.

    Raises:
        ValueError: on shapes that do not fit.
    """
    if x.ndim != 4 or mask.shape != x.shape[:3]:
        raise ValueError(f"expected (N, T, V, D) and (N, T, V), got {x.shape} and {mask.shape}")
    frames = mask.sum(1)[..., None]
    total = np.where(mask[..., None], x, 0).sum(1, dtype=np.float64)
    poses = np.concatenate([total / np.maximum(frames, 1), frames == 0], axis=-1)
    return poses.reshape(len(x), -1)


def bridge_gaps(x: FloatArray, mask: npt.NDArray[np.bool_], usual: FloatArray) -> Float32Array:
    """Clips without gaps: what was not seen stays where it was seen last, or first, or usually.

    Zeros instead would throw a lost hand onto the neck, which distances take for movement:
    measured on poses that lose their hands a third of the time, they cost the nearest neighbour 29
    of 68 points and support vectors 14 of 87.

    Args:
        x: (N, T, V, D) canonical coordinates; what is masked is not read.
        mask: (N, T, V), True where present.
        usual: (V, D) place of a keypoint that a clip never shows, see :func:`usual_pose`.

    Returns:
        (N, T, V, D) float32.

    Raises:
        ValueError: on shapes that do not fit.
    """
    if x.ndim != 4 or mask.shape != x.shape[:3] or usual.shape != x.shape[2:]:
        raise ValueError(
            "expected (N, T, V, D), (N, T, V) and (V, D), got "
            f"{x.shape}, {mask.shape} and {usual.shape}"
        )
    frame = np.arange(x.shape[1])[:, None]
    last = np.maximum.accumulate(np.where(mask, frame, -1), axis=1)
    source = np.where(last >= 0, last, mask.argmax(1)[:, None])
    held = np.take_along_axis(x, source[..., None], axis=1)
    shown = np.any(mask, axis=1)[:, None, :, None]
    return np.where(shown, held, usual).astype(np.float32)


def usual_pose(x: FloatArray, mask: npt.NDArray[np.bool_]) -> Float64Array:
    """(V, D) mean of each keypoint over all clips and frames that show it; 0 where none does."""
    total = np.where(mask[..., None], x, 0).sum((0, 1), dtype=np.float64)
    return np.asarray(total / np.maximum(mask.sum((0, 1)), 1)[:, None], dtype=np.float64)


def mean_pose_linear_scores(
    train: FloatArray, train_labels: IntArray, test: FloatArray, num_classes: int
) -> Float64Array:
    """Multinomial logistic regression on standardised mean poses.

    Ridge penalty with C = 1: fixed beforehand, never tuned on test.

    Args:
        train: (N, F) of :func:`mean_poses`.
        train_labels: (N,) in [0, num_classes).
        test: (M, F).
        num_classes: K.

    Returns:
        (M, K) probabilities; a class without a training clip gets a value below every other.

    Raises:
        ValueError: on labels out of range or values that are not finite.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    require_labels(train_labels, len(train), num_classes)
    for name, part in (("train", train), ("test", test)):
        require_finite(part, name)
    known = np.unique(train_labels)
    if len(known) == 1:
        return TrivialPredictor.fit(train_labels, num_classes).scores(len(test))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=2000))
    # Hundreds of small products, which wait for a busy second core ten times as long as they take.
    with threadpool_limits(1):
        found = model.fit(train, train_labels).predict_proba(test)
    scores = np.full((len(test), num_classes), -1.0)
    scores[:, known] = found
    return scores


def dtw_distances(query: FloatArray, gallery: FloatArray, band: int) -> Float64Array:
    """Dynamic time warping between every query and every series of the gallery.

    d(a, b) = sqrt(min over paths of sum |a_i - b_j|^2), all channels warped together; a path runs
    from the first frames to the last by steps (1, 0), (0, 1), (1, 1) and stays within
    |i - j| <= band. A cell of the table is computed for a whole block of pairs at once.

    Args:
        query: (Q, T, D), finite.
        gallery: (G, T, D).
        band: frames, >= 0; 0 compares frame by frame.

    Returns:
        (Q, G) distances.

    Raises:
        ValueError: on shapes that do not fit, a negative band or values that are not finite.

    Reference:
        Sakoe and Chiba, Dynamic programming algorithm optimization for spoken word recognition,
        IEEE Transactions on Acoustics, Speech and Signal Processing 26 (1978).
    """
    if query.ndim != 3 or gallery.ndim != 3 or query.shape[1:] != gallery.shape[1:] or band < 0:
        raise ValueError(
            "expected (Q, T, D), (G, T, D) and a band >= 0, got "
            f"{query.shape}, {gallery.shape} and {band}"
        )
    for name, part in (("query", query), ("gallery", gallery)):
        require_finite(part, name)
    squared = np.empty((len(query), len(gallery)))
    for q in range(0, len(query), _QUERIES):
        for g in range(0, len(gallery), _GALLERY):
            rows, columns = slice(q, q + _QUERIES), slice(g, g + _GALLERY)
            squared[rows, columns] = _warped(
                query[rows].astype(np.float64), gallery[columns].astype(np.float64), band
            )
    # Squares by |a|^2 + |b|^2 - 2ab may fall below 0 by rounding.
    return np.sqrt(np.maximum(squared, 0))


def _warped(query: Float64Array, gallery: Float64Array, band: int) -> Float64Array:
    """(Q, G) squared distances of one block, row by row of the table."""
    frames = query.shape[1]
    query_norms, gallery_norms = (query**2).sum(-1), (gallery**2).sum(-1)
    # before[j] is the best path to frame i - 1 of the query and frame j - 1 of the gallery.
    before = np.full((frames + 1, len(query), len(gallery)), np.inf)
    before[0] = 0
    for i in range(frames):
        here = np.full_like(before, np.inf)
        for j in range(max(0, i - band), min(frames, i + band + 1)):
            cost = query_norms[:, i, None] + gallery_norms[:, j]
            cost -= 2 * query[:, i] @ gallery[:, j].T
            best = np.minimum(np.minimum(before[j], before[j + 1]), here[j])
            here[j + 1] = cost + best
        before = here
    return before[frames]


def dtw_nearest_scores(
    train: FloatArray,
    train_labels: IntArray,
    test: FloatArray,
    num_classes: int,
    components: int = 16,
    band: float = 0.2,
    seed: int = 0,
) -> Float64Array:
    """The nearest training clip of each class by dynamic time warping.

    Frames are brought to their first principal components, fitted on the training frames: the
    distance changes little and the cost falls tenfold.

    Args:
        train: (N, T, F) clips of one length, finite.
        train_labels: (N,) in [0, num_classes).
        test: (M, T, F).
        num_classes: K.
        components: at most this many a frame.
        band: greatest shift in time, as a share of T.
        seed: of the randomised PCA.

    Returns:
        (M, K) negative distances, the largest being that of the nearest neighbour; a class
        without a training clip gets a value below every other.

    Raises:
        ValueError: on wrong shapes, labels out of range or values that are not finite.
    """
    require_labels(train_labels, len(train), num_classes)
    frames, width = train.shape[1:]
    found = pca_features(train.reshape(-1, width), test.reshape(-1, width), components, seed)
    gallery, query = (part.reshape(-1, frames, part.shape[1]) for part in found)
    distances = dtw_distances(query, gallery, round(band * frames))
    scores = np.full((len(test), num_classes), -distances.max() - 1)
    for label in np.unique(train_labels):
        scores[:, label] = -distances[:, train_labels == label].min(1)
    return scores
