"""Models with graphs in torch.fx, torchvision's feature extractors and TorchScript: right, or refused in words."""

import pytest
import torch
import torchvision.models as tv
from torch import fx, nn
from torchvision.models.feature_extraction import create_feature_extractor

from pyg_video.attachment import attach_blocks
from pyg_video.backbones import insert_block, resnet
from pyg_video.graph_builders import GridGraph
from pyg_video.layers import RSTG, GraphBlock, SpaceConv, TemporalRNN
from pyg_video.models import create_model

FRAMES = torch.randn(4, 3, 32, 32)


def block(channels, size=None):
    rstg = RSTG(SpaceConv(8), TemporalRNN(8), TemporalRNN(8), num_iterations=1)
    return GraphBlock(channels, GridGraph(8, 1), rstg, node_channels=8, residual_scale=1.0)


class Net(nn.Module):
    """A model of somebody's, with a block between convolutions."""

    def __init__(self):
        super().__init__()
        self.conv, self.block, self.out = nn.Conv2d(3, 8, 3), block(8), nn.Conv2d(8, 4, 1)

    def forward(self, clips, lengths=None):
        shape = clips.shape[:2]
        y = self.block(self.conv(clips.flatten(0, 1)).unflatten(0, shape), lengths)
        return self.out(y.flatten(0, 1)).unflatten(0, shape)


def attached(*paths):
    model = tv.resnet18().eval()
    attach_blocks(model, dict.fromkeys(paths, block), num_frames=2, input=FRAMES)
    return model


def output_of(model, path):
    found = []
    handle = model.get_submodule(path).register_forward_hook(lambda module, args, y: found.append(y))
    model(FRAMES)
    handle.remove()
    return found[0]


def test_fx_sees_a_block_as_one_call():
    net = Net().eval()
    traced = fx.symbolic_trace(net)
    for clips, lengths in [(torch.randn(2, 3, 3, 8, 8), None), (torch.randn(1, 5, 3, 9, 8), torch.tensor([4]))]:
        torch.testing.assert_close(traced(clips, lengths), net(clips, lengths))
    assert [node.target for node in traced.graph.nodes if node.op == "call_module"] == ["conv", "block", "out"]
    assert dict(traced.named_parameters()).keys() == dict(net.named_parameters()).keys()


@pytest.mark.parametrize("paths", [("layer3.0",), ("layer3.0", "layer3"), ("layer3.0.conv1",)])
def test_feature_extractors_give_the_features_behind_the_blocks(paths):
    model = attached(*paths)
    extractor = create_feature_extractor(model, {"layer3": "map", "fc": "scores"})
    torch.testing.assert_close(extractor(FRAMES)["map"], output_of(model, "layer3"))
    torch.testing.assert_close(extractor(FRAMES)["scores"], model(FRAMES))
    blocks = {name for name, _ in extractor.named_parameters() if name.startswith("graph_blocks.")}
    leaf = "conv1" in paths[0]  # which torch.fx calls as a whole, hooks and all: the block stays with the model
    assert bool(blocks) is not leaf


def test_blocks_are_attached_to_a_feature_extractor():
    extractor = create_feature_extractor(tv.resnet18().eval(), {"layer3": "map"})
    attach_blocks(extractor, {"layer3.0.conv1": block}, num_frames=2, input=FRAMES)
    assert extractor.graph_blocks.layer3_0_conv1.block.norm.weight.requires_grad


def backbone():
    net = resnet(18)
    insert_block(net, "layer2", block(128))
    return net


MODELS = {
    "net": (Net, (1, 2, 3, 8, 8)),
    "attached": (lambda: attached("layer3.0"), (4, 3, 32, 32)),
    "backbone": (backbone, (1, 2, 3, 32, 32)),
    "classifier": (lambda: create_model("rstg_sync_mnist", num_classes=3, frame_size=20), (1, 2, 1, 20, 20)),
    "block": (lambda: block(3), (1, 2, 3, 8, 8)),
}


@pytest.mark.filterwarnings("ignore:`torch.jit.trace", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("name", MODELS)
def test_torchscript_is_refused_in_words(name):
    make, shape = MODELS[name]
    with pytest.raises(TypeError, match="Expected a model that TorchScript can hold .*; use torch.compile"):
        torch.jit.script(make())
    with pytest.raises(TypeError, match="Expected a graph to be built outside of torch.jit.trace .*; use"):
        torch.jit.trace(make().eval(), torch.rand(shape))


@pytest.mark.parametrize(
    ("name", "repair"),
    [
        ("backbone", "call the modules of backbone.stages"),
        ("classifier", "use model.features"),
        ("block", "use torch.compile or torch.export"),
    ],
)
def test_what_fx_cannot_trace_is_refused_in_words(name, repair):
    for trace in (fx.symbolic_trace, lambda model: create_feature_extractor(model, ["head"])):
        with pytest.raises(TypeError, match=f"^Expected a .*got .*torch.fx.*; {repair}"):
            trace(MODELS[name][0]())
