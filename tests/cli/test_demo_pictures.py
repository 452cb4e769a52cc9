import torch
from PIL import Image

from pyg_video.cli import demo
from pyg_video.cli.demo_pictures import draw_learning, draw_regions
from pyg_video.datasets import SyncMNIST


def test_curves_start_at_chance(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "pyg_video.cli.demo_pictures.plot_curves", lambda curves, *_, **lines: drawn.append((curves, lines))
    )
    draw_learning(tmp_path / "curves.png", [8, 16], {"a model": [0.4, 0.5]}, 1 / 3)
    assert drawn == [({"a model": ([0, 8, 16], [1 / 3, 0.4, 0.5])}, {"lines": {"chance": 1 / 3}})]


def test_each_clip_is_drawn_before_and_after_the_training(tmp_path):
    torch.manual_seed(0)
    before, after = (demo.make_models()[demo.DYREG].eval() for _ in range(2))
    clips = SyncMNIST(split="test", num_clips=2, **demo.TASK)
    picture, animation = draw_regions(tmp_path, before, after, clips.batch(range(2)), clips.label_names)
    assert (picture.name, animation.name) == ("regions.png", "regions.gif")
    with Image.open(picture) as image:
        width, height = image.size
    side = 3 * demo.TASK["frame_size"]
    assert height >= 4 * side  # two clips, each before and after
    assert width >= demo.TASK["num_frames"] * side
