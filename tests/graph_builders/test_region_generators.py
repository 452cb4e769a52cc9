import math

import pytest
import torch

from pyg_video.graph_builders import FullyConnectedGenerator, HourGlass, LearnedVectors, PooledGenerator
from pyg_video.graph_builders.region_generators import resolve_generator, sinusoidal_positions

PUBLISHED = {56: 6, 57: 6, 28: 6, 27: 6, 14: 6, 13: 6, 7: 5, 32: 7, 16: 7, 8: 6}


@pytest.mark.parametrize(("side", "out_side"), PUBLISHED.items())
def test_output_sizes_are_those_of_the_released_weights(side, out_side):
    net = HourGlass(8, (side, side))
    assert net.out_size == (out_side, out_side)
    assert net(torch.randn(1, 8, side, side)).shape == (1, 16, out_side, out_side)


def test_maps_above_50_pixels_are_halved_between_the_first_layer_and_its_norm():
    wide, narrow = HourGlass(3, (52, 54)), HourGlass(3, (26, 27))
    narrow.load_state_dict(wide.state_dict())
    x = torch.randn(1, 3, 26, 27)
    doubled = x.repeat_interleave(2, -1).repeat_interleave(2, -2)
    torch.testing.assert_close(wide(doubled), narrow(x))


@pytest.mark.parametrize("size", [(28, 28), (22, 37), (12, 15), (10, 8), (3, 4), (56, 40), (61, 52), (8, 61)])
def test_the_output_has_the_size_it_tells(size):
    net = HourGlass(8, size)
    assert net(torch.randn(2, 8, *size)).shape == (2, 16, *net.out_size)


def test_every_region_has_weights_of_its_own():
    net = FullyConnectedGenerator(4, 3, (7, 7), out_channels=5)
    m = net(torch.randn(2, 4, 7, 7))
    assert m.shape == (2, 3, 5)
    assert not torch.allclose(m[:, 0], m[:, 1])


@pytest.mark.parametrize("name", ["fc", "pool"])
def test_maps_of_another_size_are_pooled(name):
    net = resolve_generator(name, 4, 3, (7, 8), out_channels=5)
    x = torch.randn(2, 4, 14, 16)
    torch.testing.assert_close(net(x), net(torch.nn.functional.avg_pool2d(x, 2)))


def test_pooled_regions_share_out_every_pixel_among_them():
    C, N, D = 4, 3, 5
    net = PooledGenerator(C, N, (2, 3), out_channels=D).double()
    x = torch.randn(1, C, 2, 3, dtype=torch.float64)
    want = torch.zeros(N, D, dtype=torch.float64) + net.linear.bias
    for row in range(2):
        for col in range(3):
            logits = torch.stack([w @ x[0, :, row, col] for w in net.choose.weight[:, :, 0, 0]]) + net.choose.bias
            place = net.position.weight[:, :, 0, 0] @ net.table[:, row, col] + net.position.bias
            vector = net.linear.weight @ (x[0, :, row, col] + place)
            want = want + logits.softmax(0)[:, None] * vector
    torch.testing.assert_close(net(x)[0], want)


def test_positions_are_the_published_table():
    table = sinusoidal_positions(8, (3, 5))
    assert table.shape == (8, 3, 5)
    for row in range(3):
        for col in range(5):
            want = []
            for t in (row / 2, col / 4):
                for k in (0, 2):
                    want += [math.sin(t / 10000 ** (k / 4)), math.cos(t / 10000 ** ((k + 1) / 4))]
            torch.testing.assert_close(table[:, row, col], torch.tensor(want), atol=1e-6, rtol=0)


def test_pooled_regions_see_where_a_thing_is():
    net = PooledGenerator(4, 3, (6, 6), out_channels=5)
    x = torch.zeros(1, 4, 6, 6)
    x[..., 1, 1] = 5.0
    assert not torch.allclose(net(x), net(x.roll(3, -1)))


def test_gradients_reach_every_parameter_of_the_pooled_form():
    net = PooledGenerator(4, 3, (5, 7), out_channels=5)
    net(torch.randn(2, 4, 5, 7)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


def test_channels_that_do_not_divide_into_sines_and_cosines_are_refused():
    with pytest.raises(ValueError, match=r"Expected .channels. to be a multiple of 4.*got 6"):
        PooledGenerator(6, 3, (7, 7))


def test_unknown_generators_are_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"Expected 'generator' to be one of 'fc', 'pool' \(got 'glore'\)"):
        resolve_generator("glore", 4, 3, (7, 7))


def test_learned_vectors_ignore_the_input():
    net = LearnedVectors(3, out_channels=5)
    assert torch.equal(net(torch.zeros(2, 4, 7, 7)), net(torch.ones(2, 4, 9, 9)))


def test_the_hourglass_is_initialised_before_the_linear_layer():
    torch.manual_seed(0)
    net = FullyConnectedGenerator(4, 3, (7, 7), out_channels=5)
    torch.manual_seed(0)
    saliency, linear = HourGlass(4, (7, 7)), torch.nn.Linear(16 * 25, 15)
    assert torch.equal(net.linear.weight, linear.weight)
    assert torch.equal(net.saliency.up.weight, saliency.up.weight)


@pytest.mark.parametrize("size", [(7, 8), (14, 14), (28, 30), (56, 52)])
def test_the_first_map_lays_out_the_hourglass(size):
    lazy, sized = HourGlass(4), HourGlass(4, size)
    sized.load_state_dict(lazy.state_dict())
    x = torch.randn(1, 4, *size)
    assert torch.equal(lazy(x), sized(x))
    assert lazy.out_size == sized.out_size


def test_without_a_size_pooled_regions_keep_the_maps():
    lazy = PooledGenerator(4, 3, out_channels=5)
    for map_size in ((7, 8), (14, 12)):
        sized = PooledGenerator(4, 3, map_size, out_channels=5)
        sized.load_state_dict(lazy.state_dict())
        x = torch.randn(2, 4, *map_size)
        assert torch.equal(lazy(x), sized(x))
