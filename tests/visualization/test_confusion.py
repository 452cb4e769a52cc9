import pytest
import torch

from pyg_video.visualization import draw_confusion
from pyg_video.visualization.confusion import _layout, _scale_end

NAMES = [f"{j} & {i}" for i in range(11) for j in range(i)] + ["none"]  # 56


def colour(picture, names, i, j):
    """Of the cell in row ``i`` and column ``j``, near its corner, where no number stands."""
    layout = _layout(names, "")
    return tuple(picture[:, layout.top + i * layout.cell + 3, layout.left + j * layout.cell + 3].tolist())


def test_right_answers_are_blue_and_confusions_orange():
    picture = draw_confusion(torch.tensor([[90, 10], [0, 100]]), NAMES[:2])
    red, _, blue = colour(picture, NAMES[:2], 0, 0)
    assert blue > red
    red, _, blue = colour(picture, NAMES[:2], 0, 1)
    assert red > blue
    assert min(colour(picture, NAMES[:2], 1, 0)) > 240  # nothing there


def test_colours_are_shares_of_the_row():
    one = draw_confusion(torch.tensor([[90, 10], [1, 99]]), NAMES[:2])
    ten = draw_confusion(torch.tensor([[900, 100], [1, 99]]), NAMES[:2])
    for cell in ((0, 0), (0, 1), (1, 0), (1, 1)):
        assert colour(one, NAMES[:2], *cell) == colour(ten, NAMES[:2], *cell)


def test_more_confusion_is_darker():
    names = NAMES[:4]
    picture = draw_confusion(torch.tensor([[80, 2, 4, 14], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), names)
    shades = [sum(colour(picture, names, 0, j)) for j in (1, 2, 3)]
    assert shades == sorted(shades, reverse=True)
    assert len(set(shades)) == 3


def test_rows_without_clips_are_grey():
    picture = draw_confusion(torch.tensor([[0, 0], [0, 5]]), NAMES[:2])
    assert colour(picture, NAMES[:2], 0, 0) == colour(picture, NAMES[:2], 0, 1) == (0xE4, 0xE7, 0xEB)


@pytest.mark.parametrize(("worst", "end"), [(0.0, 1), (0.01, 1), (0.011, 2), (0.3, 50), (1.0, 100)])
def test_the_scale_ends_with_a_round_number_above_the_worst_confusion(worst, end):
    assert _scale_end(torch.tensor([[1 - worst, worst], [0.0, 1.0]])) == end


def test_numbers_stand_in_the_cells_of_few_classes_only():
    few, many = NAMES[:12], NAMES[:13]
    for names, marked in ((few, True), (many, False)):
        picture = draw_confusion(7 * torch.eye(len(names)), names)
        layout = _layout(names, "")
        inside = [slice(start + 1, start + layout.cell - 1) for start in (layout.top, layout.left)]
        colours = picture[:, *inside].flatten(1).unique(dim=1)
        assert (colours.size(1) > 1) == marked


def test_fifty_six_classes_fit_on_a_screen():
    picture = draw_confusion(torch.eye(56), NAMES, title="a title " * 3)
    assert picture.dtype == torch.uint8
    assert max(picture.shape) < 1300


def test_a_long_title_is_not_cut_off():
    short, long = (draw_confusion(torch.eye(2), NAMES[:2], title="title " * n) for n in (1, 40))
    assert long.shape[-1] > short.shape[-1]
    assert (long[:, :, -10:] == 255).all()


@pytest.mark.parametrize(
    "confusion", [torch.zeros(2, 3), torch.zeros(3, 3), torch.zeros(4), torch.tensor([[1, -1], [0, 1]])]
)
def test_what_is_no_confusion_matrix_is_refused(confusion):
    with pytest.raises(ValueError, match="Expected 'confusion' as a square matrix .* and 2 names"):
        draw_confusion(confusion, NAMES[:2])
