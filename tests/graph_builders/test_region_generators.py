import pytest
import torch

from pyg_video.graph_builders import FullyConnectedGenerator, HourGlass, LearnedVectors

RELEASED = [((28, 28), (6, 6)), ((14, 14), (6, 6)), ((7, 7), (5, 5)), ((32, 32), (7, 7)), ((16, 16), (7, 7))]


@pytest.mark.parametrize(("size", "out_size"), RELEASED)
def test_output_sizes_are_those_of_the_released_weights(size, out_size):
    assert HourGlass(8, size).out_size == out_size


@pytest.mark.parametrize("size", [(28, 28), (22, 37), (12, 15), (10, 8), (3, 4), (56, 40)])
def test_the_output_has_the_size_it_tells(size):
    net = HourGlass(8, size)
    assert net(torch.randn(2, 8, *size)).shape == (2, 16, *net.out_size)


def test_every_region_has_weights_of_its_own():
    net = FullyConnectedGenerator(4, 3, (7, 7), out_channels=5)
    m = net(torch.randn(2, 4, 7, 7))
    assert m.shape == (2, 3, 5)
    assert not torch.allclose(m[:, 0], m[:, 1])


def test_maps_of_another_size_are_pooled():
    net = FullyConnectedGenerator(4, 3, (7, 7), out_channels=5)
    x = torch.randn(2, 4, 14, 14)
    torch.testing.assert_close(net(x), net(torch.nn.functional.avg_pool2d(x, 2)))


def test_learned_vectors_ignore_the_input():
    net = LearnedVectors(3, out_channels=5)
    assert torch.equal(net(torch.zeros(2, 4, 7, 7)), net(torch.ones(2, 4, 9, 9)))
