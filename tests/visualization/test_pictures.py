import pytest
import torch
from PIL import Image

from pyg_video.visualization import save_gif, save_png
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


def test_a_film_without_frames_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"'frames' of shape \[T, 3, H, W\]"):
        save_gif(tmp_path / "film.gif", torch.zeros(0, 3, 4, 4))
