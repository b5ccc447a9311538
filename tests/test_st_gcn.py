"""The parts of ST-GCN against slow references."""

import copy

import pytest
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import shortest_path
from torch import nn
from torch.nn import functional as F
from torch_geometric.nn import SimpleConv

from mgpose.models.st_gcn import GraphConvolution, Places, PresentNorm, TemporalBranches
from mgpose.models.st_gcn import spatial_partitions as partitions
from mgpose.structures import KINECT_20, UPPER_BODY_HANDS_FACE
from mgpose.structures.kinect import FLORENCE_15, KINECT_25

LAYOUTS = (UPPER_BODY_HANDS_FACE, KINECT_20, KINECT_25, FLORENCE_15)


@pytest.mark.parametrize("skeleton", LAYOUTS, ids=lambda s: s.name)
def test_the_graph_convolution_equals_message_passing(skeleton):
    """Three means over neighbours by PyTorch Geometric, distances by SciPy."""
    torch.manual_seed(0)
    points, (a, b) = len(skeleton), skeleton.edge_indices.T
    hops = shortest_path(coo_matrix(([1] * len(a), (a, b)), (points, points)), directed=False)
    distance = hops[skeleton.index(skeleton.canonical.root[0])]
    edges = [*zip(a, b, strict=True), *zip(b, a, strict=True)]
    loops = [(v, v) for v in range(points)]
    groups = (
        [*loops, *((i, j) for i, j in edges if distance[i] == distance[j])],
        [(i, j) for i, j in edges if distance[i] < distance[j]],
        [(i, j) for i, j in edges if distance[i] > distance[j]],
    )
    module = GraphConvolution(partitions(skeleton), 5, 7)
    x = torch.randn(2, 3, points, 5)
    mean = SimpleConv(aggr="mean")
    neighbours = [mean(x, torch.tensor(group, dtype=torch.long).T.contiguous()) for group in groups]
    expected = torch.cat(neighbours, -1) @ module.linear.weight.T
    assert torch.allclose(module(x), expected, atol=1e-5)
    nn.init.normal_(module.offset)
    adjacency = module.graph + module.offset
    weight = module.linear.weight.view(7, 3, 5)
    slow = sum(adjacency[k] @ x @ weight[:, k].T for k in range(3))
    assert torch.allclose(module(x), slow, atol=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
def test_temporal_branches_equal_a_loop_over_frames(stride):
    torch.manual_seed(0)
    frames, channels = 8, 13
    module = TemporalBranches(channels, stride, 0.0)
    for name in ("norm_reduced", "norm_branches", "norm"):
        setattr(module, name, nn.Identity())
    x = torch.randn(2, frames, 3, channels)
    mask = torch.rand(2, frames, 3) > 0.3
    places = Places.of(mask)
    out_places = places.halved() if stride == 2 else places
    found = out_places.scatter(module(places.gather(x), places, out_places))
    reduced = F.relu(x @ module.reduce.weight.T) * mask[..., None]
    for b, t, v in torch.cartesian_prod(*map(torch.arange, found.shape[:3])).tolist():
        line, now = reduced[b, :, v], t * stride

        def at(time, line=line):
            return line[time] if 0 <= time < frames else torch.zeros(channels)

        pieces = []
        for d, convolution in enumerate(module.convolutions):
            kernel = convolution.weight[..., 0]  # (out, in, tap)
            taps = [at(now + (k - 1) * (d + 1))[2 * d : 2 * d + 2] for k in range(3)]
            pieces.append(sum(kernel[:, :, k] @ taps[k] for k in range(3)))
        pieces.append(torch.stack([at(now + k)[8:10] for k in (-1, 0, 1)]).amax(0))
        pieces.append(at(now)[10:])
        expected = module.merge(F.relu(torch.cat(pieces)))
        here = mask[b, now : now + stride, v].any()
        assert torch.allclose(found[b, t, v], expected * here, atol=1e-5)


def test_norms_know_present_rows_only():
    torch.manual_seed(0)
    norm, plain = PresentNorm(4), nn.BatchNorm1d(4)
    rows = torch.randn(10, 4) * 3 + 1
    assert torch.equal(norm(rows), plain(rows))
    before = copy.deepcopy(norm)
    assert norm(rows[:1]).shape == (1, 4)  # no variance in one row
    assert norm(rows[:0]).shape == (0, 4)
    assert torch.equal(norm.running_mean, before.running_mean)
    assert torch.equal(norm.running_var, before.running_var)
    assert torch.equal(norm(rows[:1]), before.eval()(rows[:1]))


def test_places_gather_and_scatter():
    torch.manual_seed(0)
    mask = torch.rand(2, 4, 3) > 0.5
    places, x = Places.of(mask), torch.randn(2, 4, 3, 5)
    assert torch.equal(places.gather(x), x[mask])
    assert torch.equal(places.scatter(places.gather(x)), x * mask[..., None])
    assert torch.equal(places.halved().mask, mask[:, ::2] | mask[:, 1::2])
