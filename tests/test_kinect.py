"""The skeletons of depth cameras: the graphs of full bodies."""

import numpy as np
import pytest

from mgpose.structures import SKELETONS
from mgpose.structures.kinect import FLORENCE_15, KINECT_25


@pytest.mark.parametrize("skeleton", [KINECT_25, FLORENCE_15], ids=lambda s: s.name)
def test_the_graph_is_one_body(skeleton):
    """No joint is isolated, no arm hangs at the other shoulder, and the mirror keeps the graph."""
    assert SKELETONS[skeleton.name] is skeleton
    assert skeleton.hop_distances.max() < len(skeleton)
    assert len(skeleton.edges) == len(skeleton) - 1
    edges = {frozenset(edge) for edge in skeleton.edge_indices.tolist()}
    flip = skeleton.mirror_permutation
    assert {frozenset(flip[list(edge)].tolist()) for edge in edges} == edges
    for a, b in skeleton.edges:
        assert {a.split("_")[0], b.split("_")[0]} != {"left", "right"}
    np.testing.assert_array_equal(skeleton.parents[flip], flip[skeleton.parents])
    for part, names in skeleton.parts.items():
        swapped = {"left": "right", "right": "left"}.get(part.split("_")[0])
        image = part if swapped is None else f"{swapped}_{part.split('_', 1)[1]}"
        assert {skeleton.keypoints[flip[skeleton.index(n)]] for n in names} == set(
            skeleton.parts[image]
        )
