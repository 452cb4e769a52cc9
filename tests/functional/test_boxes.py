import pytest
import torch

from pyg_video.functional import box_edges, boxes_touch, grid_boxes, pairwise_iou


def test_edges_of_a_box():
    edges = box_edges(torch.tensor([0.5, 0.4, 0.2, 0.6]))
    torch.testing.assert_close(torch.stack(edges), torch.tensor([0.4, 0.1, 0.6, 0.7]))


def test_grid_cells_are_row_major_and_tile_the_frame():
    box = grid_boxes(2, 3)
    assert box.shape == (6, 4)
    assert box[1, 0] > box[0, 0]
    assert box[1, 1] == box[0, 1]
    torch.testing.assert_close((box[:, 2] * box[:, 3]).sum(), torch.tensor(1.0))


def test_intersection_over_union_is_torchvisions():
    torchvision = pytest.importorskip("torchvision")
    generator = torch.Generator().manual_seed(0)
    ours, others = torch.rand(2, 5, 4, generator=generator), torch.rand(2, 3, 4, generator=generator)
    corners = [torch.stack(box_edges(box), dim=-1) for box in (ours, others)]
    want = torch.stack([torchvision.ops.box_iou(a, b) for a, b in zip(*corners, strict=True)])
    torch.testing.assert_close(pairwise_iou(ours, others), want)


def test_empty_boxes_overlap_nothing():
    assert pairwise_iou(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0


def test_boxes_of_two_frames_touch_where_they_overlap_or_share_a_side():
    left, right, corner = [0.25, 0.25, 0.5, 0.5], [0.75, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5]
    touch = boxes_touch(torch.tensor([left, corner]), torch.tensor([left, right, corner]))
    assert touch.tolist() == [[True, True, False], [False, True, True]]
