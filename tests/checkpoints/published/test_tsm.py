import pytest
import torch
from torch import nn
from torchvision import models

from pyg_video.checkpoints import load_published_tsm

T = 3


class Shift(nn.Module):
    """The published layer: it knows the number of frames."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        x = x.unflatten(0, (-1, T))
        y, fold = torch.zeros_like(x), x.size(2) // 8
        y[:, :-1, :fold] = x[:, 1:, :fold]
        y[:, 1:, fold : 2 * fold] = x[:, :-1, fold : 2 * fold]
        y[:, :, 2 * fold :] = x[:, :, 2 * fold :]
        return self.net(y.flatten(0, 1))


class Published(nn.Module):
    def __init__(self, depth, num_classes):
        super().__init__()
        net = models.get_model(f"resnet{depth}")
        for layer in (net.layer1, net.layer2, net.layer3, net.layer4):
            for block in layer:
                block.conv1 = Shift(block.conv1)
        self.new_fc = nn.Linear(net.fc.in_features, num_classes)
        net.fc = nn.Identity()
        self.base_model = net

    def forward(self, video):
        return self.new_fc(self.base_model(video.flatten(0, 1))).unflatten(0, (-1, T)).mean(1)


def weights(depth, num_classes=5):
    with torch.device("meta"):
        return {f"module.{name}": tensor for name, tensor in Published(depth, num_classes).state_dict().items()}


@pytest.mark.parametrize("depth", [18, 50])
def test_published_weights_give_the_published_scores(depth):
    published, video = Published(depth, 5).eval(), torch.randn(2, T, 3, 16, 16)
    model = load_published_tsm({f"module.{name}": tensor for name, tensor in published.state_dict().items()})
    torch.testing.assert_close(model(video), published(video), atol=1e-4, rtol=1e-4)


def test_other_weights_are_refused_by_name():
    with torch.device("meta"):
        without = weights(18)
        del without["module.base_model.layer2.0.bn1.bias"]
        with pytest.raises(ValueError, match="got them without base_model.layer2.0.bn1.bias"):
            load_published_tsm(without)
        with pytest.raises(ValueError, match="got them with module2.x"):
            load_published_tsm(weights(18) | {"module2.x": torch.empty(1)})
        with pytest.raises(ValueError, match="with 'new_fc.weight' .got them without"):
            load_published_tsm({})
        with pytest.raises(ValueError, match=r"ResNet-18, 34 or 50 .got layers of \(0, 0, 0, 0\) blocks"):
            load_published_tsm({"new_fc.weight": torch.empty(5, 512)})
        with pytest.raises(
            ValueError, match=r"'new_fc.weight' of a published TSM-ResNet of shape \[5, 512\] .got \[5, 500\]"
        ):
            load_published_tsm(weights(18) | {"module.new_fc.weight": torch.empty(5, 500)})
