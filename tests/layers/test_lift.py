import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pyg_video.data import VideoGraph
from pyg_video.graph_builders import RegionGraph
from pyg_video.layers import RSTG, DenseSpaceConv, GraphBlock, TemporalRNN, precision
from pyg_video.layers.lift import add_normalized_map

FRAMES, NODES, CHANNELS, SIZE = 6, 3, 5, (4, 7)


def parts(dtype=torch.float64):
    torch.manual_seed(0)
    x = torch.randn(FRAMES, CHANNELS, *SIZE, dtype=dtype)
    nodes = torch.randn(FRAMES, NODES, CHANNELS, dtype=dtype)
    kernel = torch.rand(FRAMES, NODES, *SIZE, dtype=dtype)
    bias = torch.randn(CHANNELS, dtype=dtype)
    norm = nn.GroupNorm(1, CHANNELS).to(dtype)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return x, nodes, kernel, bias, norm


def written_out(x, nodes, kernel, bias, norm, num_frames=1):
    y = torch.einsum("fnc,fnhw->fchw", nodes, kernel)
    y = y if bias is None else y + bias[:, None, None]
    clips = y.unflatten(0, (-1, num_frames)).transpose(1, 2)
    y = F.group_norm(clips, 1, norm.weight, norm.bias, norm.eps).transpose(1, 2).flatten(0, 1)
    return y if x is None else x + y


@pytest.mark.parametrize("num_frames", [1, 3])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("serial", [False, True])
def test_the_map_need_not_be_written_to_be_normalized(num_frames, with_bias, serial):
    x, nodes, kernel, bias, norm = parts()
    x, bias = None if serial else x, bias if with_bias else None
    got = add_normalized_map(x, nodes, kernel, bias, norm, num_frames=num_frames)
    torch.testing.assert_close(got, written_out(x, nodes, kernel, bias, norm, num_frames))


@pytest.mark.parametrize("num_frames", [1, 3])
@pytest.mark.parametrize("given", [(True, True), (False, True), (True, False)])
def test_gradients_are_right(num_frames, given):
    x, nodes, kernel, bias, norm = parts()
    has_x, has_bias = given
    optional = [y for y, has in ((x, has_x), (bias, has_bias)) if has]
    inputs = [y.requires_grad_() for y in (nodes, kernel, *optional)]

    def function(nodes, kernel, *others):
        others = list(others)
        x, bias = others.pop(0) if has_x else None, others.pop(0) if has_bias else None
        return add_normalized_map(x, nodes, kernel, bias, norm, num_frames=num_frames)

    assert torch.autograd.gradcheck(function, inputs, fast_mode=True)
    arguments = (x if has_x else None, nodes, kernel, bias if has_bias else None, norm)
    outputs = [f(*arguments, num_frames=num_frames) for f in (add_normalized_map, written_out)]
    ours, theirs = (torch.autograd.grad(y.square().sum(), norm.parameters()) for y in outputs)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("size", [1e2, 1e4])
def test_nodes_that_cancel_each_other_cost_no_more_precision_than_in_the_norm(size):
    x, nodes, kernel, bias, norm = parts(torch.float32)
    nodes, kernel = nodes.clone(), kernel.clone()
    nodes[:, 0] += size
    nodes[:, 1] = nodes[:, 2] - size * torch.linspace(-1, 1, CHANNELS)
    nodes[:, 2] += size * torch.linspace(-1, 1, CHANNELS)
    kernel[:, 2] = kernel[:, 1]
    exact = written_out(*(y.double() for y in (x, nodes, kernel, bias)), norm.double())
    norm = norm.float()
    written = (written_out(x, nodes, kernel, bias, norm) - exact).abs().max()
    assert (add_normalized_map(x, nodes, kernel, bias, norm) - exact).abs().max() <= 4 * written + 1e-5


def test_a_large_map_in_float16_is_finite():
    nodes, kernel = torch.randn(1, 3, 4).half(), torch.rand(1, 3, 256, 300).half()
    y = add_normalized_map(None, nodes, kernel, None, nn.GroupNorm(1, 4).half())
    assert y.dtype == torch.float16
    assert y.isfinite().all()


def test_a_norm_without_scale_and_shift_is_called():
    block = GraphBlock(6, RegionGraph(6, size=(5, 5)), Doubled(), norm=nn.GroupNorm(1, 6, affine=False))
    assert block(torch.randn(1, 2, 6, 5, 5)).isfinite().all()


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_a_large_mean_costs_no_more_precision_than_in_the_norm(offset):
    x, nodes, kernel, bias, norm = parts(torch.float32)
    bias = bias + offset
    exact = written_out(*(y.double() for y in (x, nodes, kernel, bias)), norm.double())
    norm = norm.float()
    written = (written_out(x, nodes, kernel, bias, norm) - exact).abs().max()
    assert (add_normalized_map(x, nodes, kernel, bias, norm) - exact).abs().max() <= 2 * written + 1e-6


class Doubled(nn.Module):
    """A processor that a test can follow."""

    def forward(self, graph: VideoGraph) -> VideoGraph:
        return graph.with_x(2 * graph.x)


@pytest.mark.parametrize("node_channels", [None, 4])
@pytest.mark.parametrize("norm", [None, nn.GroupNorm(1, 6), nn.BatchNorm3d(6)])
def test_a_block_gives_the_same_with_its_parts_called_one_by_one(node_channels, norm):
    scale = 0.7 if norm is None else None
    width = node_channels or 6
    block = GraphBlock(
        6, RegionGraph(width, gain=0.3), Doubled(), node_channels=node_channels, residual_scale=scale, norm=norm
    )
    block, x = block.double(), torch.randn(2, 3, 6, 5, 5, dtype=torch.float64)
    block(x)  # the first map sets the size of the generator
    merged = block(x)
    calls = []
    for part in (block.project_back, block.norm, *block.project.modules()):
        part.register_forward_hook(lambda part, *_: calls.append(part))
    torch.testing.assert_close(block(x), merged)
    assert {block.project_back, block.norm, *block.project.modules()} == set(calls)


@pytest.mark.parametrize("fast", [True, False])
def test_under_autocast_the_block_keeps_the_type_of_its_input(fast, monkeypatch):
    monkeypatch.setattr(precision, "_has_bfloat16", lambda: fast)
    rstg = RSTG(DenseSpaceConv(6), TemporalRNN(6), TemporalRNN(6), num_iterations=1)
    block = GraphBlock(6, RegionGraph(6, size=(5, 5)), rstg, residual_scale=1.0)
    x = torch.randn(1, 2, 6, 5, 5)
    want, _ = block.scan(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert GraphBlock(6, block.builder, rstg, combine="serial")(x.bfloat16()).dtype == torch.bfloat16
        assert torch.equal(copy.deepcopy(block).double()(x.double()), copy.deepcopy(block).double()(x.double()))
        for given in (x, x.bfloat16()):
            y, (streamed, _) = block(given), block.scan(given)
            assert y.dtype == streamed.dtype == given.dtype
            torch.testing.assert_close(y.float(), want, atol=0.1, rtol=0)
            assert torch.equal(y, want) == (not fast and given is x)
