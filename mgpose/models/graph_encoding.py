"""What the skeleton's graph tells a model: positional encodings and the attention bias."""

from __future__ import annotations

import torch
from torch import Tensor

from mgpose.structures import Skeleton


def random_walk_encoding(skeleton: Skeleton, steps: int = 8) -> Tensor:
    """(V, steps) probability that a random walk from a keypoint is back after 1..steps steps.

    Reference: Dwivedi et al., "Graph neural networks with learnable structural and positional
    representations", ICLR 2022; computed by PyTorch Geometric.
    """
    from torch_geometric.data import Data
    from torch_geometric.transforms import AddRandomWalkPE, ToUndirected

    edges = torch.from_numpy(skeleton.edge_indices).t().contiguous()
    graph = ToUndirected()(Data(edge_index=edges, num_nodes=len(skeleton)))
    encoding: Tensor = AddRandomWalkPE(steps, attr_name="pe")(graph).pe
    return encoding


def hop_bias(skeleton: Skeleton, heads: int) -> Tensor:
    """(heads, V, V) attention bias ``-slope_h * hops``, slopes 1, 1/2, 1/4, ..., the last 0.

    The first heads look at near neighbours on the graph, the last sees all keypoints alike. It has
    no gradient, so that the fused attention kernel serves it.

    Reference: linear distance bias of Press et al., "ALiBi", ICLR 2022, on graph distances as in
    Ying et al., "Graphormer", NeurIPS 2021.
    """
    hops = torch.from_numpy(skeleton.hop_distances).float()
    slopes = torch.tensor([2.0**-h for h in range(heads - 1)] + [0.0])
    return -slopes[:, None, None] * hops
