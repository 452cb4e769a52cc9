import pytest
import torch
from torch import nn

from pyg_video.graph_builders import GridGraph
from pyg_video.layers import RSTG, SpaceConv, TemporalRNN, ToVector
from pyg_video.models import GraphHead, PoolHead, SumHead


def graph_head(readout: str) -> GraphHead:
    rstg = RSTG(SpaceConv(4), TemporalRNN(4), TemporalRNN(4), num_iterations=1)
    return GraphHead(4, 3, GridGraph(4, 4), rstg, readout=ToVector(readout))


@pytest.mark.parametrize("readout", ["last", "mean"])
@pytest.mark.parametrize("make", [graph_head, lambda readout: PoolHead(4, 3, time=TemporalRNN(4), readout=readout)])
def test_padding_does_not_count(make, readout):
    head, x = make(readout), torch.rand(2, 5, 4, 4, 4)
    padded = head(x, torch.tensor([5, 3]))
    torch.testing.assert_close(padded[0], head(x[:1])[0])
    torch.testing.assert_close(padded[1], head(x[1:, :3])[0])


def test_pool_head_is_the_mean_over_pixels_and_frames():
    head, x = PoolHead(4, 3), torch.rand(2, 5, 4, 2, 2)
    torch.testing.assert_close(head(x), head.linear(x.mean(dim=(1, 3, 4))))


def test_graph_head_goes_on_from_its_state():
    head, x = graph_head("last"), torch.rand(1, 6, 4, 4, 4)
    _, state = head.scan(x[:, :4])
    scores, _ = head.scan(x[:, 4:], state)
    torch.testing.assert_close(scores, head(x))


def test_unknown_readouts_are_refused():
    with pytest.raises(ValueError, match="'last', 'mean'"):
        PoolHead(4, 3, time=nn.Identity(), readout="first")


def test_dropout_is_of_training_alone():
    torch.manual_seed(0)
    head, x = PoolHead(8, 3, dropout=0.5), torch.randn(2, 4, 8, 5, 5)
    assert "dropout" not in " ".join(head.state_dict())  # files from before it load
    assert not torch.equal(head(x), head(x))
    assert torch.equal(head.eval()(x), head(x))


def sum_head(**options):
    rstg = RSTG(SpaceConv(8), TemporalRNN(8), TemporalRNN(8))
    return SumHead(8, 3, GridGraph(8), rstg, **options).eval()


def test_the_graphs_vector_joins_the_pooled_features():
    head, x = sum_head(residual_scale=1.0), torch.randn(2, 4, 8, 6, 6)
    vector = ToVector("mean")(head.processor(head.builder(x)))
    vector = (vector - vector.mean(-1, keepdim=True)) / (vector.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(head(x), head.linear(x.mean((1, 3, 4)) + vector))


def test_a_sum_head_is_a_pool_head_at_initialisation():
    head, x, lengths = sum_head(), torch.randn(2, 4, 8, 6, 6), torch.tensor([4, 2])
    plain = PoolHead(8, 3)
    plain.load_state_dict({name: w for name, w in head.state_dict().items() if name in plain.state_dict()})
    torch.testing.assert_close(head(x, lengths), plain(x, lengths), rtol=0, atol=0)


def test_a_sum_head_runs_chunk_by_chunk():
    head, x = sum_head(residual_scale=1.0), torch.randn(2, 5, 8, 6, 6)
    _, state = head.scan(x[:, :2])
    torch.testing.assert_close(head.scan(x[:, 2:], state)[0], head(x), atol=1e-5, rtol=1e-4)
