import pytest
import torch
from torch import nn
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader

from pyg_video.data import VideoGraph
from pyg_video.functional import complete_edges, repeat_edges
from pyg_video.graph_builders import (
    TIME_RULES,
    ConnectInTime,
    GridGraph,
    connect_in_time,
    nearest_nodes,
    same_node,
    tracked_nodes,
)
from pyg_video.layers import RSTG, ConnectAllPairs, DenseSpaceConv, HomogeneousGraph, SpaceConv, scan

NONE = torch.empty(2, 0, dtype=torch.long)


def graph(B=1, T=3, N=2, edge_index=NONE, **attributes):
    attributes.setdefault("box", torch.rand(B * T * N, 4) / 2 + 0.2)
    return VideoGraph(torch.randn(B * T * N, 4), edge_index, layout=(T, N), **attributes)


def pairs(graph, kind=None):
    edges = graph.edge_index if kind is None else graph.edge_index[:, graph.edge_type == kind]
    return set(map(tuple, edges.T.tolist()))


def named(graph):
    """Edges in time as ((frame, node), (frame, node)) of one clip."""
    N = graph.frame_layout[1]
    return {(divmod(i, N), divmod(j, N)) for i, j in pairs(graph, 1)}


def test_a_node_receives_from_itself_in_the_frame_before():
    assert named(connect_in_time(graph(), "same_node")) == {((t, n), (t + 1, n)) for t in range(2) for n in range(2)}


def test_a_window_reaches_as_many_frames_back_as_it_has_steps():
    lags = [j[0] - i[0] for i, j in named(connect_in_time(graph(T=5), "same_node", steps=3))]
    assert sorted(lags) == [1] * 8 + [2] * 6 + [3] * 4


def test_complete_frames_see_all_nodes_of_the_frame_before():
    want = {((t, n), (t + 1, m)) for t in range(2) for n in range(2) for m in range(2)}
    assert named(connect_in_time(graph(), "complete")) == want


def test_boxes_that_overlap_over_time_are_connected():
    left, right, whole = [0.2, 0.5, 0.2, 0.2], [0.8, 0.5, 0.2, 0.2], [0.5, 0.5, 1.0, 1.0]
    box = torch.tensor([left, right, right, left, whole, left])
    want = {((0, 0), (1, 1)), ((0, 1), (1, 0)), ((1, 0), (2, 0)), ((1, 1), (2, 0)), ((1, 1), (2, 1))}
    assert named(connect_in_time(graph(box=box), "overlap")) == want


def test_the_nearest_nodes_of_all_frames_of_the_window_send():
    pos = torch.tensor([0.0, 0.9, 0.4, 0.5, 0.1, 0.52])[:, None].expand(-1, 2)
    got = named(connect_in_time(graph(pos=pos), nearest_nodes(1), steps=2))
    want = {((0, 0), (1, 0)), ((0, 1), (1, 1)), ((0, 0), (2, 0)), ((1, 1), (2, 1))}
    assert got == want
    few = connect_in_time(graph(pos=pos), "knn")  # fewer than four in one frame
    assert named(few) == named(connect_in_time(graph(), "complete"))


def test_a_track_is_connected_across_the_frames_in_which_it_is_lost():
    track = torch.tensor([[7, -1], [-1, -1], [5, 7], [-1, 5]]).flatten()
    assert named(connect_in_time(graph(T=4, track=track), "track")) == {((2, 0), (3, 1))}
    assert named(connect_in_time(graph(T=4, track=track), "track", steps=2)) == {((2, 0), (3, 1)), ((0, 0), (2, 1))}


def test_rules_are_joined_by_or():
    track = torch.tensor([3, -1, -1, 3, -1, -1])
    both = connect_in_time(graph(track=track), lambda window: same_node(window) | tracked_nodes(window))
    assert named(both) == named(connect_in_time(graph(), "same_node")) | {((0, 0), (1, 1))}


@pytest.mark.parametrize("rule", TIME_RULES)
@pytest.mark.parametrize("steps", [1, 3])
def test_causal_edges_go_forward_and_others_both_ways(rule, steps):
    clips = graph(B=2, T=4, N=3, track=torch.randint(-1, 3, (24,)))
    forward = pairs(connect_in_time(clips, rule, steps=steps), 1)
    assert all(0 < j // 3 - i // 3 <= steps for i, j in forward)
    both = pairs(connect_in_time(clips, rule, steps=steps, causal=False), 1)
    assert all(0 < abs(j // 3 - i // 3) <= steps for i, j in both)
    if rule != "knn":  # where nodes of later frames may be nearer
        assert both == forward | {(j, i) for i, j in forward}


@pytest.mark.parametrize("rule", TIME_RULES)
def test_clips_never_meet(rule):
    clips = graph(B=3, T=2, N=4, track=torch.zeros(24, dtype=torch.long))
    sender, receiver = connect_in_time(clips, rule, steps=5, causal=False).edge_index // 8
    assert torch.equal(sender, receiver)
    assert len(sender) > 0


@pytest.mark.parametrize("rule", TIME_RULES)
def test_nodes_and_frames_that_do_not_count_are_not_connected(rule):
    mask = torch.ones(2, 3, 4, dtype=torch.bool)
    mask[0, 1, 2] = mask[1, 0] = False
    box = torch.rand(24, 4) / 2 + 0.2
    box[~mask.flatten()] = torch.nan
    clips = graph(2, 3, 4, box=box, mask=mask.flatten(), lengths=torch.tensor([2, 3]), track=torch.ones(24).long())
    edges = connect_in_time(clips, rule, steps=2, causal=False).edge_index
    assert clips.present.flatten()[edges].all()
    assert len(edges[0]) > 0


@pytest.mark.parametrize("rule", TIME_RULES)
def test_clips_of_any_length_in_a_batch_have_the_edges_of_the_clips_alone(rule):
    def clip(T, N):
        return graph(1, T, N, repeat_edges(complete_edges(N), N, T), track=torch.randint(-1, 2, (T * N,))).loops_last()

    clips = [clip(3, 2), clip(5, 2), clip(1, 4)]
    batch = next(iter(DataLoader(clips, batch_size=3)))
    connected = connect_in_time(batch, rule, steps=2)
    alone = Batch.from_data_list([connect_in_time(graph, rule, steps=2) for graph in clips])
    assert torch.equal(connected.edge_index, alone.edge_index)
    assert torch.equal(connected.edge_type, alone.edge_type)
    assert all(
        torch.equal(one.edge_index, connect_in_time(graph, rule, steps=2).edge_index)
        for one, graph in zip(connected.to_data_list(), clips, strict=True)
    )


@pytest.mark.parametrize("rule", TIME_RULES)
def test_renumbered_nodes_have_renumbered_edges(rule):
    clips = graph(2, 4, 5, track=torch.randint(-1, 3, (40,)))
    order = torch.randperm(5)
    place = torch.arange(40).view(-1, 5)[:, order].flatten()
    other = clips.with_attr(**{key: clips[key][place] for key in ("x", "box", "track")})
    new = connect_in_time(other, rule, steps=2).edge_index
    assert set(map(tuple, place[new].T.tolist())) == pairs(connect_in_time(clips, rule, steps=2))


def test_loops_stay_last_and_edges_keep_their_weight():
    space = repeat_edges(complete_edges(2), 2, 3)
    clips = graph(edge_index=space, edge_weight=torch.arange(12.0)).loops_last()
    connected = connect_in_time(clips)
    assert torch.equal(connected.edge_index[0, -6:], connected.edge_index[1, -6:])
    assert connected.edge_type.tolist() == [0] * 6 + [1] * 4 + [0] * 6
    assert torch.equal(connected.edge_weight[connected.edge_type == 0], clips.edge_weight)
    assert connected.edge_weight[connected.edge_type == 1].tolist() == [1.0] * 4


def test_the_module_is_the_function():
    x = torch.randn(1, 4, 8, 6, 6)
    got = nn.Sequential(GridGraph(8), ConnectInTime("knn", steps=2, causal=False))(x)
    want = connect_in_time(GridGraph(8)(x), "knn", steps=2, causal=False)
    assert torch.equal(got.edge_index, want.edge_index)
    assert repr(ConnectInTime(same_node)) == "ConnectInTime(same_node, steps=1, causal=True)"


@pytest.mark.parametrize(
    "layer",
    [
        RSTG(SpaceConv(4), nn.Identity(), nn.Identity()),
        RSTG(DenseSpaceConv(4), nn.Identity(), nn.Identity()),
        HomogeneousGraph(SpaceConv(4)),
        ConnectAllPairs(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_that_need_edges_within_frames_name_the_one_that_does_not(layer):
    with pytest.raises(ValueError, match="Expected edges (within frames|without attributes)"):
        layer(connect_in_time(graph()))
    bare = connect_in_time(graph())
    del bare.edge_type
    with pytest.raises(ValueError, match="Expected edges within frames .got some .*; use SpaceTimeConv"):
        layer(bare)


def test_a_stream_is_refused_since_it_lacks_the_frames_before():
    for net in (nn.Sequential(GridGraph(8), ConnectInTime()), ConnectInTime()):
        with pytest.raises(TypeError, match="Expected whole clips for ConnectInTime .*; make it a part of the layer"):
            scan(net, torch.rand(1, 2, 8, 6, 6))


def test_wrong_input_is_a_clear_error():
    with pytest.raises(TypeError, match="Expected 'graph' to be a VideoGraph .got Tensor"):
        connect_in_time(torch.zeros(3))
    with pytest.raises(ValueError, match="Expected 'rule' to be one of 'same_node', .*'track' .got 'tracks'"):
        connect_in_time(graph(), "tracks")
    with pytest.raises(ValueError, match="Expected 'rule' to be one of 'same_node', .*'track' .got 'tracks'"):
        ConnectInTime("tracks")
    with pytest.raises(ValueError, match="Expected 'rule' to be one of same_node, .*, or a function .got 3"):
        connect_in_time(graph(), 3)
    with pytest.raises(ValueError, match="Expected 'steps' of at least 1 .got 0"):
        connect_in_time(graph(), steps=0)
    with pytest.raises(ValueError, match="Expected 'k' of at least 1 .got 0"):
        nearest_nodes(0)
    with pytest.raises(ValueError, match="Expected a graph with 'track'"):
        connect_in_time(graph(), "track")
    with pytest.raises(ValueError, match="Expected 'track' as an integer for every node"):
        connect_in_time(graph(track=torch.rand(6)), "track")
    with pytest.raises(ValueError, match="Expected 'pos' without NaN and infinity"):
        connect_in_time(graph(pos=torch.full((6, 2), torch.nan)), "knn")
    with pytest.raises(ValueError, match=r"Expected a rule that gives booleans of shape \[1, 3, 2, 2\] .got \[5\]"):
        connect_in_time(graph(), lambda window: torch.ones(5, dtype=torch.bool))
    with pytest.raises(ValueError, match="Expected edges without attributes, .* .got edge_type.; connect a graph in"):
        connect_in_time(connect_in_time(graph()))
    attributes = graph(edge_index=torch.tensor([[0], [1]]), edge_attr=torch.zeros(1, 3))
    with pytest.raises(ValueError, match="Expected edges without attributes, .* .got edge_attr"):
        connect_in_time(attributes)
    with pytest.raises(ValueError, match="Expected edges within frames .got some between frames"):
        connect_in_time(graph(edge_index=torch.tensor([[0], [2]])))
