import pytest
import torch
from torch import nn

from pyg_video.graph_builders import GridGraph
from pyg_video.layers import RSTG, SpaceConv, TemporalRNN, ToVector
from pyg_video.models import GraphHead, PoolHead


def graph_head(readout: str) -> GraphHead:
    rstg = RSTG(SpaceConv(4), TemporalRNN(4), TemporalRNN(4), num_stages=1)
    return GraphHead(GridGraph(4, (2,)), rstg, channels=4, num_classes=3, readout=ToVector(readout))


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
