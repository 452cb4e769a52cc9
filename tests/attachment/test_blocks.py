import copy
import io
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import pytest
import torch
import torchvision.models as tv
from torch import nn
from torchvision.models.video import mvit

from pyg_video.attachment import Layout, attach_blocks, detach_blocks
from pyg_video.backbones import tsm_resnet
from pyg_video.graph_builders import GridGraph
from pyg_video.inspection import find_graphs, model_cost
from pyg_video.layers import RSTG, GraphBlock, SpaceConv, TemporalRNN
from pyg_video.models import dyreg_block


def small_mvit(weights):
    """torchvision's MViT-v2-S for clips of 4 x 64 x 64, where its own options fix 16 x 224 x 224."""
    with pytest.MonkeyPatch.context() as patch:
        size = {"spatial_size": (64, 64), "temporal_size": 4}
        patch.setattr(mvit, "MViT", lambda **options: tv.video.MViT(**{**options, **size}))
        return mvit.mvit_v2_s(weights=weights)


def small_vit(weights):
    return tv.VisionTransformer(48, 16, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=32)


FAMILIES = {  # model, its input, path, and the channels and map there
    "resnet": (tv.resnet18, {}, (4, 3, 32, 64), "layer3.0.conv2", 256, (2, 4)),
    "convnext": (tv.convnext_tiny, {}, (4, 3, 32, 64), "features.3.0", 192, (4, 8)),
    "convnext linear": (tv.convnext_tiny, {}, (4, 3, 32, 64), "features.3.0.block.5", 192, (4, 8)),
    "swin": (tv.swin_t, {}, (4, 3, 32, 64), "features.3.0", 192, (4, 8)),
    "vit": (tv.vit_b_16, {"image_size": 48}, (4, 3, 48, 48), "encoder.layers.encoder_layer_3", 768, (3, 3)),
    "small vit": (small_vit, {}, (4, 3, 48, 48), "encoder.layers.encoder_layer_0", 32, (3, 3)),
    "vit attention": (small_vit, {}, (4, 3, 48, 48), "encoder.layers.encoder_layer_0.self_attention", 32, (3, 3)),
    "r2plus1d": (tv.video.r2plus1d_18, {}, (2, 3, 4, 16, 32), "layer2.0", 128, (4, 8)),
    "mvit": (
        small_mvit, {}, (1, 3, 4, 64, 64), "blocks.3", 384, (4, 4)
    ),
    "mvit norm": (
        small_mvit, {}, (1, 3, 4, 64, 64), "blocks.15.norm1", 768, (2, 2)
    ),
    "swin3d": (tv.video.swin3d_t, {}, (2, 3, 4, 32, 64), "features.0.1", 96, (8, 16)),
    "timm resnet": ("resnet50", {}, (4, 3, 32, 64), "layer3.4.conv2", 256, (2, 4)),
    "timm vit": ("vit_tiny_patch16_224", {"img_size": 48}, (4, 3, 48, 48), "blocks.3", 192, (3, 3)),
    "timm registers": (
        "vit_small_patch14_reg4_dinov2", {"img_size": 42}, (4, 3, 42, 42), "blocks.3", 384, (3, 3)
    ),
    "timm swin": ("swin_tiny_patch4_window7_224", {"img_size": 64}, (2, 3, 64, 64), "layers.1.blocks.0", 192, (8, 8)),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def family(name):
    make, options, shape, path, channels, size = FAMILIES[name]
    if isinstance(make, str):
        model = pytest.importorskip("timm").create_model(make, pretrained=False, **options)
    else:
        model = make(weights=None, **options)
    return model.eval(), torch.randn(shape), path, channels, size


def block(channels, size=None, residual_scale=0.0):
    rstg = RSTG(SpaceConv(8), TemporalRNN(8), TemporalRNN(8), num_iterations=1)
    return GraphBlock(channels, GridGraph(8, 1), rstg, node_channels=8, residual_scale=residual_scale)


def hooks(model):
    return sum(len(part._forward_hooks) for part in model.modules())


def small(*more):
    return nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), *more).eval()


def given_at(path, model, x):
    """What follows a module gets from it, with the blocks there are."""
    given = []
    handle = model.get_submodule(path).register_forward_hook(lambda module, args, output: given.append(output))
    model(x)
    handle.remove()
    return given[0][0] if isinstance(given[0], tuple) else given[0]


class Marked(nn.Module):
    """Writes into every place its clip, frame, row and column, as the digits of a number."""

    def forward(self, clips):
        B, T, _, H, W = clips.shape
        b, t, h, w = torch.meshgrid(*(torch.arange(n) for n in (B, T, H, W)), indexing="ij")
        return torch.zeros_like(clips) + (1000 * b + 100 * t + 10 * h + w)[:, :, None]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_takes_a_block_and_is_itself_again_without(name):
    model, x, path, channels, size = family(name)
    before, state = model(x), {key: value.clone() for key, value in model.state_dict().items()}
    features = given_at(path, model, x)
    inserted = attach_blocks(model, {path: block}, num_frames=2 if x.dim() == 4 else None, input=x)
    place = inserted.places[path]
    assert (place.channels, place.size) == (channels, size)
    assert torch.equal(model(x), before)
    added = model.state_dict().keys() - state.keys()
    assert added == {f"graph_blocks.{path.replace('.', '_')}.block.{key}" for key in inserted[path].state_dict()}

    nn.init.ones_(inserted[path].norm.weight)
    after = given_at(path, model, x)
    assert not torch.allclose(after, features)
    after.square().sum().backward()
    assert inserted[path].project[0].weight.grad.abs().max() > 0

    inserted.remove()
    assert torch.equal(model(x), before)
    assert (hooks(model), model.state_dict().keys()) == (0, state.keys())
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("name", "mark"),
    [
        ("small vit", lambda y: y[3, 1 + 3 * 2 + 1, 0]),
        ("swin", lambda y: y[3, 2, 1, 0]),
        ("convnext", lambda y: y[3, 0, 2, 1]),
    ],
)
def test_folded_frames_reach_the_block_as_clips(name, mark):
    model, x, path, *_ = family(name)
    attach_blocks(model, {path: Marked()}, num_frames=2, input=x)
    assert mark(given_at(path, model, x)) == 1121  # of clip 1: frame 1, row 2, column 1


@pytest.mark.parametrize(
    ("name", "mark"),
    [
        ("mvit", lambda y: y[0, 1 + 16 + 4 * 2 + 3, 0]),
        ("swin3d", lambda y: y[0, 1, 2, 3, 0]),
        ("r2plus1d", lambda y: y[0, 0, 1, 2, 3]),
    ],
)
def test_volumes_reach_the_block_as_clips(name, mark):
    model, x, path, *_ = family(name)
    attach_blocks(model, {path: Marked()}, input=x)
    assert mark(given_at(path, model, x)) == 123  # frame 1, row 2, column 3


def test_a_class_token_goes_past_the_block():
    model, x, path, *_ = family("small vit")
    before = given_at(path, model, x)
    attach_blocks(model, {path: Marked()}, num_frames=2, input=x)
    assert torch.equal(given_at(path, model, x)[:, 0], before[:, 0])


def test_a_model_of_ours_takes_blocks_too():
    net, x = tsm_resnet(18, num_stages=2).eval(), torch.randn(2, 3, 3, 32, 32)
    before = net(x)
    inserted = attach_blocks(net, {"stages.layer1.0.conv1": block, "stages.layer2": block}, input=x)
    assert [place.layout.axes for place in inserted.places.values()] == ["FCHW", "BTCHW"]
    assert torch.equal(net(x), before)
    assert sorted(find_graphs(net, x)) == [
        "graph_blocks.stages_layer1_0_conv1.block.builder", "graph_blocks.stages_layer2.block.builder"
    ]  # fmt: skip


def test_the_input_is_guessed_and_leaves_the_model_alone():
    model = tv.resnet18()
    before = copy.deepcopy(model.state_dict())
    inserted = attach_blocks(model, {"layer4": dyreg_block}, num_frames=1)
    assert (inserted.places["layer4"].channels, inserted.places["layer4"].size) == (512, (7, 7))
    assert all(part.training for part in model.modules())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items() if key in before)


def test_a_copy_has_blocks_of_its_own_which_can_be_removed():
    model, x = small(), torch.randn(2, 3, 4, 4)
    attach_blocks(model, {"0": block}, num_frames=2, input=x)
    twin = copy.deepcopy(model)
    before = model(x)
    nn.init.ones_(twin.graph_blocks.get_submodule("0").block.norm.weight)
    assert torch.equal(model(x), before)
    assert not torch.allclose(twin(x), before)
    detach_blocks(twin)
    assert (hooks(twin), hooks(model)) == (0, 2)  # the block's and the model's
    assert torch.equal(twin(x), before)


def test_weights_of_blocks_are_saved_and_loaded():
    x, (one, other) = torch.randn(2, 3, 4, 4), (small(), small())
    for model in (one, other):
        attach_blocks(model, {"0": block(6, residual_scale=1.0)}, num_frames=2, input=x)
    assert not torch.allclose(one(x), other(x))
    file = io.BytesIO()
    torch.save(one.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(one(x), other(x))


def test_a_whole_model_with_blocks_is_saved_and_loaded():
    model, x, file = small(), torch.randn(2, 3, 4, 4), io.BytesIO()
    attach_blocks(model, {"0": block(6, residual_scale=1.0)}, num_frames=2, input=x)
    torch.save(model, file)
    file.seek(0)
    twin = torch.load(file, weights_only=False)
    assert torch.equal(twin(x), model(x))
    detach_blocks(twin)
    assert (hooks(twin), hooks(model)) == (0, 2)


def test_blocks_are_gone_after_a_with_statement():
    model, x = small(), torch.randn(2, 3, 4, 4)
    before = model(x)
    with attach_blocks(model, {"0": block(6, residual_scale=1.0)}, num_frames=2, input=x) as inserted:
        assert not torch.allclose(model(x), before)
        assert (list(inserted), len(inserted)) == (["0"], 1)
    assert torch.equal(model(x), before)
    inserted.remove()  # once more does nothing
    with pytest.raises(ValueError, match="Expected 'model' with blocks of attach_blocks .got Sequential without"):
        detach_blocks(model)


def test_clips_may_have_another_length_later():
    model, x = small(), torch.randn(6, 3, 4, 4)
    model_of_three = attach_blocks(model, {"0": Marked()}, num_frames=2, input=x)
    model_of_three.places["0"].num_frames = 3
    assert given_at("0", model, x)[5, 0, 0, 0] == 1200


def test_a_block_computes_in_the_type_of_the_model():
    model, x = small().bfloat16(), torch.randn(2, 3, 4, 4, dtype=torch.bfloat16)
    attach_blocks(model, {"0": block}, num_frames=2, input=x)
    assert {value.dtype for value in model.graph_blocks.parameters()} == {torch.bfloat16}
    assert model(x).dtype == torch.bfloat16


class InFloat32(nn.Module):
    """What a norm does under autocast on a GPU."""

    def forward(self, clips):
        return clips.float()


@pytest.mark.parametrize("make", [block, lambda channels, size: InFloat32()])
def test_autocast_changes_no_type(make):
    model, x = small(nn.Conv2d(6, 4, 1)), torch.randn(2, 3, 4, 4)
    attach_blocks(model, {"0": make}, num_frames=2, input=x)
    with torch.autocast("cpu", torch.bfloat16):
        assert given_at("0", model, x).dtype == torch.bfloat16


def test_the_cost_of_a_block_is_seen():
    model = tsm_resnet(18, num_stages=1)
    assert model_cost(model, (2, 3, 16, 16), runs=0).multiply_adds.graph == 0
    attach_blocks(model, {"stages.layer1": block}, input=torch.zeros(1, 2, 3, 16, 16))
    assert model_cost(model, (2, 3, 16, 16), runs=0).multiply_adds.graph > 0


def test_a_model_with_blocks_compiles_as_one_graph():
    model, x = small(), torch.randn(4, 3, 4, 4)
    attach_blocks(model, {"0": Marked(), "1": nn.Identity()}, num_frames=2, input=x)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    assert torch.equal(compiled(x), model(x))


@pytest.mark.parametrize(
    ("path", "given", "options", "message"),
    [
        ("layer3.4.conv2", block, {}, "path of a module of ResNet, such as layer3.1.conv2, .*got 'layer3.4.conv2'"),
        ("nothing", block, {}, "such as conv1, bn1, .*got 'nothing'"),
        ("fc", block, {}, r"At 'fc': Expected features of a video: .*got \[4, 1000\] from 2 clip"),
        ("fc", block, {"layouts": {"fc": Layout("FCHW")}}, r"At 'fc': Expected features of shape \[F, C, H, W\]"),
        ("layer1", block, {"elements": {"layer1": 1}}, "At 'layer1': Expected an output with a part 1 .got Tensor"),
        ("layer1", block, {"elements": {"layer2": 0}}, "Expected 'elements' of layer1 .got one of layer2"),
        ("layer1", partial(dyreg_block, builder="box"), {}, "Expected a block without boxes at 'layer1'"),
        ("layer1", block(32), {}, "Expected a block of 64 channels at 'layer1' .got 32"),
        ("layer1", nn.AvgPool3d(2), {}, r"at 'layer1' that keeps the shape \[2, 2, 64, 8, 8\] .got \[2, 2, 32, 4, 4\]"),
        ("layer1", block, {"num_frames": None}, "Expected 'num_frames', since the model sees folded frames"),
        ("layer1", block, {"num_frames": 3}, "Expected an 'input' of whole clips of 3 frames .got 4 frames"),
        ("layer1", block, {"num_frames": 0}, "Expected 'num_frames' of at least 1"),
        ("layer1", block, {"layouts": {"layer2": Layout("FCHW")}}, "Expected 'layouts' of layer1 .got one of layer2"),
        ("layer1", block, {"layouts": {"layer1": Layout("FCH")}}, "Expected 'axes' to be one of FCHW, .*got 'FCH'"),
        ("layer1", block, {"layouts": {"layer1": Layout("FHWC", (2,))}}, "Expected tokens with axes 'FHWC'"),
        ("layer1", block, {"layouts": {"layer1": Layout("BTCHW")}}, r"of shape \[B, T, C, H, W\] .got \[4, 64, 8, 8\]"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_the_model_stays_as_it_was(path, given, options, message):
    model = tv.resnet18()
    with pytest.raises(ValueError, match=message):
        attach_blocks(model, {path: given}, **{"num_frames": 2, "input": torch.zeros(4, 3, 32, 32), **options})
    assert hooks(model) == 0
    assert not hasattr(model, "graph_blocks")


def test_a_second_insertion_is_refused():
    model, x = small(), torch.randn(2, 3, 4, 4)
    attach_blocks(model, {"0": block}, num_frames=2, input=x)
    with pytest.raises(ValueError, match="Expected 'model' without an attribute graph_blocks"):
        attach_blocks(model, {"1": block}, num_frames=2, input=x)


def test_a_factory_that_makes_no_module_is_refused():
    with pytest.raises(TypeError, match="Expected a module, or a function that makes one, at '0'"):
        attach_blocks(small(), {"0": lambda channels, size: None}, num_frames=2, input=torch.zeros(2, 3, 4, 4))


def test_an_input_that_cannot_be_guessed_is_asked_for():
    with pytest.raises(ValueError, match="Expected an 'input' for Sequential, whose channels cannot be told"):
        attach_blocks(nn.Sequential(nn.Linear(2, 2)), {"0": block}, num_frames=1)
    with pytest.raises(ValueError, match="Expected an 'input' that the model takes .got none, and a guess of shape"):
        attach_blocks(small(nn.Flatten(), nn.Linear(6, 2)), {"0": block}, num_frames=1)


def test_frames_that_are_no_whole_clips_are_refused():
    model = small()
    attach_blocks(model, {"0": block}, num_frames=2, input=torch.zeros(2, 3, 4, 4))
    with pytest.raises(ValueError, match="Expected a batch of whole clips, a multiple of 'num_frames' = 2 .*got 3"):
        model(torch.zeros(3, 3, 4, 4))


def test_a_replica_of_data_parallel_is_refused():
    model = small(nn.ReLU())
    attach_blocks(model, {"2": block}, num_frames=2, input=torch.zeros(2, 3, 4, 4))
    with pytest.raises(RuntimeError, match="use DistributedDataParallel"):
        model[2]._replicate_for_data_parallel()(torch.zeros(2, 6, 4, 4))


def test_a_map_too_small_for_a_block_is_told_of_with_its_path():
    with pytest.raises(ValueError, match="At 'layer4': Expected a map of at least 3 x 3 pixels"):
        attach_blocks(tv.resnet18(), {"layer4": dyreg_block}, num_frames=2, input=torch.zeros(2, 3, 64, 64))


def test_where_the_frame_moves_a_map_tells_channels_from_rows():
    model, x = small(nn.Sequential(nn.Conv2d(6, 4, 1), nn.Identity())), torch.zeros(2, 3, 4, 4)
    with attach_blocks(model, {"2": block}, num_frames=2, input=x) as inserted:
        assert inserted.places["2"].layout == Layout("FCHW")
    with pytest.raises(ValueError, match="can be read in one way, or 'layouts' .got some that may be FCHW or FHWC"):
        attach_blocks(model, {"2": block}, num_frames=2, input=x, probe=False)
    inserted = attach_blocks(model, {"2": block}, num_frames=2, input=x, layouts={"2": Layout("FHWC")}, probe=False)
    assert inserted.places["2"].size == (4, 4)


def test_a_place_that_only_feeds_what_a_class_token_does_not_see_is_refused():
    model, x = small_vit(None), torch.zeros(2, 3, 48, 48)
    path = "encoder.layers.encoder_layer_{}"
    with pytest.raises(ValueError, match=f"depends on, by gradients.*such as '{path.format(0)}'"):
        attach_blocks(model, {path.format(1): block}, num_frames=2, input=x)
    attach_blocks(model, {path.format(1): block}, num_frames=2, input=x, probe=False)


class ByUnits(nn.Module):
    """Tokens in the order of Hiera before its last stage: those of the same place in their units together."""

    def __init__(self):
        super().__init__()
        self.embed, self.sort, self.pool = nn.Conv2d(3, 8, 4, 4), nn.Identity(), nn.Linear(8, 2)

    def forward(self, x):
        x = self.embed(x)
        units = x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))  # [F, C, H / 2, 2, W / 2, 2]
        return self.pool(self.sort(units.permute(0, 3, 5, 2, 4, 1).flatten(1, 4))).mean(1)


def test_tokens_in_another_order_than_the_frame_are_refused():
    x = torch.zeros(2, 3, 32, 32)
    with pytest.raises(ValueError, match="At 'sort': .*right are 2.% as FHWC on 8 x 8 after 0.; .*such as 'embed'"):
        attach_blocks(ByUnits(), {"sort": block}, num_frames=2, input=x)


class ThenAttention(nn.Module):
    """Tokens after some prefix, perhaps shuffled, and global attention that hides their order."""

    def __init__(self, prefix, order=slice(None)):
        super().__init__()
        self.embed, self.tokens, self.attention, self.head = (
            nn.Conv2d(3, 8, 4, 4), nn.Identity(), nn.Identity(), nn.Linear(8, 2)
        )  # fmt: skip
        self.prefix, self.order = prefix, order

    def forward(self, x):
        tokens = self.embed(x).flatten(2).mT[:, self.order]
        tokens = self.tokens(nn.functional.pad(tokens, (0, 0, self.prefix, 0)))
        return self.head((tokens + self.attention(tokens + tokens.mean(1, keepdim=True) - tokens)).sin()).mean(1)


def test_tokens_after_global_attention_have_the_order_of_those_near_them():
    x = torch.zeros(2, 3, 32, 32)
    for prefix in (0, 5):  # an unusual number is believed only where the order says so
        attached = attach_blocks(ThenAttention(prefix), {"attention": block}, num_frames=2, input=x)
        assert attached.places["attention"].layout == Layout("FHWC", (8, 8), prefix)
    shuffled = ThenAttention(0, torch.randperm(64, generator=torch.Generator().manual_seed(0)))
    with pytest.raises(ValueError, match="At 'attention': Expected features in the order .*such as 'embed'"):
        attach_blocks(shuffled, {"attention": block}, num_frames=2, input=x)


def test_whole_numbers_behind_tokens_may_be_no_grid():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = Tokens(), nn.Linear(8, 2)

        def forward(self, x):
            tokens, frames, width = self.embed(x)
            return self.head(tokens).mean(1) * (frames + width)

    class Tokens(nn.Conv2d):
        def __init__(self):
            super().__init__(3, 8, 4, 4)

        def forward(self, x):
            tokens = super().forward(x).flatten(2).mT
            return tokens, 2, 8

    model, x = Counting(), torch.randn(2, 3, 32, 32)
    attached = attach_blocks(model, {"embed": Marked()}, num_frames=2, input=x)
    assert attached.places["embed"].layout == Layout("FHWC", (8, 8))
    assert given_at("embed", model, x)[1, 8 * 2 + 3, 0] == 123


def test_position_embeddings_are_refused():
    class Embedded(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.positions, self.head = nn.Conv2d(3, 8, 4, 4), nn.Embedding(64, 8), nn.Linear(8, 2)

        def forward(self, x):
            return self.head(self.embed(x).flatten(2).mT + self.positions(torch.arange(64)[None])).mean(1)

    with pytest.raises(ValueError, match="At 'positions': Expected features that depend on the frames .*as 'embed'"):
        attach_blocks(Embedded(), {"positions": block}, num_frames=1, input=torch.zeros(1, 3, 32, 32))


class Stage(nn.Module):
    """Returns its map in some structure, and calls an activation twice."""

    def __init__(self, wrap):
        super().__init__()
        self.conv, self.act, self.wrap = nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), wrap

    def forward(self, x):
        x = self.act(self.conv(x))
        return self.wrap(self.act(x + 1))


class Around(nn.Module):
    def __init__(self, wrap, unwrap, channels=6):
        super().__init__()
        self.stage, self.unwrap, self.head = Stage(wrap), unwrap, nn.Conv2d(channels, 2, 1)

    def forward(self, x):
        return self.head(self.unwrap(self.stage(x))).mean((2, 3))


@dataclass
class Output(OrderedDict):
    """As Hugging Face's: a dictionary with attributes."""

    maps: torch.Tensor

    def __post_init__(self):
        self["maps"] = self.maps

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        super().__setattr__(key, value)


class Pair(NamedTuple):
    label: str
    maps: tuple[torch.Tensor, torch.Tensor]


@pytest.mark.parametrize(
    ("wrap", "unwrap", "shown"),
    [
        (lambda x: [x], lambda y: y[0], "stage[0]"),
        (lambda x: {"loss": None, "map": x}, lambda y: y["map"], "stage['map']"),
        (Output, lambda y: y.maps, "stage['maps']"),
        (Output, lambda y: y["maps"], "stage['maps']"),
        (lambda x: Pair("a", (x.detach(), x)), lambda y: y.maps[1], "stage[1][1]"),  # the first is used by nothing
        (lambda x: (x.mean((2, 3)), x), lambda y: y[1], "stage[1]"),
    ],
)
def test_the_map_is_found_in_what_a_module_returns(wrap, unwrap, shown):
    model, x = Around(wrap, unwrap).eval(), torch.randn(2, 3, 8, 12)
    before = model(x)
    attached = attach_blocks(model, {"stage": block(6, residual_scale=1.0)}, num_frames=2, input=x)
    assert repr(attached).startswith(f"BlockAttachment({shown}: FCHW, 6 channels, 8 x 12")
    assert not torch.allclose(model(x), before)
    attached.remove()
    assert torch.equal(model(x), before)


def test_an_element_that_is_named_must_be_used():
    model, x = Around(lambda x: (x, x), lambda y: y[1]).eval(), torch.zeros(2, 3, 8, 8)
    with attach_blocks(model, {"stage": block}, num_frames=2, input=x) as attached:
        assert attached.places["stage"].keys == (1,)
    with pytest.raises(ValueError, match="At 'stage': Expected features that the output of the model depends on"):
        attach_blocks(model, {"stage": block}, num_frames=2, input=x, elements={"stage": 0})


def test_a_block_follows_every_call_of_its_module():
    model, x = Around(lambda x: x, lambda y: y).eval(), torch.randn(2, 3, 8, 8)
    attached = attach_blocks(model, {"stage.act": block(6, residual_scale=1.0)}, num_frames=2, input=x)
    assert attached.places["stage.act"].extra_repr().endswith("8 x 8, 2 calls")
    seen = []
    attached["stage.act"].register_forward_hook(lambda *given: seen.append(given))
    model(x)
    assert len(seen) == 2


def test_calls_with_other_channels_are_refused():
    model = tv.resnet.Bottleneck(8, 2)
    with pytest.raises(
        ValueError, match=r"features of one kind .got '1.relu', called 3 times, with \[2, 2, 4, 4\] and"
    ):
        attach_blocks(nn.Sequential(nn.Conv2d(3, 8, 1), model), {"1.relu": block}, num_frames=2,
                      input=torch.zeros(2, 3, 4, 4))  # fmt: skip


def test_zeros_at_initialisation_hide_no_place():
    model = tv.resnet18(zero_init_residual=True)
    nn.init.zeros_(model.fc.weight)
    attach_blocks(model, {"layer3.1.conv1": block}, num_frames=2, input=torch.zeros(2, 3, 64, 64))
    assert not model.fc.weight.any()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_probe_draws_no_numbers():
    model, state = small(), torch.get_rng_state()
    attach_blocks(model, {"0": nn.Identity()}, num_frames=2, input=torch.zeros(2, 3, 8, 8))
    assert torch.equal(torch.get_rng_state(), state)


class Flattened(nn.Module):
    """Runs the parts of its stage by themselves, as timm's models under gradient checkpointing."""

    def __init__(self):
        super().__init__()
        self.stage, self.checkpointing = nn.Sequential(nn.Conv2d(3, 6, 1), nn.ReLU()), False

    def forward(self, x):
        if not self.checkpointing:
            return self.stage(x)
        for part in self.stage:
            x = part(x)
        return x


def test_a_forward_pass_that_leaves_a_block_out_warns():
    model, x = Flattened(), torch.zeros(2, 3, 8, 8)
    attached = attach_blocks(model, {"stage": block}, num_frames=2, input=x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(x)
    model.checkpointing = True
    with pytest.warns(UserWarning, match="Expected a forward pass of Flattened to call stage .*had no effect"):
        model(x)
    attached.remove()
    with pytest.raises(ValueError, match="that the model calls .got 'stage', which a forward pass leaves out.*'stage"):
        attach_blocks(model, {"stage": block}, num_frames=2, input=x)


def test_blocks_of_a_compiled_model_come_and_go():
    model, x = small(), torch.randn(2, 3, 4, 4)
    compiled, before = torch.compile(model, backend="eager"), model(x)
    assert torch.equal(compiled(x), before)
    attached = attach_blocks(compiled, {"0": block(6, residual_scale=1.0)}, num_frames=2, input=x)
    with pytest.raises(ValueError, match="Expected 'model' without an attribute graph_blocks"):
        attach_blocks(compiled, {"0": block}, num_frames=2, input=x)
    assert not torch.allclose(compiled(x), before)
    torch.testing.assert_close(compiled(x), model(x))
    attached.remove()
    assert torch.equal(compiled(x), before)


@pytest.mark.filterwarnings("ignore")  # trace is deprecated, and warns of all sizes
def test_a_traced_model_has_its_blocks_and_takes_none():
    model, x = small(), torch.randn(2, 3, 4, 4)
    attached = attach_blocks(model, {"0": Marked()}, num_frames=2, input=x)
    traced = torch.jit.trace(model, x)
    assert torch.equal(traced(x), model(x))
    attached.remove()
    with pytest.raises(ValueError, match="Expected a model of Python modules .got parts of torch.jit"):
        attach_blocks(torch.jit.trace(model, x), {"0": block}, num_frames=2, input=x)


def test_torch_fx_sees_a_block_on_an_element_as_one_call():
    model, x = Around(lambda x: {"loss": None, "map": x}, lambda y: y["map"]).eval(), torch.randn(2, 3, 8, 12)
    attach_blocks(model, {"stage": block(6, residual_scale=1.0)}, num_frames=2, input=x)
    torch.testing.assert_close(torch.fx.symbolic_trace(model)(x), model(x))


def test_torch_fx_cannot_replace_an_element_of_a_proxy():
    model, x = Around(lambda x: [x], lambda y: y[0]).eval(), torch.randn(2, 3, 8, 12)
    attached = attach_blocks(model, {"stage": block}, num_frames=2, input=x)
    graph = torch.fx.Graph()
    proxy = torch.fx.Proxy(graph.placeholder("output"))
    with pytest.raises(ValueError, match="Expected 'stage' to return a tensor .got a proxy of torch.fx, of which .0. "):
        attached.places["stage"].after(model.stage, (), proxy)


def test_an_exported_model_has_its_blocks():
    model, x = small(), torch.randn(4, 3, 8, 8)
    attach_blocks(model, {"0": block(6, residual_scale=1.0)}, num_frames=2, input=x)
    with torch.no_grad():
        torch.testing.assert_close(torch.export.export(model, (x,)).module()(x), model(x))


def test_a_model_that_cannot_be_copied_is_named_with_what_to_do():
    model, x = small(), torch.randn(2, 3, 4, 4)
    model.kept = model(x)  # a tensor that is no leaf
    with pytest.raises(
        ValueError, match=r"Expected a model that copy.deepcopy copies, for the probe .* use probe=False"
    ):
        attach_blocks(model, {"0": block}, num_frames=2, input=x)
    attach_blocks(model, {"0": block}, num_frames=2, input=x, probe=False)
