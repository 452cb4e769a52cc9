import torch

from pyg_video.data import Frames, VideoGraph
from pyg_video.functional import complete_edges, repeat_edges


def test_rows_lie_frame_by_frame_unless_said_otherwise():
    assert Frames(2, 2).index_of(8).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    given = torch.tensor([3, 0, 0])
    assert Frames(2, 2, given).index_of(3) is given


def test_frames_of_edges_are_those_of_their_receivers():
    edges = repeat_edges(complete_edges(3), 3, 4)
    frames = Frames(2, 2).at(edges[1], num_rows=12)
    assert frames.frame.tolist() == sorted(list(range(4)) * 9)
    assert (frames.num_clips, frames.num_frames, frames.total) == (2, 2, 4)


def test_clips_as_frames():
    assert Frames(2, 3).per_clip() == Frames(2, 1)
    assert Frames(2, 3, torch.tensor([0, 2, 3, 5])).per_clip().frame.tolist() == [0, 0, 1, 1]


def test_a_grid_and_a_graph_know_their_frames():
    x = torch.zeros(2, 3, 4, 5)
    assert Frames.of_grid(x) == Frames(2, 3)
    assert Frames.of_grid(x.flatten(0, 1)) == Frames(6, 1)
    graph = VideoGraph(x.flatten(0, 2), torch.empty(2, 0, dtype=torch.long), layout=(3, 4))
    assert graph.node_frames == Frames(2, 3)


def test_nodes_that_count_are_in_the_mask_and_within_the_lengths():
    mask = torch.ones(1, 3, 2, dtype=torch.bool)
    mask[0, 0, 1] = False
    graph = VideoGraph(torch.zeros(6, 1), torch.empty(2, 0, dtype=torch.long), layout=(3, 2))
    assert graph.present is None
    graph = graph.with_attr(mask=mask.flatten(), lengths=torch.tensor([2]))
    assert graph.present.tolist() == [[[True, False], [True, True], [False, False]]]


def test_edges_as_matrices_have_receivers_first():
    graph = VideoGraph(torch.zeros(4, 1), torch.tensor([[0, 3], [1, 2]]), layout=(2, 2))
    assert graph.dense_edges().nonzero().tolist() == [[0, 0, 1, 0], [0, 1, 0, 1]]
    weight = graph.dense_edges(torch.tensor([0.5, 2.0]))
    assert (float(weight[0, 0, 1, 0]), float(weight[0, 1, 0, 1]), float(weight.sum())) == (0.5, 2.0, 2.5)
