import torch

from pyg_video.functional import box_edges, grid_boxes


def test_edges_of_a_box():
    edges = box_edges(torch.tensor([0.5, 0.4, 0.2, 0.6]))
    torch.testing.assert_close(torch.stack(edges), torch.tensor([0.4, 0.1, 0.6, 0.7]))


def test_grid_cells_are_row_major_and_tile_the_frame():
    box = grid_boxes(2, 3)
    assert box.shape == (6, 4)
    assert box[1, 0] > box[0, 0]
    assert box[1, 1] == box[0, 1]
    torch.testing.assert_close((box[:, 2] * box[:, 3]).sum(), torch.tensor(1.0))
