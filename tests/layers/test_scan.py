import pytest
import torch
from torch import nn

from pyg_video.graph_builders import GridGraph, RegionGraph
from pyg_video.layers import RSTG, GraphBlock, KernelEmbedding, SpaceConv, TemporalRNN, ToMap, ToVector, scan
from pyg_video.models import create_model, model_options

C = 8


def processor(cell):
    rstg = RSTG(SpaceConv(C), TemporalRNN(C, cell=cell), TemporalRNN(C, cell=cell))
    return nn.Sequential(KernelEmbedding(C, (6, 6)), rstg)


def builder(name):
    return GridGraph(C) if name == "grid" else RegionGraph(C, size=(6, 6), region_channels=8, gain=1.0)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("name", ["grid", "region"])
@pytest.mark.parametrize("readout", [ToMap, ToVector, lambda: ToVector("mean")])
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
    block = GraphBlock(C, builder("region"), processor("gru")).double()
    nn.init.ones_(block.norm.weight)
    x = torch.randn(1, 4, C, 6, 6, dtype=torch.float64)
    parts, state = [], None
    for t in range(4):  # frame by frame
        y, state = scan(block, x[:, t : t + 1], state)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, dim=1), block(x))


@pytest.mark.parametrize("readout", ["last", "mean"])
@pytest.mark.parametrize("name", ["dyreg_gnn_sync_mnist", "rstg_sync_mnist", "cnn_sync_mnist"])
def test_a_whole_model_runs_frame_by_frame(name, readout):
    options = {"frame_size": 14, "channels": (4, 6), "strides": (2, 1), "region_channels": 8, "gain": 1.0}
    options |= {"residual_scale": 1.0, "readout": readout}
    model = create_model(name, **{k: v for k, v in options.items() if k in model_options(name)}).double().eval()
    video = torch.rand(2, 4, 1, 14, 14, dtype=torch.float64)
    state = None
    for t in range(4):
        scores, state = scan(model, video[:, t : t + 1], state)
    torch.testing.assert_close(scores, model(video))


def test_time_stages_may_be_sequences():
    time = nn.Sequential(TemporalRNN(C), nn.LayerNorm(C))
    model = RSTG(SpaceConv(C), time, TemporalRNN(C)).double()
    build, x = GridGraph(C), torch.randn(1, 4, C, 6, 6, dtype=torch.float64)
    _, state = model.scan(build(x[:, :2]))
    second, _ = model.scan(build(x[:, 2:]), state)
    torch.testing.assert_close(second.frames, model(build(x)).frames[:, 2:])


def test_a_state_that_would_be_lost_is_an_error():
    class Wrapper(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = TemporalRNN(C)

        def forward(self, x):
            return self.inner(x)

    with pytest.raises(TypeError, match="Expected a module with a scan method .got Wrapper"):
        scan(Wrapper(), torch.randn(1, 2, 3, C))
    with pytest.raises(ValueError, match="Expected 'state' with 2 entries, as an earlier scan gave it .got 1 entries"):
        scan(nn.Sequential(GridGraph(C), ToMap()), torch.randn(1, 2, C, 6, 6), [None])
