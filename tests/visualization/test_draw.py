import pytest
import torch

from pyg_video.visualization import PALETTE, caption, contact_sheet, draw_boxes

VIDEO = torch.zeros(3, 1, 20, 30)
BOX = torch.tensor([0.5, 0.5, 0.4, 0.6]).expand(3, 1, 4)


def colour_of(frame, row, column):
    return "#" + "".join(f"{value:02x}" for value in frame[:, row, column].tolist())


def test_frames_are_enlarged_without_blur():
    video = torch.rand(2, 3, 4, 5)
    frames = draw_boxes(video, torch.zeros(2, 0, 4), scale=3)
    assert frames.shape == (2, 3, 12, 15)
    assert frames.dtype == torch.uint8
    assert torch.equal(frames[..., 1::3, 1::3], (video * 255).round().byte())


def test_bytes_and_floats_are_the_same_picture():
    video = torch.randint(0, 256, (3, 1, 20, 30), dtype=torch.uint8)
    assert torch.equal(draw_boxes(video, BOX), draw_boxes(video / 255, BOX))


def test_the_line_runs_where_the_box_ends():
    frame = draw_boxes(VIDEO, BOX, colors=["#ff0000"], scale=4)[0]
    lit = (frame[0] == 255).nonzero()
    top, left, bottom, right = 16, 36, 64, 84  # 120 x 80 pixels; centre (60, 40), width 48, height 48
    assert (lit.amin(0) - torch.tensor([top, left])).abs().max() <= 1
    assert (lit.amax(0) - torch.tensor([bottom, right])).abs().max() <= 1
    assert colour_of(frame, 40, 60) == "#000000"


def test_regions_are_told_apart_by_the_palette():
    box = torch.tensor([[0.1 + 0.2 * n, 0.5, 0.1, 0.5] for n in range(4)]).expand(3, 4, 4)
    frame = draw_boxes(VIDEO, box, scale=4)[0]
    edges = [round((0.05 + 0.2 * n) * 120) for n in range(4)]
    assert [colour_of(frame, 40, column) for column in edges] == list(PALETTE[:4])
    assert len(set(PALETTE)) == len(PALETTE) >= 12


def test_more_regions_than_colours_begin_again():
    assert draw_boxes(VIDEO, BOX.expand(3, 30, 4)).shape == (3, 3, 80, 120)


def test_what_reaches_outside_is_cut_off():
    box = torch.tensor([[1.0, 0.5, 0.5, 3.0], [2.0, 0.5, 0.2, 0.2], [0.5, -1.0, 0.2, 0.2]]).expand(3, 3, 4)
    frame = draw_boxes(VIDEO, box, scale=4)[0]
    lit = frame.amax(0).nonzero()
    assert lit[:, 1].min() >= 88
    assert lit.shape[0] > 0


def test_labels_stand_outside_the_box():
    plain, named = (draw_boxes(VIDEO, BOX, labels=labels) for labels in (None, ["7"]))
    changed = (plain != named).any(dim=(0, 1)).nonzero()
    assert len(changed)
    assert changed[:, 0].max() <= 17


def test_colours_show_in_video_too():
    assert draw_boxes(torch.rand(3, 3, 20, 30), BOX).shape == (3, 3, 80, 120)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"video": torch.zeros(2, 3, 1, 8, 8)}, r"'video' of shape \[T, 1 or 3, H, W\], .*one clip at a time"),
        ({"box": BOX[:2]}, r"'box' of shape \[3, N, 4\].*got \[2, 1, 4\]"),
        ({"box": BOX * torch.nan}, "'box' to be finite"),
        ({"scale": 0}, "'scale' to be at least 1"),
        ({"colors": ["red", "blue"]}, "'colors' to hold one for each of the 1 regions"),
        ({"labels": []}, "'labels' to hold one for each of the 1 regions"),
    ],
)
def test_bad_input_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        draw_boxes(**{"video": VIDEO, "box": BOX} | change)


def test_a_sheet_has_a_row_per_clip_and_a_column_per_frame():
    sheet = contact_sheet([torch.ones(2, 1, 5, 6), torch.full((3, 3, 5, 6), 0.5)], gap=1)
    assert sheet.shape == (3, 13, 22)
    assert sheet[0, 3].unique().tolist() == [40, 255]
    assert (sheet[0, 3] == 255).sum() == 2 * 6
    assert (sheet[0, 9] == 128).sum() == 3 * 6


def test_a_batch_is_laid_out_as_its_clips_are():
    batch = torch.rand(4, 3, 1, 5, 6)
    assert torch.equal(contact_sheet(batch), contact_sheet(list(batch)))


def test_captions_stand_over_their_rows():
    clips = [torch.zeros(3, 1, 20, 20)] * 2
    plain, named = (
        contact_sheet(clips),
        contact_sheet(clips, ["a caption", "another that is wider than the three frames"]),
    )
    assert named.shape[1] == plain.shape[1] + 2 * 18
    assert named.shape[2] > plain.shape[2]
    assert (named[:, :18] > 200).any()


@pytest.mark.parametrize(("videos", "captions"), [([], None), ([VIDEO], ["one", "two"])])
def test_captions_must_match_the_clips(videos, captions):
    with pytest.raises(ValueError, match="'captions' to be one line for each"):
        contact_sheet(videos, captions)


def test_captions_stand_below_the_frames():
    frames = torch.rand(2, 3, 20, 30)
    found = caption(frames, ["12 %  something", "a line that is much wider than the frames are"])
    assert found.shape[0] == 2
    assert found.shape[2] == 20 + 2 * 18
    assert found.shape[3] > 30
    assert torch.equal(found[:, :, :20, :30], frames.mul(255).round().byte())
    assert torch.equal(found[0, :, 20:], found[1, :, 20:])
    assert len(found[0, :, 20:38].unique()) > 2


def test_boxes_in_pixels_are_refused():
    with pytest.raises(ValueError, match="Expected 'box' as fractions of the frame .got values up to 40"):
        draw_boxes(torch.zeros(1, 1, 9, 9), torch.full((1, 2, 4), 40.0))
