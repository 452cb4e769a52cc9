import pytest
import torch
from torch import nn
from torchvision.models import resnet18
from torchvision.models.video import r3d_18

from pyg_video.attachment.places import features_of, find_places, outputs_at
from pyg_video.backbones import Stage, StagedBackbone


def test_a_dry_run_changes_neither_statistics_nor_modes():
    model = resnet18().train()
    model.layer1.eval()
    mean = model.bn1.running_mean.clone()
    find_places(model, ["layer1"], num_frames=1, input=torch.randn(1, 3, 32, 32))
    assert torch.equal(model.bn1.running_mean, mean)
    assert (model.training, model.layer1.training) == (True, False)
    assert not model.layer1._forward_hooks


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


def test_features_come_first_and_may_bring_their_grid():
    x = torch.zeros(2, 9, 3)
    assert features_of((x, (1, 3, 3))) == (x, (1, 3, 3))
    assert features_of((x, None)) == features_of((x, (x, x))) == features_of(x) == (x, ())
    with pytest.raises(ValueError, match="Expected a module that gives a tensor .got dict"):
        features_of({"x": x})


def test_outputs_are_those_of_the_modules():
    model, x = nn.Sequential(nn.Linear(2, 3), nn.ReLU()), torch.randn(4, 2)
    given = outputs_at(model, ["0", "1"], (x,))
    assert torch.equal(given["0"], model[0](x))
    assert torch.equal(given["1"], model(x))
    with pytest.raises(ValueError, match="calls once .got '0.0', called 2 times"):
        outputs_at(nn.Sequential(nn.Sequential(relu := nn.ReLU(), relu)), ["0.0"], (x,))
