import pytest
import torch

from pyg_video.graph_builders import GridGraph
from pyg_video.layers import ToMap, ToVector


def test_to_map_gives_every_pixel_the_mean_of_its_cells_summed_over_scales():
    graph = GridGraph(4, scales=(2, 1))(torch.randn(1, 2, 4, 4, 4))
    y = ToMap()(graph)
    nodes = graph.frames
    want = nodes[:, :, [0, 1, 2, 3]].mT.unflatten(-1, (2, 2)).repeat_interleave(2, -1).repeat_interleave(2, -2)
    torch.testing.assert_close(y, want + nodes[:, :, 4, :, None, None])


def test_to_vector_sums_nodes_of_the_last_frame_or_of_the_mean():
    graph = GridGraph(4)(torch.randn(2, 3, 4, 6, 6))
    torch.testing.assert_close(ToVector("last")(graph), graph.frames[:, -1].sum(1))
    torch.testing.assert_close(ToVector("mean")(graph), graph.frames.mean(1).sum(1))


@pytest.mark.parametrize("time", ["last", "mean"])
def test_padded_frames_do_not_count(time):
    x, lengths = torch.randn(2, 5, 4, 6, 6), torch.tensor([5, 2])
    padded = ToVector(time)(GridGraph(4)(x, lengths))
    alone = ToVector(time)(GridGraph(4)(x[1:, :2]))
    torch.testing.assert_close(padded[1:], alone)


def test_an_unknown_readout_is_an_error():
    with pytest.raises(ValueError, match="Expected 'time' to be one of 'last', 'mean'"):
        ToVector("max")


def test_nan_in_the_padding_does_not_spread():
    x = torch.randn(2, 3, 4, 6, 6)
    graph = GridGraph(4)(x, torch.tensor([3, 2]))
    nodes = graph.frames.clone()
    nodes[1, 2] = torch.nan
    assert ToVector("mean")(graph.with_x(nodes.flatten(0, 2))).isfinite().all()


@pytest.mark.parametrize("time", ["last", "mean"])
def test_nodes_that_are_not_there_do_not_count_in_the_vector(time):
    graph = GridGraph(4, (1, 3))(torch.randn(2, 3, 4, 6, 6))
    mask = torch.rand(2, 3, 3) > 0.5
    got = ToVector(time)(graph.with_attr(mask=mask.flatten()))
    frames = torch.einsum("btnc,btn->btc", graph.frames, mask.float())
    torch.testing.assert_close(got, frames[:, -1] if time == "last" else frames.mean(1))


def test_a_long_stream_is_counted_in_bfloat16_too():
    readout, state = ToVector("mean"), None
    graphs = [GridGraph(4, 1)(torch.full((1, 1, 4, 2, 2), value, dtype=torch.bfloat16)) for value in (1.0, 3.0)]
    for t in range(600):
        vector, state = readout.scan(graphs[t % 2], state)
    assert vector.dtype == torch.bfloat16
    assert vector.tolist() == [[2.0] * 4]
    assert float(state[1]) == 600
