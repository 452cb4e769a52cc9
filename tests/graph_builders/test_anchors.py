import pytest
import torch

from pyg_video.datasets import MultiSyncMNIST, digit_maps
from pyg_video.functional import grid_boxes
from pyg_video.graph_builders import SalientAnchors

GRID = grid_boxes(3, 3, dtype=torch.float64)[:, :2]


def spots(*places, size=(12, 12)):
    """A map that is zero but for single pixels (row, column)."""
    x = torch.zeros(1, 2, *size, dtype=torch.float64)
    for row, col in places:
        x[0, :, row, col] = 1.0
    return x


def test_anchors_move_to_spots_near_them():
    center = SalientAnchors(GRID).double()(spots((1, 2), (10, 7)))[0]
    assert center[0].tolist() == pytest.approx([2.5 / 12, 1.5 / 12], abs=0.01)
    assert center[7].tolist() == pytest.approx([7.5 / 12, 10.5 / 12], abs=0.01)
    assert (center[4] - GRID[4]).norm() < 0.1  # nothing is near it


def test_only_the_closest_anchor_takes_a_spot():
    points = torch.tensor([[0.4, 0.5], [0.8, 0.5]], dtype=torch.float64)
    x = spots((6, 6), size=(12, 12))
    taken = [SalientAnchors(points, reach=0.2, competition=c).double()(x)[0, 1, 0].item() for c in (0.0, 30.0)]
    assert taken[0] == pytest.approx(6.5 / 12, abs=0.01)
    assert taken[1] > 0.7


def test_an_even_map_leaves_no_trace():
    x = torch.ones(2, 3, 9, 9, dtype=torch.float64, requires_grad=True)
    center = SalientAnchors(GRID).double()(x)
    assert (center - GRID).abs().max() < 0.06
    center.sum().backward()
    assert x.grad.isfinite().all()


def test_a_frame_alone_is_as_in_a_batch():
    anchors, x = SalientAnchors(GRID).double(), torch.randn(3, 4, 7, 9, dtype=torch.float64)
    torch.testing.assert_close(anchors(x), torch.cat([anchors(frame[None]) for frame in x]))


def test_gradients():
    anchors = SalientAnchors(GRID[:3], num_steps=2).double()
    x = torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    parameters = tuple(anchors.parameters())
    assert torch.autograd.gradcheck(lambda x, *_: anchors(x), (x, *parameters))


def test_half_precision_is_computed_in_single():
    anchors, x = SalientAnchors(GRID.float()), torch.randn(1, 4, 16, 16)
    assert anchors(x.bfloat16()).dtype == torch.float32
    torch.testing.assert_close(anchors(x.bfloat16()), anchors(x.bfloat16().float()))


def test_digits_are_half_as_far_as_from_a_grid():
    clips = MultiSyncMNIST(num_frames=2, canvas_size=64, frame_size=64, digit_size=8, num_clips=32).batch(range(32))
    maps = digit_maps(clips, range(10), (16, 16), radius=2).flatten(0, 1).double()
    digits = clips.box[..., :2].flatten(0, 1).double()
    center = SalientAnchors(GRID).double()(maps)
    found, grid = (torch.cdist(digits, at.expand(len(digits), -1, -1)).amin(-1).mean() for at in (center, GRID))
    assert found < grid / 2


@pytest.mark.parametrize("options", [{"temperature": 0.0}, {"reach": -1.0}, {"competition": -0.5}, {"num_steps": 0}])
def test_bad_options(options):
    with pytest.raises(ValueError, match="Expected 'temperature', 'reach' and 'num_steps' above 0"):
        SalientAnchors(GRID, **options)


def test_reset_parameters():
    anchors = SalientAnchors(GRID, temperature=2.0, reach=0.1)
    torch.nn.init.zeros_(anchors.log_reach)
    anchors.reset_parameters()
    torch.testing.assert_close(anchors.log_reach.exp().item(), 0.1)
