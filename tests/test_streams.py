"""What holds for everything that keeps a state: cameras in one batch, each with frames and a start of its own."""

import pytest
import torch
from torch import Tensor, nn
from torch_geometric import nn as pyg
from torchvision.models.resnet import BasicBlock

from pyg_video import backbones, graph_builders, layers, models
from pyg_video.backbones import ClipStage, OnlineShift, ShiftedBlock
from pyg_video.graph_builders import (
    BoxGraph,
    ConnectInTime,
    GraphBuilder,
    GridGraph,
    RegionGraph,
    SaliencyGraph,
    SlotGraph,
)
from pyg_video.layers import (
    RSTG,
    ConvLSTM,
    GraphBlock,
    HomogeneousGraph,
    MotionEdges,
    SpaceConv,
    SpaceTimeConv,
    TemporalRNN,
    ToMap,
    ToVector,
    detach_state,
    reset_state,
    scan,
)
from pyg_video.models import GraphHead, PoolHead, SumHead, create_model

B, C = 3, 8
CHUNKS = (2, 1, 3)  # frames
T = sum(CHUNKS)


def rstg(cell="lstm", num_iterations=1):
    return RSTG(SpaceConv(C), TemporalRNN(C, cell=cell), TemporalRNN(C, cell=cell), num_iterations=num_iterations)


def edges_in_time():
    return SpaceTimeConv(pyg.GATv2Conv(C, C), pyg.GCNConv(C, C), connect=ConnectInTime("same_node", steps=2))


def regions():
    return RegionGraph(C, 4, size=(6, 6), region_channels=4, gain=0.5)


def tracks():
    """Nodes that are tracked, and edges that know how they move."""
    motion = MotionEdges((0.1, 0.3))
    graph = RSTG(SpaceConv(C, edge_dim=2), TemporalRNN(C), TemporalRNN(C), num_iterations=1)
    return nn.Sequential(SaliencyGraph(C, 4, track=True), motion, graph, ToMap())


def slots():
    return SlotGraph(C, 4, slot_channels=6, iterations=2)


def shifted():
    """With a block in the branch and one in the skip connection."""
    skip = nn.Sequential(nn.Conv2d(C, C, 1), nn.BatchNorm2d(C))
    block = ShiftedBlock(BasicBlock(C, C, downsample=skip), OnlineShift(4))
    for name in ("conv1", "downsample"):
        inserted = GraphBlock(C, GridGraph(C), rstg(), residual_scale=1.0)
        setattr(block, name, ClipStage(block.get_submodule(name), inserted))
    return block


def digits(name, **options):
    return create_model(name, num_classes=3, frame_size=12, channels=(4, C), strides=(2, 1), **options)


def online(**options):
    options |= {"frame_size": 48, "stages": ("layer2",), "online": True, "region_channels": 4}
    return create_model("dyreg_tsm_resnet18", num_classes=3, residual_scale=1.0, gain=0.5, **options)


MAPS, NODES, DIGITS, VIDEO = (C, 6, 6), (4, C), (1, 12, 12), (3, 48, 48)
MODELS = {
    "DyReg-GNN": (lambda: digits("dyreg_gnn_sync_mnist", residual_scale=1.0, gain=0.5, region_channels=4), DIGITS),
    "RSTG": (lambda: digits("rstg_sync_mnist", readout="mean"), DIGITS),
    "CNN + LSTM": (lambda: digits("cnn_sync_mnist"), DIGITS),
    "TSM + DyReg-GNN": (online, VIDEO),
}
PARTS = {
    "GRU": (lambda: TemporalRNN(C), NODES),
    "LSTM": (lambda: TemporalRNN(C, cell="lstm"), NODES),
    "stages of time": (lambda: nn.Sequential(TemporalRNN(C), nn.LayerNorm(C), TemporalRNN(C)), NODES),
    "graph": (lambda: nn.Sequential(GridGraph(C), rstg(num_iterations=2), ToMap()), MAPS),
    "edges in time": (lambda: nn.Sequential(GridGraph(C), edges_in_time(), ToMap()), MAPS),
    "regions": (lambda: nn.Sequential(regions(), ToMap()), MAPS),
    "tracks": (tracks, MAPS),
    "tracked regions": (lambda: nn.Sequential(RegionGraph(C, 4, gain=0.5, track=True), ToMap()), MAPS),
    "slots": (lambda: nn.Sequential(slots(), ToMap()), MAPS),
    "boxes": (lambda: GraphBlock(C, BoxGraph(C, 4), rstg("gru"), residual_scale=1.0), MAPS),
    "mean": (lambda: nn.Sequential(GridGraph(C), ToVector("mean")), MAPS),
    "block": (lambda: GraphBlock(C, regions(), rstg(), residual_scale=1.0), MAPS),
    "projected block": (lambda: GraphBlock(C, slots(), rstg("gru"), node_channels=C, residual_scale=1.0), MAPS),
    "maps": (lambda: ConvLSTM(C), MAPS),
    "shift": (lambda: OnlineShift(4), MAPS),
    "shifted block": (shifted, MAPS),
    "pooled": (lambda: PoolHead(C, 3, time=TemporalRNN(C)), MAPS),
    "graph head": (lambda: GraphHead(C, 3, regions(), rstg(), readout=ToVector("mean")), MAPS),
    "sum head": (lambda: SumHead(C, 3, slots(), rstg("gru"), residual_scale=1.0), MAPS),
    **MODELS,
}
MASKED = ("GRU", "LSTM")  # a second time with nodes missing and padded chunks


def stream(name):
    """A net, and for every chunk the frames of all cameras and what is known about them."""
    make, shape = PARTS[name.removesuffix(", masked")]
    net = make().double().eval()
    frames = torch.randn(B, T, *shape, dtype=torch.float64).split(CHUNKS, dim=1)
    info = [{} for _ in CHUNKS]
    if name == "boxes":
        box = torch.rand(B, T, 4, 4, dtype=torch.float64) / 2 + 0.2
        box[torch.rand(B, T, 4) < 0.3] = torch.nan
        info = [{"box": part} for part in box.split(CHUNKS, dim=1)]
    if name.endswith(", masked"):
        mask = (torch.rand(B, T, 4) > 0.4).split(CHUNKS, dim=1)
        lengths = torch.tensor([[2, 1, 2], [1, 1, 3], [2, 1, 1]]).unbind(dim=1)
        info = [{"mask": m, "lengths": n} for m, n in zip(mask, lengths, strict=True)]
    return net, list(zip(frames, info, strict=True))


def run(net, chunks, state=None, *, reset_after=None):
    """The outputs for the chunks, and the last state; streams may be reset after a chunk."""
    outputs = []
    for k, (x, info) in enumerate(chunks):
        y, state = scan(net, x, state, **info)
        outputs.append(y)
        if reset_after is not None and k in reset_after:
            state = reset_state(state, reset_after[k])
    return outputs, state


def camera(chunks, b):
    return [(x[b : b + 1], {key: value[b : b + 1] for key, value in info.items()}) for x, info in chunks]


def tensors(state):
    """All tensors of a state."""
    if isinstance(state, Tensor):
        return [state]
    parts = state.values() if isinstance(state, dict) else state or ()
    return [tensor for part in parts for tensor in tensors(part)]


all_parts = pytest.mark.parametrize("name", [*PARTS, *(f"{name}, masked" for name in MASKED)])


@all_parts
def test_cameras_in_a_batch_equal_each_camera_alone(name):
    net, chunks = stream(name)
    together, _ = run(net, chunks)
    for b in range(B):
        alone, _ = run(net, camera(chunks, b))
        torch.testing.assert_close([y[b : b + 1] for y in together], alone)


@all_parts
def test_streams_that_are_reset_start_anew_and_the_others_go_on(name):
    net, chunks = stream(name)
    (_, *got), _ = run(net, chunks, reset_after={0: [0, 2], 1: torch.tensor([False, False, True])})
    (_, *undisturbed), _ = run(net, chunks)
    anew, _ = run(net, chunks[1:])
    again, _ = run(net, chunks[2:])
    assert torch.equal(got[0][[0, 2]], anew[0][[0, 2]])
    assert torch.equal(got[1][0], anew[1][0])
    assert torch.equal(got[1][2], again[0][2])
    assert all(torch.equal(y[1], want[1]) for y, want in zip(got, undisturbed, strict=True))
    assert not torch.allclose(got[0][0], undisturbed[0][0])


@all_parts
def test_the_state_of_one_stream_has_its_first_dimension(name):
    net, chunks = stream(name)
    for part in tensors(run(net, chunks)[1]):
        assert part.size(0) == B


@all_parts
def test_a_detached_state_has_the_same_values_and_no_history(name):
    net, ((first, info), *later) = stream(name)
    first.requires_grad_()
    _, state = scan(net, first, **info)
    detached = detach_state(state)
    assert any(part.requires_grad for part in tensors(state))
    assert not any(part.requires_grad for part in tensors(detached))
    want, got = run(net, later, state)[0], run(net, later, detached)[0]
    assert all(torch.equal(a, b) for a, b in zip(want, got, strict=True))
    loss = sum(y.square().sum() for y in got)
    if loss.requires_grad:  # some parts have no parameters
        loss.backward()
    assert first.grad is None
    sum(y.square().sum() for y in want).backward()
    assert first.grad.abs().max() > 0


@all_parts
def test_a_stream_that_broke_is_mended_by_a_reset(name):
    net, ((first, info), *later) = stream(name)
    with torch.no_grad():
        _, state = scan(net, first, **info)
    for part in tensors(state):
        if part.is_floating_point():
            part[0] = torch.nan
    outputs, _ = run(net, later, reset_state(state, [0]))
    assert all(y.isfinite().all() for y in outputs)


@all_parts
def test_the_state_does_not_grow(name):
    net, chunks = stream(name)
    with torch.no_grad():
        state, sizes = None, set()
        for _ in range(3):
            state = run(net, chunks, state)[1]
            parts = tensors(state)
            sizes.add(sum(part.numel() for part in parts))
            for part in parts:  # nor does it keep the memory of the frames alive
                assert part.untyped_storage().nbytes() <= part.numel() * part.element_size()
    assert len(sizes) == 1


def test_nothing_that_keeps_a_state_is_missing_here():
    rooms = (layers, graph_builders, backbones, models)
    public = {kind for room in rooms for kind in map(vars(room).get, room.__all__) if isinstance(kind, type)}
    inherited, refusing = GraphBuilder.scan_regions, HomogeneousGraph.scan
    scanning = {
        kind
        for kind in public - {GraphBuilder}
        for method in (vars(kind).get("scan"), vars(kind).get("scan_regions"))
        if method not in (None, inherited, refusing)
    }
    here = {type(part) for make, _ in PARTS.values() for part in make().modules()}
    assert scanning <= here


def test_gradients_of_a_reset_reach_the_streams_that_go_on_only():
    net, x = TemporalRNN(C).double(), torch.randn(B, 4, *NODES, dtype=torch.float64, requires_grad=True)
    _, state = scan(net, x[:, :2])
    y, _ = scan(net, x[:, 2:], reset_state(state, [1]))
    y.square().sum().backward()
    seen = x.grad[:, :2].abs().amax((1, 2, 3))
    assert seen[1] == 0
    assert (seen[[0, 2]] > 0).all()
