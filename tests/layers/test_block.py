import pytest
import torch
from torch._dynamo.utils import counters

from pyg_video.graph_builders import GridGraph, RegionGraph
from pyg_video.layers import RSTG, GraphBlock, SpaceConv, TemporalRNN, scaled
from pyg_video.models.dyreg_block import dyreg_block


def block(channels=6, node_channels=None, builder=GridGraph, **options):
    C = node_channels or channels
    graph = GridGraph(C) if builder is GridGraph else RegionGraph(C, size=(5, 5), region_channels=8)
    rstg = RSTG(SpaceConv(C), TemporalRNN(C), TemporalRNN(C))
    return GraphBlock(channels, graph, rstg, node_channels=node_channels, **options)


@pytest.mark.parametrize("builder", [GridGraph, RegionGraph])
@pytest.mark.parametrize("node_channels", [None, 4])
def test_the_block_is_the_identity_at_initialisation(builder, node_channels):
    x = torch.randn(2, 3, 6, 5, 5)
    assert torch.equal(block(6, node_channels, builder)(x), x)


def test_the_residual_is_normalised_over_channels_and_pixels_of_a_frame():
    layer = block(residual_scale=1.0)
    x = torch.randn(2, 3, 6, 5, 5)
    residual = layer(x) - x
    torch.testing.assert_close(residual.mean((2, 3, 4)), torch.zeros(2, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(residual.std((2, 3, 4), correction=0), torch.ones(2, 3), atol=1e-3, rtol=0)


def test_the_residual_scale_learns_from_the_first_step():
    layer = block()
    layer(torch.randn(1, 2, 6, 5, 5)).square().sum().backward()
    assert layer.norm.weight.grad.abs().max() > 0


def test_wrong_channels_are_a_clear_error():
    with pytest.raises(ValueError, match=r"Expected 'x' of shape \[B, T, 6, H, W\] \(got \[1, 2, 5, 5, 5\]\)"):
        block()(torch.randn(1, 2, 5, 5, 5))


def test_builder_and_block_must_agree_on_channels():
    with pytest.raises(ValueError, match="Expected a builder of 6 channels, those of the graph .got 4"):
        GraphBlock(6, GridGraph(4), RSTG(SpaceConv(4), TemporalRNN(4), TemporalRNN(4)))


def test_a_reset_block_is_the_identity_again():
    layer, x = block(), torch.randn(1, 2, 6, 5, 5)
    torch.nn.init.ones_(layer.norm.weight)
    layer.reset_parameters()
    assert torch.equal(layer(x), x)


def test_padded_frames_do_not_move_the_regions_of_a_clip():
    graph = RegionGraph(6, size=(5, 5), region_channels=8, adapt="clip", gain=1.0)
    rstg = RSTG(SpaceConv(6), TemporalRNN(6), TemporalRNN(6))
    layer = GraphBlock(6, graph, rstg, residual_scale=1.0).double()
    x = torch.randn(2, 4, 6, 5, 5, dtype=torch.float64)
    torch.testing.assert_close(layer(x, torch.tensor([4, 2]))[1:, :2], layer(x[1:, :2]))


NORMS = [(torch.nn.GroupNorm(1, 6, eps=1e-12), (1, 2, 3, 4)), (torch.nn.BatchNorm3d(6, eps=1e-12), (0, 1, 3, 4))]


@pytest.mark.parametrize(("norm", "over"), NORMS)
def test_another_norm_looks_at_the_clip_or_the_batch(norm, over):
    layer, x = block(norm=norm), torch.randn(2, 3, 6, 5, 5)
    residual = layer(x) - x
    mean, std = residual.mean(over), residual.std(over, correction=0)
    torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-5, rtol=0)
    torch.testing.assert_close(std, torch.ones_like(std), atol=1e-3, rtol=0)


def test_a_norm_over_the_clip_cannot_run_on_a_stream():
    layer, x = block(norm=torch.nn.GroupNorm(1, 6)), torch.randn(1, 2, 6, 5, 5)
    _, state = layer.scan(x)
    with pytest.raises(ValueError, match="Expected whole clips without padding, since GroupNorm.*got a state"):
        layer.scan(x, state)


def test_a_serial_block_gives_what_the_graph_gives():
    layer, residual, x = block(combine="serial"), block(residual_scale=1.0), torch.randn(2, 3, 6, 5, 5)
    residual.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(x) + x, residual(x))
    layer(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in layer.processor.space.send.parameters())


def test_an_unknown_combination_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="'combine' to be one of 'residual', 'serial' .got 'parallel'"):
        block(combine="parallel")


def test_a_norm_over_the_clip_refuses_padding():
    layer = block(norm=torch.nn.GroupNorm(1, 6))
    with pytest.raises(ValueError, match="Expected whole clips without padding, since GroupNorm.*got lengths"):
        layer(torch.randn(2, 3, 6, 5, 5), torch.tensor([3, 2]))


def test_a_given_norm_keeps_its_values_and_takes_no_scale_of_the_block():
    norm = scaled(torch.nn.GroupNorm(1, 6), 0.25)
    assert torch.equal(block(norm=norm).norm.weight, torch.full((6,), 0.25))
    with pytest.raises(ValueError, match="'residual_scale' for the norm that the block makes itself"):
        block(norm=norm, residual_scale=1.0)


@pytest.mark.slow
def test_other_numbers_of_clips_and_frames_need_no_other_graph():
    torch._dynamo.reset()
    counters.clear()
    block = torch.compile(dyreg_block(16, (11, 11), residual_scale=1.0, gain=0.3), backend="eager")
    graphs = []
    for B, T in ((4, 6), (4, 8), (5, 8), (6, 12), (7, 13)):
        block(torch.randn(B, T, 16, 11, 11))
        graphs.append(counters["stats"]["unique_graphs"])
    assert graphs == [1, 2, 3, 3, 3]
