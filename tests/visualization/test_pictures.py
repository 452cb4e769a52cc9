import re

import pytest
import torch
from PIL import Image

from pyg_video.visualization import contact_sheet, draw_boxes, save_gif, save_png
from pyg_video.visualization.pictures import as_bytes, to_image, to_tensor


def test_floats_become_bytes_and_bytes_stay():
    assert as_bytes(torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0])).tolist() == [0, 0, 128, 255, 255]
    assert as_bytes(torch.tensor([7], dtype=torch.uint8)).tolist() == [7]


def test_a_picture_survives_the_way_to_pillow_and_back():
    picture = torch.randint(0, 256, (3, 5, 7), dtype=torch.uint8)
    assert torch.equal(to_tensor(to_image(picture)), picture)


def test_a_gif_holds_every_frame_and_repeats(tmp_path):
    frames = torch.randint(0, 256, (6, 3, 10, 12), dtype=torch.uint8)
    with Image.open(save_gif(tmp_path / "new" / "film.gif", frames, fps=4)) as film:
        assert (film.format, film.n_frames, film.size) == ("GIF", 6, (12, 10))
        assert (film.info["duration"], film.info["loop"]) == (250, 0)


def test_a_png_is_exact(tmp_path):
    picture = torch.randint(0, 256, (3, 10, 12), dtype=torch.uint8)
    with Image.open(save_png(tmp_path / "picture.png", picture)) as image:
        assert torch.equal(torch.tensor(list(image.tobytes())).view(10, 12, 3).permute(2, 0, 1), picture.long())


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda video: video[:, 0], r"\(got \[2, 4, 5\], torch.float32\); add the dimension .*\[:, None\]"),
        (lambda video: video[None], r"\(got \[1, 2, 3, 4, 5\], torch.float32\); pass one clip at a time"),
        (lambda video: video[:, :2], r"\(got \[2, 2, 4, 5\], torch.float32\); pass one channel, .*, or three"),
        (lambda video: video[:0], r"\(got \[0, 3, 4, 5\], torch.float32\); pass at least one frame"),
        (lambda video: video.long(), r"\(got .*, torch.int64\); convert it with .byte\(\)"),
        (lambda video: video.bool(), r"\(got .*, torch.bool\); convert it with .* .float\(\)"),
        (lambda video: video.numpy(), r"\(got ndarray\); convert it with torch.as_tensor"),
    ],
)
@pytest.mark.parametrize(
    ("name", "draw"),
    [
        ("video", lambda video, path: draw_boxes(video, torch.zeros(len(video), 1, 4))),
        ("videos[1]", lambda video, path: contact_sheet([torch.zeros(2, 1, 4, 5), video])),
        ("frames", lambda video, path: save_gif(path, video)),
    ],
)
def test_what_is_no_video_is_refused(name, draw, spoil, message, tmp_path):
    expected = rf"^Expected '{re.escape(name)}' of shape \[T, 1 or 3, H, W\], not empty, float .* or uint8 {message}"
    with pytest.raises(ValueError, match=expected):
        draw(spoil(torch.zeros(2, 3, 4, 5)), tmp_path / "file")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (torch.zeros(4, 5), "add the dimension that is missing"),
        (torch.zeros(2, 3, 4, 5), "one frame of it as a picture"),
        (torch.zeros(2, 4, 5), "pass one channel"),
        (torch.zeros(3, 0, 5), "at least one pixel"),
        (torch.zeros(3, 4, 5, dtype=torch.long), r"convert it with .byte\(\)"),
        (torch.zeros(3, 4, 5, dtype=torch.bool), r"convert it with .byte\(\)"),
    ],
)
def test_what_is_no_picture_is_refused(picture, message, tmp_path):
    with pytest.raises(ValueError, match=rf"^Expected 'picture' of shape \[1 or 3, h, w\], .*{message}"):
        save_png(tmp_path / "picture.png", picture)


@pytest.mark.parametrize("fps", [0, -1])
def test_a_film_that_stands_still_is_refused(fps, tmp_path):
    with pytest.raises(ValueError, match="'fps' to be above 0"):
        save_gif(tmp_path / "film.gif", torch.zeros(1, 3, 4, 4), fps=fps)
