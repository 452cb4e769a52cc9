import math

import pytest
import torch

from pyg_video.functional import box_kernel, grid_boxes, kernel_boxes, normalize_kernel, pool, remap, tent_kernel


@pytest.mark.parametrize("size", [(14, 14), (7, 9), (5, 5), (16, 11)])
@pytest.mark.parametrize("grid", [(1, 1), (2, 2), (3, 3), (2, 5)])
def test_a_grid_scale_covers_every_pixel_exactly_once(size, grid):
    cover = box_kernel(grid_boxes(*grid, dtype=torch.float64), size).sum(0)
    torch.testing.assert_close(cover, torch.ones(size, dtype=torch.float64))


def test_a_border_pixel_counts_by_the_fraction_inside():
    rows = box_kernel(grid_boxes(3, 1), (14, 1))[:, :, 0]  # cells end at 14 / 3 = 4.667 pixels
    torch.testing.assert_close(rows[0, 3:6], torch.tensor([1.0, 2 / 3, 0.0]))
    torch.testing.assert_close(rows[1, 3:6], torch.tensor([0.0, 1 / 3, 1.0]))


def test_a_box_outside_the_frame_covers_nothing():
    assert box_kernel(torch.tensor([1.5, 0.5, 0.2, 1.0]), (4, 4)).abs().max() == 0


def test_the_tent_falls_linearly_from_its_centre_and_is_separable():
    kernel = tent_kernel(torch.tensor([0.5, 0.5, 4 / 5, 2 / 3]), (3, 5))  # half-sizes: 2 pixels wide, 1 high
    torch.testing.assert_close(kernel[1], torch.tensor([0.0, 1.0, 2.0, 1.0, 0.0]))
    assert kernel[[0, 2]].abs().max() == 0


def test_the_tent_has_gradients_in_position_and_size():
    box = torch.tensor([[0.41, 0.37, 0.5, 0.7]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda b: normalize_kernel(tent_kernel(b, (6, 7))), box)


def test_normalized_kernels_sum_to_one_and_empty_ones_to_zero():
    kernel = torch.stack([torch.rand(4, 5), torch.zeros(4, 5)])
    torch.testing.assert_close(normalize_kernel(kernel).sum((-2, -1)), torch.tensor([1.0, 0.0]))


@pytest.mark.parametrize("size", [(6, 6), (3, 8)])
def test_remap_is_the_adjoint_of_pool(size):
    x = torch.randn(2, 3, 4, *size, dtype=torch.float64)
    kernel = torch.rand(2, 3, 5, *size, dtype=torch.float64)
    nodes = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    torch.testing.assert_close((pool(x, kernel) * nodes).sum(), (x * remap(nodes, kernel)).sum())


def test_pool_averages_the_cells_of_a_grid():
    x = torch.arange(16.0).view(1, 4, 4)
    kernel = normalize_kernel(box_kernel(grid_boxes(2, 2), (4, 4)))
    torch.testing.assert_close(pool(x, kernel)[:, 0], torch.tensor([2.5, 4.5, 10.5, 12.5]))


def test_pool_takes_input_that_is_not_contiguous():
    x = torch.randn(2, 6, 5, 3)
    kernel = torch.rand(4, 6, 5)
    torch.testing.assert_close(pool(x.permute(0, 3, 1, 2), kernel), pool(x.permute(0, 3, 1, 2).contiguous(), kernel))


@pytest.mark.parametrize("size", [(6, 6), (12, 18)])
def test_the_kernel_of_a_box_of_whole_pixels_gives_back_the_box(size):
    box = grid_boxes(2, 3, dtype=torch.float64)
    torch.testing.assert_close(kernel_boxes(box_kernel(box, size)), box)


def test_a_kernels_box_has_its_mean_and_grows_with_its_spread():
    kernel = torch.zeros(2, 1, 5, dtype=torch.float64)
    kernel[0, 0, [0, 2]] = 1.0  # mean 1.5 pixels, variance 1 + 1/12
    kernel[1, 0, 4] = 7.0  # a single pixel
    want = [[0.3, 0.5, math.sqrt(13) / 5, 1.0], [0.9, 0.5, 0.2, 1.0]]
    torch.testing.assert_close(kernel_boxes(kernel), torch.tensor(want, dtype=torch.float64))


def test_kernel_boxes_have_gradients_and_stay_finite_without_a_kernel():
    kernel = torch.rand(2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(kernel_boxes, kernel)
    assert kernel_boxes(torch.zeros(3, 4)).isfinite().all()
    assert kernel_boxes(torch.rand(3, 4).bfloat16()).dtype == torch.float32
