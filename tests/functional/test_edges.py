import pytest
import torch
from torch_geometric.utils import is_undirected, sort_edge_index

from pyg_video.functional import complete_edges, grid_boxes, knn_edges, overlap_edges, repeat_edges


def pairs(edge_index):
    return set(map(tuple, edge_index.T.tolist()))


@pytest.mark.parametrize("self_loops", [True, False])
def test_complete_edges_are_all_pairs(self_loops):
    want = {(i, j) for i in range(4) for j in range(4) if self_loops or i != j}
    assert pairs(complete_edges(4, self_loops=self_loops)) == want
    assert complete_edges(1, self_loops=self_loops).tolist() == ([[0], [0]] if self_loops else [[], []])


def test_cells_that_touch_at_a_corner_are_no_neighbours():
    assert pairs(overlap_edges(grid_boxes(2, 2))) == {(0, 1), (1, 0), (0, 2), (2, 0), (1, 3), (3, 1), (2, 3), (3, 2)}


def test_regions_of_different_scales_that_overlap_are_neighbours():
    box = torch.cat([grid_boxes(s, s) for s in (3, 2, 1)])
    edges = pairs(overlap_edges(box))
    assert {(i, 13) for i in range(13)} <= edges  # the whole frame overlaps every cell
    assert (0, 9) in edges  # first cell of 3 x 3 and of 2 x 2
    assert (0, 12) not in edges  # first of 3 x 3, last of 2 x 2
    assert len(edges) == 90
    assert is_undirected(overlap_edges(box))


def test_edges_are_sorted_by_receiver():
    for edge_index in (complete_edges(5), overlap_edges(grid_boxes(3, 3)), knn_edges(torch.rand(2, 5, 2), 2)):
        assert torch.equal(edge_index[1], sort_edge_index(edge_index, sort_by_row=False)[1])


def test_nearest_neighbours_stay_in_their_frame():
    pos = torch.rand(3, 6, 2)
    edge_index = knn_edges(pos, k=2)
    sender, receiver = edge_index
    assert torch.equal(sender // 6, receiver // 6)
    assert (sender != receiver).all()
    distance = torch.cdist(pos[1], pos[1]).fill_diagonal_(9)
    want = distance.argsort(dim=1)[:, :2].sort().values
    got = (sender - 6)[(receiver // 6) == 1].view(6, 2).sort().values
    assert torch.equal(got, want)


@pytest.mark.parametrize("k", [0, 6])
def test_too_few_or_too_many_neighbours_are_an_error(k):
    with pytest.raises(ValueError, match="Expected 'k' between 1 and"):
        knn_edges(torch.rand(6, 2), k)


def test_repeated_edges_are_block_diagonal():
    edge_index = torch.tensor([[0, 1, 2], [1, 2, 0]])
    want = torch.cat([edge_index + 3 * g for g in range(4)], dim=1)
    assert pairs(repeat_edges(edge_index, 3, 4)) == pairs(want)


def test_nan_boxes_and_positions_are_an_error():
    with pytest.raises(ValueError, match="Expected 'box' without NaN and infinity"):
        overlap_edges(torch.full((2, 4), torch.nan))
    with pytest.raises(ValueError, match="Expected 'pos' without NaN and infinity"):
        knn_edges(torch.full((3, 2), torch.inf), 1)


def test_overlaps_stay_within_their_frame():
    box = torch.rand(2, 3, 5, 4)
    frames = [overlap_edges(frame) + 5 * f for f, frame in enumerate(box.flatten(0, 1))]
    assert torch.equal(overlap_edges(box), torch.cat(frames, dim=1))
