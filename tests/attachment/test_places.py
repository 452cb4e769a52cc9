import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from pyg_video.attachment import Layout
from pyg_video.attachment.places import find_places


def test_a_dry_run_changes_neither_statistics_nor_modes():
    model = resnet18().train()
    model.layer1.eval()
    mean = model.bn1.running_mean.clone()
    find_places(model, ["layer1"], num_frames=1, input=torch.randn(1, 3, 32, 32))
    assert torch.equal(model.bn1.running_mean, mean)
    assert (model.training, model.layer1.training) == (True, False)
    assert not model.layer1._forward_hooks


def net(channels=8):
    return nn.Sequential(nn.Conv2d(3, channels, 4, 4), nn.BatchNorm2d(channels), nn.Flatten(2), nn.Linear(16, 8))


def test_the_nearest_place_that_works_is_named():
    with pytest.raises(ValueError, match="At '3': Expected features in the order .*such as '1'"):
        find_places(net(), ["3"], num_frames=2, input=torch.zeros(2, 3, 16, 16), layouts={"3": Layout("FHWC", (2, 4))})
    with pytest.raises(
        ValueError, match=r"At '2': Expected features of a video: .*got \[2, 100, 16\].*such as '1', or"
    ):
        find_places(net(100), ["2"], num_frames=2, input=torch.zeros(2, 3, 16, 16))


def test_prefix_tokens_that_nothing_tells_of_are_believed_if_the_order_is_right():
    with pytest.raises(ValueError, match="At '2': .*right are perhaps none as FHWC on 1 x 4 after 4"):
        find_places(net(), ["2"], num_frames=2, input=torch.zeros(2, 3, 8, 32))
    tokens = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.Flatten(2), Registers(5), nn.Flatten())
    assert find_places(tokens, ["2"], num_frames=1)["2"].layout == Layout("FHWC", (56, 56), 5)


def test_a_place_with_another_layout_is_named_where_none_of_the_near_ones_works():
    class Shuffled(nn.Module):
        def forward(self, x):
            return x.flatten(2).mT[:, torch.randperm(64, generator=torch.Generator().manual_seed(0))]

    model = nn.Sequential(nn.Conv2d(3, 8, 4, 4), Shuffled(), *(nn.Identity() for _ in range(30)))
    with pytest.raises(ValueError, match="At '31': Expected features in the order .*such as '0'"):
        find_places(model, ["31"], num_frames=1, input=torch.zeros(1, 3, 32, 32))


class Registers(nn.Module):
    """Channels last, behind some tokens."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    def forward(self, x):
        return nn.functional.pad(x.mT, (0, 0, self.number, 0))


def test_places_that_nothing_follows_may_be_read():
    model = resnet18(num_classes=2)
    model.fc = nn.Identity()
    model.avgpool.register_forward_hook(lambda module, args, output: output.detach())
    with pytest.raises(ValueError, match="At 'layer2': Expected features that the output of the model depends on"):
        find_places(model, ["layer2"], num_frames=1, input=torch.zeros(1, 3, 32, 32))
    assert find_places(model, ["layer2"], num_frames=1, input=torch.zeros(1, 3, 32, 32), check_use=False)


class Upside(nn.Module):
    def forward(self, x):
        return x.flip(2)


def test_a_place_far_from_a_refused_one_is_named_if_none_near_it_works():
    model = nn.Sequential(nn.Conv2d(3, 4, 2, 2), *(nn.Tanh() for _ in range(30)), Upside())
    model.extend([nn.Tanh() for _ in range(60)])
    with pytest.raises(
        ValueError, match=r"At '91': .* rows and columns .*; choose another place, such as '(\d|[12]\d|30)',"
    ):
        find_places(model, ["91"], num_frames=1, input=torch.zeros(1, 3, 16, 16))
