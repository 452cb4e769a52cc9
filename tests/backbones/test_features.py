from torch import nn

from pyg_video.backbones import SmallCNN, Stage, VideoBackbone


def test_a_backbone_tells_what_the_protocol_asks_for():
    net: VideoBackbone = SmallCNN(3, channels=(4, 8), strides=(2, 2))
    assert net.in_channels == 3
    assert net.info == (Stage("stage1", 4, 2), Stage("stage2", 8, 4))
    assert isinstance(net.stages, nn.ModuleDict)
    assert list(net.stages) == [stage.name for stage in net.info]
