import pytest
import torch
from torch import nn

from pyg_video.functional import tent_kernel
from pyg_video.graph_builders import SaliencyGraph
from pyg_video.layers import ToMap
from pyg_video.models.dyreg_block import dyreg_block


@pytest.fixture
def x():
    return torch.randn(2, 3, 4, 6, 7, dtype=torch.float64)


def on_first_channel(num_nodes, **options):
    class First(nn.Module):
        def forward(self, x):
            return x[:, :1]

    return SaliencyGraph(2, num_nodes, saliency=First(), **options)


def points(*values, size=(6, 8)):
    """A map of one clip and frame whose first channel has the given values at the given pixels."""
    x = torch.zeros(1, 1, 2, *size)
    for row, col, value in values:
        x[0, 0, 0, row, col] = value
    return x


def test_the_largest_local_maxima_are_found_in_their_order():
    x = points((1, 1, 50.0), (1, 2, 49.0), (4, 6, 70.0), (5, 0, 60.0))  # (1, 2) is next to a larger one
    pos = on_first_channel(3)(x).pos
    want = torch.tensor([[6.5 / 8, 4.5 / 6], [0.5 / 8, 5.5 / 6], [1.5 / 8, 1.5 / 6]])
    torch.testing.assert_close(pos[:2], want[:2])
    offset = torch.sigmoid(torch.tensor(-1.0))  # towards the neighbour, which is one below
    torch.testing.assert_close(pos[2], want[2] + torch.tensor([offset / 8, 0.0]))


def test_suppression_reaches_as_far_as_the_radius():
    x = points((1, 1, 60.0), (1, 3, 50.0), (5, 7, 40.0))
    for radius, second in ((1, [3.5 / 8, 1.5 / 6]), (2, [7.5 / 8, 5.5 / 6])):
        torch.testing.assert_close(on_first_channel(2, radius=radius)(x).pos[1], torch.tensor(second))


def test_a_map_with_few_maxima_gives_its_next_largest_pixels():
    ramp = torch.arange(6.0).view(1, 1, 1, 1, 6).expand(1, 1, 2, 1, 6) * 100
    pos = on_first_channel(3)(ramp).pos
    torch.testing.assert_close(pos[:, 0] * 6, torch.tensor([5.5, 5.5, 4.5]))  # those beside lean on the larger one


def test_a_flat_map_gives_the_first_pixels_every_time():
    x = torch.zeros(2, 1, 2, 4, 4)
    graph = on_first_channel(3)(x)
    assert torch.equal(graph.frames[0], graph.frames[1])
    torch.testing.assert_close(graph.pos[1], torch.tensor([1.5 / 4, 1.0 / 4]))  # the mean of six pixels at the border


def test_regions_are_tents_of_one_size_around_the_points(x):
    regions = SaliencyGraph(4, 3, saliency="norm", extent=0.5)(x)
    torch.testing.assert_close(regions.box[:, 2:], torch.full((18, 2), 0.5, dtype=x.dtype))
    torch.testing.assert_close(regions.kernel, tent_kernel(regions.box, (6, 7)))
    tiny = SaliencyGraph(4, 3, saliency="norm", extent=0.01)(x)
    assert bool((tiny.kernel > 0).flatten(1).any(1).all())  # two pixels at least


def test_the_saliency_learns_from_the_first_step(x):
    builder = SaliencyGraph(4, 3, saliency="conv").double()
    ToMap()(builder(x)).square().sum().backward()
    for name, parameter in builder.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("saliency", ["contrast", "norm"])
def test_neither_contrast_nor_norm_have_anything_to_learn(saliency):
    assert not list(SaliencyGraph(4, 3, saliency=saliency).parameters())


def test_contrast_finds_what_differs_from_the_frame_in_any_direction():
    x = torch.ones(1, 1, 2, 8, 8)
    x[..., 0, 2, 5], x[..., 1, 6, 1] = -3.0, 2.0  # a small norm at neither
    pos = SaliencyGraph(2, 2)(x).pos
    torch.testing.assert_close(pos, torch.tensor([[5.5 / 8, 2.5 / 8], [1.5 / 8, 6.5 / 8]]), atol=0.01, rtol=0)


def test_a_step_downhill_moves_a_region_towards_the_target():
    torch.manual_seed(0)
    builder, x = SaliencyGraph(4, 1, saliency="conv"), torch.randn(1, 1, 4, 6, 7)
    target = builder(x).pos.detach() + 0.05
    before = (builder(x).pos - target).square().sum()
    before.backward()
    with torch.no_grad():
        for p in builder.parameters():
            p -= 0.1 * p.grad
    assert (builder(x).pos - target).square().sum() < before


def test_wrong_options_are_a_clear_error():
    with pytest.raises(ValueError, match="Expected 'saliency' to be one of 'contrast', 'norm', 'conv'"):
        SaliencyGraph(4, 3, saliency="max")
    with pytest.raises(ValueError, match="Expected 'radius' of at least 1 and 'extent' above 0"):
        SaliencyGraph(4, 3, radius=0)
    with pytest.raises(ValueError, match=r"Expected 'threshold' in \[0, 1\) .got 1.0"):
        SaliencyGraph(4, 3, threshold=1.0)
    with pytest.raises(ValueError, match="at least num_nodes = 3 pixels .got 1 x 2"):
        SaliencyGraph(4, 3)(torch.zeros(1, 1, 4, 1, 2))


@pytest.mark.parametrize("saliency", ["contrast", "norm"])
def test_points_that_do_not_stand_out_are_missing(saliency):
    x = points((1, 1, 50.0), (4, 6, 70.0), (2, 5, 1.0))
    graph = SaliencyGraph(2, 4, saliency=saliency, threshold=0.1)(x)
    assert graph.mask.tolist() == [True, True, False, False]
    assert not graph.kernel[2:].any()
    assert not graph.x[2:].any()
    assert int(graph.edge_index.max()) == 1
    assert SaliencyGraph(2, 4, saliency=saliency)(x).get("mask") is None


def test_missing_points_change_nothing():
    x = torch.cat([points((1, 1, 50.0), (4, 6, 70.0)), points((3, 3, 20.0), (0, 7, 30.0))], dim=1)
    torch.manual_seed(0)
    few = dyreg_block(2, (6, 8), builder="saliency", arrangement=(1, 2), motion=True, track=True, residual_scale=1.0)
    many = dyreg_block(
        2, (6, 8), builder="saliency", arrangement=(1, 5), threshold=0.1, motion=True, track=True, residual_scale=1.0
    )
    many.load_state_dict(few.state_dict())
    torch.testing.assert_close(many(x), few(x))


def test_nothing_stands_out_in_a_frame_of_one_colour():
    assert not SaliencyGraph(2, 3, threshold=0.1)(torch.ones(1, 1, 2, 5, 5)).mask.any()
