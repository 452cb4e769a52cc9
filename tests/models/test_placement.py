import pytest
import torch
from torch import nn

from pyg_video.backbones import c2d_resnet, i3d_resnet, resnet, tsm_resnet
from pyg_video.models.placement import place_block


class Add(nn.Module):
    """Adds one, and remembers what it saw."""

    takes_clips = True
    shape: tuple[int, ...] = ()

    def forward(self, clips):
        self.shape = tuple(clips.shape)
        return clips + 1


@pytest.mark.parametrize(
    ("build", "path", "shape"),
    [
        (resnet, "layer2.0", (2, 4, 128, 4, 4)), (c2d_resnet, "layer1.0", (2, 4, 64, 8, 8)),
        (c2d_resnet, "layer2.1", (2, 2, 128, 4, 4)), (i3d_resnet, "layer2.1", (2, 2, 128, 4, 4)),
        (i3d_resnet, "layer2.1.conv1", (2, 2, 128, 4, 4)), (i3d_resnet, "layer1", (2, 4, 64, 8, 8)),
        (tsm_resnet, "layer2.0.conv2", (2, 4, 128, 4, 4)),
    ],
)  # fmt: skip
def test_the_block_sees_clips_in_every_backbone(build, path, shape):
    net, seen, x = build(18, num_stages=2).eval(), Add(), torch.randn(2, 4, 3, 32, 32)
    before = net(x)
    place_block(net, path, seen)
    assert not torch.allclose(net(x), before)
    assert seen.shape == shape


@pytest.mark.parametrize("build", [c2d_resnet, i3d_resnet])
def test_without_its_block_the_backbone_is_as_before(build):
    net, x = build(18, num_stages=2).eval(), torch.randn(1, 4, 3, 32, 32)
    before = net(x)
    place_block(net, "layer1.0", nn.Identity())
    assert torch.equal(net(x), before)


@pytest.mark.parametrize("path", ["layer2.7", "layer2.0.conv7", "layer9.0"])
def test_places_that_are_not_there_are_named(path):
    with pytest.raises(ValueError, match="Expected 'path' of a part"):
        place_block(i3d_resnet(18, num_stages=2), path, nn.Identity())
