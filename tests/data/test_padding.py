import pytest
import torch
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader

from pyg_video.data import VideoGraph, pad_clips
from pyg_video.functional import complete_edges, repeat_edges
from pyg_video.graph_builders import GridGraph
from pyg_video.layers import (
    RSTG,
    ApplyToNodes,
    BatchNorm,
    ClipNorm,
    ConnectAllPairs,
    DenseSpaceConv,
    FrameNorm,
    GaussianPosition,
    HomogeneousGraph,
    KernelEmbedding,
    SpaceConv,
    TablePosition,
    TemporalRNN,
    ToMap,
    ToVector,
)

C = 8


def clip(T, N=4, **attributes):
    """A clip of ``T`` frames of ``N`` nodes, all of them connected."""
    x = torch.randn(T * N, C, dtype=torch.float64)
    kernel, box = torch.rand(T * N, 5, 6, dtype=torch.float64), torch.rand(T * N, 4, dtype=torch.float64)
    edges = repeat_edges(complete_edges(N), N, T)
    return VideoGraph(x, edges, layout=(T, N), kernel=kernel, box=box, y=torch.tensor([T]), **attributes)


def rstg(conv=SpaceConv, **options):
    space = conv(C, message_norm=FrameNorm(C), update_norm=FrameNorm(C), **options)
    return RSTG(space, TemporalRNN(C), TemporalRNN(C), norm=ClipNorm(C), num_iterations=2)


PROCESSORS = {
    "rstg": rstg,
    "dense": lambda: rstg(DenseSpaceConv),
    "dense complete": lambda: rstg(DenseSpaceConv, complete=True),
    "homogeneous": lambda: HomogeneousGraph(SpaceConv(C, update_norm=FrameNorm(C))),
    "all pairs": lambda: torch.nn.Sequential(ConnectAllPairs(), rstg()),
    "positions": lambda: torch.nn.Sequential(GaussianPosition(3), rstg(position_channels=9)),
    "nodes": lambda: torch.nn.Sequential(ApplyToNodes(ClipNorm(C)), ApplyToNodes(torch.nn.Linear(C, C))),
    "kernels": lambda: KernelEmbedding(C, (5, 6)),
}


def batches(kind):
    """Graphs of clips of different lengths, of different numbers of nodes, or of several clips."""
    if kind == "lengths":
        return [clip(3), clip(1), clip(2)]
    if kind == "nodes":
        return [clip(3, 2), clip(1, 4), clip(3, 3)]
    return [Batch.from_data_list([clip(2), clip(3)]), Batch.from_data_list([clip(1), clip(1)])]


@pytest.mark.parametrize("kind", ["lengths", "nodes", "batches"])
@pytest.mark.parametrize("name", PROCESSORS)
def test_clips_of_a_batch_equal_the_clips_alone(name, kind):
    net, graphs = PROCESSORS[name]().double(), batches(kind)
    (batch,) = DataLoader(graphs, batch_size=len(graphs))
    got = net(batch)
    assert type(got) is type(batch)
    singles = [one for graph in graphs for one in (graph.to_data_list() if isinstance(graph, Batch) else [graph])]
    alone = [net(one) for one in singles]
    torch.testing.assert_close(got.x, torch.cat([one.x for one in alone]))
    for readout in (ToVector("last"), ToVector("mean")):
        torch.testing.assert_close(readout(got), torch.cat([readout(one) for one in alone]))
    for part, graph in zip(got.to_data_list(), graphs, strict=True):
        assert part.clip_layouts == graph.clip_layouts
        torch.testing.assert_close(part.x, net(graph).x)
    for one, map_ in zip(alone, ToMap()(got), strict=True):
        torch.testing.assert_close(map_[: one.num_frames], ToMap()(one)[0])
        assert map_[one.num_frames :].abs().sum() == 0


def test_gradients_and_labels_are_those_of_the_clips_alone():
    net, graphs = torch.nn.Sequential(rstg(), ToVector()).double(), batches("lengths")
    (batch,) = DataLoader(graphs, batch_size=3)
    assert batch.y.tolist() == [3, 1, 2]  # one label per clip
    for data in ([batch], graphs):
        for graph in data:
            net(graph).square().sum().backward()
        grads = [p.grad.clone() for p in net.parameters()]
        net.zero_grad()
        want = grads if data is not graphs else want  # noqa: F821
    torch.testing.assert_close(grads, want)


def test_a_loss_per_node_knows_which_nodes_count():
    graphs, net = batches("nodes"), rstg().double()
    padded = net(pad_clips(graphs))
    loss = padded.frames.square().mean(dim=-1)[padded.present].sum()
    torch.testing.assert_close(loss, net(Batch.from_data_list(graphs)).x.square().mean(dim=-1).sum())


def test_a_state_goes_on_with_clips_of_different_numbers_of_nodes():
    net, T = rstg().double(), 3
    net.norm = FrameNorm(C).double()
    graphs = [clip(T, N) for N in (2, 4)]
    want = net(Batch.from_data_list(graphs)).x
    state, seen = None, []
    for t in range(T):
        y, state = net.scan(Batch.from_data_list([graph.frame(0, t) for graph in graphs]), state)
        seen.append(y)
    got = [torch.cat([y[k].x for y in seen]) for k in range(2)]
    torch.testing.assert_close(torch.cat(got), want)


def test_batch_norms_do_not_see_padding():
    graphs = batches("nodes")
    norm = BatchNorm(C, momentum=1.0).double()
    got = ApplyToNodes(norm)(Batch.from_data_list(graphs)).x
    torch.testing.assert_close(got.mean(0), torch.zeros(C, dtype=torch.float64))
    torch.testing.assert_close(norm.running_mean, torch.cat([graph.x for graph in graphs]).mean(0))


def test_a_table_of_positions_fits_clips_of_any_length():
    table = torch.randn(4, 3)
    graph = TablePosition(table)(Batch.from_data_list(batches("lengths")))
    assert torch.equal(graph.position, table.repeat(6, 1))
    assert torch.equal(graph[1].position, table)


def test_padding_completes_what_only_some_clips_have():
    some = clip(3, 2, edge_weight=torch.rand(12), mask=torch.tensor([1, 1, 0, 1, 1, 1], dtype=torch.bool))
    graph = pad_clips([clip(2, 3), some, clip(3, 3, lengths=torch.tensor([1]))])
    assert type(graph) is VideoGraph
    assert graph.lengths.tolist() == [2, 3, 1]
    assert torch.equal(graph.edge_weight[:18], torch.ones(18))
    assert graph.present.sum(dim=(1, 2)).tolist() == [6, 5, 3]
    assert graph.validate(raise_on_error=True)
    torch.testing.assert_close(graph.frames[1, :, :2].flatten(0, 1), some.x)


def test_a_number_of_a_whole_graph_stays_what_it_is():
    graphs = [clip(2, number=torch.tensor(3.0)), clip(3, number=torch.tensor(4.0))]
    assert pad_clips(graphs).number.tolist() == [3, 4]
    ragged = VideoGraph(torch.zeros(6, C), torch.empty(2, 0).long(), layout=((1, 2), (2, 2)), number=torch.tensor(3.0))
    assert ragged.padded().number == 3


def test_padding_changes_nothing_where_there_is_nothing_to_pad():
    graph = GridGraph(C)(torch.randn(2, 3, C, 6, 6))
    assert graph.padded() is graph
    again = pad_clips([graph, graph])
    assert "lengths" not in again
    assert torch.equal(again.frames, torch.cat([graph.frames, graph.frames]))


def test_mistakes_are_told_in_words():
    with pytest.raises(ValueError, match="Expected at least one graph .got none"):
        pad_clips([])
    with pytest.raises(ValueError, match="got 'position' in 1 of 2"):
        pad_clips([clip(2), GaussianPosition(3)(clip(2))])


def test_a_frame_of_a_batch_is_that_of_its_clip():
    graphs = batches("nodes")
    batch = Batch.from_data_list(graphs)
    for b, t in ((0, 2), (1, 0), (-1, -1)):
        frame, want = batch.frame(b, t), graphs[b].frame(0, t)
        assert torch.equal(frame.x, want.x)
        assert torch.equal(frame.edge_index, want.edge_index)
    with pytest.raises(IndexError, match="clip 'b' below 3 and frame 't' below 1 .got b=1, t=1"):
        batch.frame(1, 1)
