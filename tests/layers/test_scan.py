from typing import NamedTuple

import pytest
import torch
from torch import nn

from pyg_video.attachment import attach_blocks
from pyg_video.backbones import tsm_resnet
from pyg_video.graph_builders import GridGraph, RegionGraph
from pyg_video.layers import (
    RSTG,
    GraphBlock,
    KernelEmbedding,
    SpaceConv,
    TemporalRNN,
    ToMap,
    ToVector,
    detach_state,
    reset_state,
    scan,
)
from pyg_video.models import PoolHead, VideoClassifier, create_model, model_options

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


@pytest.mark.parametrize("path", ["layer1", "layer1.0", "layer1.0.conv1", "layer1.1.bn2", "stem"])
def test_attached_blocks_whose_state_would_be_lost_are_an_error(path):
    model = VideoClassifier(tsm_resnet(18, num_stages=1, online=True), PoolHead(64, 2))
    block, video = GraphBlock(64, GridGraph(64), nn.Identity()), torch.rand(1, 2, 3, 16, 16)
    attached = attach_blocks(model, {f"backbone.stages.{path}": block}, num_frames=2, input=video)
    with pytest.raises(TypeError, match="attached block.*use insert_block"):
        scan(model, video)
    attached.remove()
    scan(model, video)


class Pair(NamedTuple):
    hidden: torch.Tensor
    count: torch.Tensor


def nested():
    """Of three streams: every kind of container, types and numbers of dimensions."""
    pair = Pair(torch.rand(3, 2, 4) + 1, torch.tensor([5, 6, 7]))
    return {"a": [pair, None, (torch.ones(3, 1), [])], "b": torch.tensor([True, True, True]), "c": None}


@pytest.mark.parametrize("which", [[1], torch.tensor([1]), [False, True, False], torch.tensor([False, True, False])])
def test_a_reset_zeroes_the_streams_that_are_named(which):
    state, want = nested(), nested()
    want["a"][0] = state["a"][0]
    got = reset_state(state, which)
    assert torch.equal(got["a"][0].hidden[[0, 2]], want["a"][0].hidden[[0, 2]])
    assert not got["a"][0].hidden[1].any()
    assert got["a"][0].count.tolist() == [5, 0, 7]
    assert got["a"][1:2] == [None]
    assert (got["a"][2][0].tolist(), got["a"][2][1]) == ([[1], [0], [1]], [])
    assert got["b"].tolist() == [True, False, True]
    assert got["c"] is None
    assert state["a"][0].count.tolist() == [5, 6, 7]  # a copy


def test_no_stream_or_no_state_is_no_reset():
    state = nested()
    for which in ([], [False] * 3, torch.zeros(0, dtype=torch.int32)):
        assert reset_state(state, which)["a"][0].count.tolist() == [5, 6, 7]
    assert reset_state(None, [0]) is None
    assert reset_state([None, {"a": None}], [0]) == [None, {"a": None}]


@pytest.mark.parametrize(
    "which", [[3], [-1], [True, False], torch.tensor(1), [[0, 1]], [0.5], torch.tensor([1, 0, 0]).byte()]
)
def test_streams_that_are_not_there_are_refused(which):
    with pytest.raises(
        ValueError, match="Expected 'which' as 3 booleans, or as a list of numbers between 0 and 2 .got"
    ):
        reset_state(nested(), which)


def test_what_is_no_state_is_refused():
    for function in (detach_state, lambda state: reset_state(state, [0])):
        with pytest.raises(TypeError, match="Expected 'state' as scan gave it, .* .got int"):
            function([torch.zeros(1), 3])
    with pytest.raises(ValueError, match=r"the clips in their first dimension .got \[2, 4\], \[3, 4\]"):
        reset_state([torch.zeros(2, 4), torch.zeros(3, 4)], [0])
    with pytest.raises(ValueError, match=r"the clips in their first dimension .got \[\]"):
        reset_state(torch.tensor(1.0), [0])


def test_a_detached_state_keeps_its_containers():
    state = nested()
    state["a"][0].hidden.requires_grad_()
    got = detach_state(state)
    assert isinstance(got["a"][0], Pair)
    assert got["a"][0].hidden.data_ptr() == state["a"][0].hidden.data_ptr()
    assert not got["a"][0].hidden.requires_grad
    assert got["a"][1] is None


def test_resets_and_detaching_compile():
    rnn, x = TemporalRNN(C), torch.randn(3, 4, 2, C)

    def step(x, state, which):
        return rnn.scan(x, reset_state(detach_state(state), which))

    state = detach_state(rnn.scan(x[:, :2])[1])
    which = torch.tensor([True, False, False])
    torch._dynamo.reset()
    compiled = torch.compile(step, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x[:, 2:], state, which), step(x[:, 2:], state, which))


@pytest.mark.gpu
def test_streams_are_reset_on_a_gpu():
    state = torch.ones(3, 2, device="cuda")
    for which in ([1], torch.tensor([False, True, False]), torch.tensor([1], device="cuda")):
        assert reset_state(state, which).tolist() == [[1, 1], [0, 0], [1, 1]]
