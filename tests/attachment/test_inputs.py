from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torchvision.models.video import r3d_18

from pyg_video.attachment.inputs import describe_input, guess_inputs
from pyg_video.attachment.places import find_places
from pyg_video.backbones import Stage, StagedBackbone


def test_the_guess_for_volumes_and_for_clips():
    place = find_places(nn.Sequential(nn.Conv3d(3, 5, (1, 32, 32), stride=(1, 32, 32))), ["0"], num_frames=2)["0"]
    assert (place.layout.axes, place.num_frames, place.channels, place.size) == ("BCTHW", 2, 5, (7, 7))
    stages = {"stem": nn.Conv2d(1, 5, 32, stride=32)}
    place = find_places(StagedBackbone(1, stages, [Stage("stem", 5, 32)]), ["stages.stem"], num_frames=2)["stages.stem"]
    assert (place.layout.axes, place.num_frames, place.channels, place.size) == ("FCHW", 2, 5, (7, 7))


def test_the_video_is_found_among_several_arguments():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, scale, frames):
            return self.conv(frames) * scale

    place = find_places(Net(), ["conv"], num_frames=2, input=(torch.ones(1), torch.zeros(2, 3, 4, 8)))["conv"]
    assert (place.channels, place.size) == (4, (4, 8))


@pytest.mark.parametrize(
    ("shape", "num_frames", "message"),
    [
        ((3, 8, 8), 1, "Expected an 'input' with a tensor of frames"),
        ((1, 3, 4, 16, 16), 2, "Expected an 'input' with 'num_frames' = 2 frames .*as BCTHW"),
    ],
)
def test_an_input_of_another_kind_is_refused(shape, num_frames, message):
    with pytest.raises(ValueError, match=message):
        find_places(r3d_18(), ["layer1"], num_frames=num_frames, input=torch.zeros(shape))


@pytest.mark.parametrize(
    ("told", "size"),
    [
        ({}, (224, 224)),
        ({"image_size": 96}, (96, 96)),
        ({"pretrained_cfg": {"input_size": (3, 256, 288)}}, (256, 288)),
        (
            {"pretrained_cfg": {"input_size": (3, 256, 256)}, "patch_embed": SimpleNamespace(img_size=(64, 80))},
            (64, 80),
        ),
        ({"config": SimpleNamespace(image_size=[48, 64])}, (48, 64)),
    ],
)
def test_the_size_of_the_frames_is_the_one_that_a_model_tells(told, size):
    model = nn.Sequential(nn.Conv2d(3, 4, 3))
    for name, value in told.items():
        setattr(model, name, value)
    assert [guess.shape for guess in guess_inputs(model, 2)] == [(2, 3, *size)]


@pytest.mark.parametrize(
    ("first", "told", "num_frames", "shapes"),
    [
        (nn.Conv2d(3, 4, 3), {"image_size": 32, "num_frames": 8}, None, [(1, 8, 3, 32, 32)]),
        (nn.Conv2d(3, 4, 3), {"image_size": 32, "num_frames": 8}, 8, [(1, 8, 3, 32, 32), (8, 3, 32, 32)]),
        (nn.Conv3d(3, 4, 3), {"crop_size": 32, "frames_per_clip": 8}, None, [(1, 8, 3, 32, 32)]),
        (nn.Linear(48, 4), {"image_size": 32, "num_channels": 3}, 2, [(2, 3, 32, 32)]),
    ],
)
def test_hugging_face_tells_channels_frames_and_size(first, told, num_frames, shapes):
    model = nn.Sequential(first)
    model.config = SimpleNamespace(**told)
    assert [guess.shape for guess in guess_inputs(model, num_frames)] == shapes


def test_timm_tells_channels_where_the_first_convolution_does_not():
    model = nn.Sequential(nn.PixelUnshuffle(8), nn.Conv2d(192, 4, 1))
    model.pretrained_cfg = {"input_size": (3, 32, 32)}
    assert [guess.shape for guess in guess_inputs(model, 2)] == [(2, 192, 32, 32), (2, 3, 32, 32)]
    assert find_places(model, ["1"], num_frames=2)["1"].channels == 4
    patches = nn.Sequential(nn.Flatten(), nn.Linear(48, 4))
    patches.pretrained_cfg = {"input_size": (3, 4, 4)}
    assert [guess.shape for guess in guess_inputs(patches, 2)] == [(2, 3, 4, 4)]


def test_a_clip_of_three_frames_is_read_as_hugging_face_tells():
    model = nn.Sequential(nn.Conv3d(3, 4, 3))
    assert describe_input(model, (torch.zeros(1, 3, 3, 8, 8),), None).axes == "BCTHW"
    model.config = SimpleNamespace(num_frames=3)
    assert describe_input(model, (torch.zeros(1, 3, 3, 8, 8),), None).axes == "BTCHW"


def test_a_list_of_images_is_refused_with_a_place_to_go():
    with pytest.raises(
        ValueError, match="got a list of images, which detection models take.; attach blocks to .*'backbone'"
    ):
        find_places(r3d_18(), ["layer1"], num_frames=1, input=([torch.zeros(3, 8, 8)],))
