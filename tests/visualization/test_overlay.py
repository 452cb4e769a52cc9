import pytest
import torch

from pyg_video.visualization import draw_regions

BOX = torch.tensor([[0.5, 0.5, 0.5, 0.5]])
RED = {"colors": ["#ff0000"]}


def reds(picture):
    """Where a picture is pure red."""
    return (picture[0] > 250) & (picture[1:] < 5).all(0)


@pytest.mark.parametrize(("height", "width", "line"), [(96, 128, 1), (240, 320, 2), (1080, 1920, 5)])
def test_a_box_is_where_it_should_be_with_lines_that_fit_the_frame(height, width, line):
    picture = draw_regions(torch.zeros(3, height, width), BOX, **RED)
    assert picture.shape == (3, height, width)
    rows, columns = reds(picture).nonzero().T
    assert (rows.min(), rows.max()) == (height // 4, 3 * height // 4 - 1)
    assert (columns.min(), columns.max()) == (width // 4, 3 * width // 4 - 1)
    assert reds(picture)[:, width // 2].sum() == 2 * line


def test_a_box_is_visible_on_white_and_on_black():
    for frame in (torch.zeros(1, 60, 80), torch.ones(1, 60, 80)):
        assert reds(draw_regions(frame, BOX, **RED)).sum() > 100
    rim = draw_regions(torch.ones(1, 60, 80), BOX, **RED)
    assert (rim[0] < 200).any()


def test_missing_regions_are_not_drawn_and_others_reach_beyond_the_frame():
    frame = torch.rand(3, 60, 80)
    plain = draw_regions(frame, torch.empty(0, 4))
    assert torch.equal(plain, frame.mul(255).round().byte())
    assert torch.equal(draw_regions(frame, torch.full((2, 4), torch.nan)), plain)
    half = draw_regions(torch.zeros(3, 60, 80), torch.tensor([[0.0, 0.5, 0.5, 0.5]]), **RED)
    assert reds(half)[30].nonzero().flatten().tolist() == [19]


def test_a_path_leads_to_the_centre():
    path = torch.tensor([[[0.1, 0.5]], [[0.5, 0.5]]])
    picture = draw_regions(torch.zeros(3, 100, 100), BOX, path=path, **RED)
    assert (picture[0, 50, 12:26] > 40).all()
    assert reds(picture)[50, 50]
    broken = torch.tensor([[[torch.nan, torch.nan]], [[0.5, 0.5]]])
    picture = draw_regions(torch.zeros(3, 100, 100), BOX, path=broken, **RED)
    assert not picture[0, 50, 5:20].any()
    assert reds(picture)[50, 50]


def test_kernels_are_laid_where_their_map_was():
    kernel = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    nowhere = torch.full((1, 4), torch.nan)
    place = (0.25, 0.0, 0.5, 1.0)
    picture = draw_regions(torch.zeros(3, 80, 160), nowhere, kernel=kernel, place=place, **RED)
    assert picture[0, 10, 50] > 80
    assert picture[1:, 10, 50].max() == 0
    assert picture[0, 70, 110] < 10
    assert not picture[:, :, :36].any()
    assert picture[:, 40, 40].min() > 50  # the outline of the map
    whole = draw_regions(torch.zeros(3, 80, 160), nowhere, kernel=kernel, **RED)
    assert not whole[:, 40, 159].any()


def test_text_fits_the_frame_and_is_left_out_of_tiny_ones():
    long = "97 %  " + "Pretending to put something next to something " * 4
    for height, width in ((96, 100), (240, 320), (1080, 1920)):
        plain = draw_regions(torch.full((3, height, width), 0.4), torch.empty(0, 4))
        short, cut = (draw_regions(plain, torch.empty(0, 4), lines=[line]) for line in ("97 %  2 & 4", long))
        for picture in (short, cut):
            changed = (picture != plain).any(0)
            assert 9 < changed.any(1).sum() < height / 5
            assert (picture > 250).all(0).any()  # white
        assert (short != plain).any(0).any(0).sum() < (cut != plain).any(0).any(0).sum() <= width
    tiny = torch.rand(3, 40, 40)
    assert torch.equal(draw_regions(tiny, torch.empty(0, 4), lines=["97 %"]), draw_regions(tiny, torch.empty(0, 4)))


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="Expected 'box' of shape"):
        draw_regions(torch.zeros(3, 8, 8), torch.zeros(1, 2, 4))
    with pytest.raises(ValueError, match="Expected 'frame' of shape"):
        draw_regions(torch.zeros(8, 8), BOX)
    with pytest.raises(ValueError, match="each of the 1 regions"):
        draw_regions(torch.zeros(3, 8, 8), BOX, colors=["red", "blue"])
