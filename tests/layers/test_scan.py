import pytest
import torch
from torch import nn

from pyg_video.graph_builders import GridGraph, RegionGraph
from pyg_video.layers import RSTG, GraphBlock, KernelEmbedding, SpaceConv, TemporalRNN, ToMap, ToVector, scan

C = 8


def processor(cell):
    rstg = RSTG(SpaceConv(C), TemporalRNN(C, cell=cell), TemporalRNN(C, cell=cell))
    return nn.Sequential(KernelEmbedding(C, (6, 6)), rstg)


def builder(name):
    return GridGraph(C) if name == "grid" else RegionGraph(C, size=(6, 6), region_channels=8, gain=1.0)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("name", ["grid", "region"])
@pytest.mark.parametrize("readout", [ToMap, ToVector])
def test_two_chunks_equal_the_clip_at_once(name, cell, readout):
    model = nn.Sequential(builder(name), *processor(cell), readout()).double()
    x = torch.randn(2, 5, C, 6, 6, dtype=torch.float64)
    first, state = scan(model, x[:, :3])
    second, _ = scan(model, x[:, 3:], state)
    whole = model(x)
    if readout is ToMap:
        torch.testing.assert_close(torch.cat([first, second], dim=1), whole)
    else:
        torch.testing.assert_close(second, whole)


def test_a_block_runs_in_chunks():
    block = GraphBlock(builder("region"), processor("gru"), channels=C).double()
    nn.init.ones_(block.norm.weight)
    x = torch.randn(1, 4, C, 6, 6, dtype=torch.float64)
    parts, state = [], None
    for t in range(4):  # frame by frame
        y, state = scan(block, x[:, t : t + 1], state)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, dim=1), block(x))
