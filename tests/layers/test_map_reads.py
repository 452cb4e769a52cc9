import pytest
import torch
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper

from pyg_video.data import VideoGraph
from pyg_video.graph_builders import GridGraph, RegionGraph
from pyg_video.layers import GraphBlock, map_reads
from pyg_video.layers.map_reads import pointwise

SHAPE = (2, 3, 6, 5, 5)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_product_is_the_convolution(bias, layout):
    conv = nn.Conv2d(5, 3, 1, bias=bias).double()
    x = torch.randn(4, 5, 6, 7, dtype=torch.float64).contiguous(memory_format=layout)
    torch.testing.assert_close(pointwise(conv, x), conv(x))


@pytest.mark.parametrize(
    "conv", [nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1, stride=2), nn.Conv2d(4, 4, 1, groups=2)]
)
def test_other_convolutions_stay_convolutions(conv):
    x = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(pointwise(conv, x), conv(x))


def test_a_convolution_with_a_hook_is_called():
    conv, calls = nn.Conv2d(4, 4, 1), []
    conv.register_forward_hook(lambda *_: calls.append(1))
    pointwise(conv, torch.randn(2, 4, 6, 6))
    assert calls == [1]


class Doubled(nn.Module):
    def forward(self, graph: VideoGraph) -> VideoGraph:
        return graph.with_x(2 * graph.x)


def make_block(builder=None, **options):
    torch.manual_seed(0)
    width = options.get("node_channels") or 6
    builder = builder or RegionGraph(width, size=SHAPE[-2:], gain=0.3)
    return GraphBlock(6, builder, Doubled(), residual_scale=0.7, **options).double()


def gradients(block, x=None):
    x = torch.randn(*SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) if x is None else x
    x = x.detach().requires_grad_()
    learned = [x, *block.parameters()]
    return torch.autograd.grad(block(x).square().sum(), learned, allow_unused=True)


def expect_those_of_separate_reads(block, monkeypatch, x=None):
    ours = gradients(block, x)
    monkeypatch.setattr(map_reads, "_is_read", lambda x: False)
    torch.testing.assert_close(ours, gradients(block, x))


@pytest.mark.parametrize("options", [{}, {"node_channels": 4}, {"combine": "serial"}])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_gradients_of_shared_reads_are_those_of_separate_ones(options, layout, monkeypatch):
    x = torch.randn(*SHAPE, dtype=torch.float64).contiguous(memory_format=layout)
    expect_those_of_separate_reads(make_block(**options), monkeypatch, x)


def test_all_three_readers_of_a_map_hand_it_on():
    x = torch.randn(*SHAPE, dtype=torch.float64, requires_grad=True)
    seen = []
    x.register_hook(seen.append)
    names, todo = [], [make_block()(x).grad_fn]
    while todo:
        node = todo.pop()
        if node is not None and node not in seen:
            seen.append(node)
            names.append(node.name())
            todo += [following for following, _ in node.next_functions]
    assert names.count("_ReadBackward") == 2  # of the generator and of the nodes; the sum is the third
    into_x = [
        n for n in seen if hasattr(n, "next_functions") for f, _ in n.next_functions if getattr(f, "variable", 0) is x
    ]
    assert len(into_x) == 1


class Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return -10 * grad


class Reversal(nn.Module):
    def forward(self, x):
        return Reversed.apply(x)


def test_what_lies_before_a_read_keeps_its_gradient(monkeypatch):
    block = make_block()
    block.project = Reversal()
    expect_those_of_separate_reads(block, monkeypatch)


def test_a_backward_hook_before_a_read_is_called():
    block, calls = make_block(), []
    block.builder.generator.register_full_backward_hook(lambda *_: calls.append(1))
    gradients(block)
    assert calls == [1]


class Heads(GridGraph):
    """Reads the map as one of twice the frames and half the channels."""

    def reduce(self, x, kernel):
        B, T, C, H, W = x.shape
        nodes = super().reduce(x.reshape(B, 2 * T, C // 2, H, W), kernel.repeat_interleave(2, dim=1))
        return nodes.unflatten(1, (T, 2)).movedim(2, -2).flatten(-2)


class Turned(GridGraph):
    """Reads the transposed map."""

    def reduce(self, x, kernel):
        return super().reduce(x.mT, kernel)


@pytest.mark.parametrize("builder", [Heads, Turned])
def test_other_views_of_the_map_are_read_as_they_are(builder, monkeypatch):
    expect_those_of_separate_reads(make_block(builder(6)), monkeypatch)


def test_a_map_of_another_order_is_read_as_it_is(monkeypatch):
    x = torch.randn(2, 3, 5, 5, 5, dtype=torch.float64).permute(0, 1, 4, 2, 3)  # its permutation is contiguous

    class Permuted(GridGraph):
        def reduce(self, x, kernel):
            return super().reduce(x.permute(0, 1, 3, 4, 2), kernel)

    block = GraphBlock(5, Permuted(5), Doubled(), residual_scale=0.7).double()
    expect_those_of_separate_reads(block, monkeypatch, x)


def test_a_builder_may_differentiate_with_respect_to_its_input():
    class Salient(GridGraph):
        def regions(self, x):
            leaf = x.detach().requires_grad_()
            with torch.enable_grad():
                (self.saliency,) = torch.autograd.grad(self.reduce(leaf, super().regions(leaf).kernel).sum(), leaf)
            return super().regions(x)

    block = make_block(Salient(6))
    gradients(block)
    assert block.builder.saliency.abs().sum() > 0


def test_the_generator_may_be_checkpointed():
    block = make_block()
    want = gradients(block)
    block.builder.generator = checkpoint_wrapper(block.builder.generator)
    torch.testing.assert_close(gradients(block), want)


def test_torchs_functional_gradient_is_the_gradient():
    block, x = make_block(GridGraph(6)), torch.randn(*SHAPE, dtype=torch.float64)
    torch.testing.assert_close(torch.func.grad(lambda x: block(x).square().sum())(x), gradients(block, x)[0])


def test_another_kind_of_sequential_is_called():
    class Zero(nn.Sequential):
        def forward(self, x):
            return 0 * super().forward(x)

    block = make_block(node_channels=4)
    block.project = Zero(*block.project)
    seen = []
    block.builder.register_forward_pre_hook(lambda _, args: seen.append(args[0].abs().max()))
    block(torch.randn(*SHAPE, dtype=torch.float64))
    assert seen == [0]
