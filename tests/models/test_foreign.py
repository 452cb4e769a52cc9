import importlib
import sys
import types

import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from pyg_video.attachment import attach_blocks
from pyg_video.backbones import NonLocal
from pyg_video.checkpoints import checkpoint_info, load_model, save_model
from pyg_video.datasets import SyncMNIST
from pyg_video.evaluation import DigitSource, evaluate, predict_video
from pyg_video.inspection import find_graphs, model_cost
from pyg_video.layers import scan
from pyg_video.models import ForeignClassifier, UnknownModelError, create_model

BLOCK = {"name": "dyreg_block", "options": {"node_channels": 8, "num_iterations": 1, "residual_scale": 1.0}}
SMALL = {"num_classes": 5, "num_frames": 2, "frame_size": 64}


class MyNet(nn.Module):
    """A network of the user's, on volumes, whose scores are in a dictionary."""

    def __init__(self, num_classes: int, width: int = 4) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv3d(3, width, 3, padding=1), nn.Linear(width, num_classes)

    def forward(self, x):
        return {"loss": None, "logits": self.head(self.conv(x).mean((2, 3, 4)))}


@pytest.fixture
def imported(monkeypatch):
    module = types.ModuleType("my_foreign_nets")
    module.MyNet = MyNet
    monkeypatch.setitem(sys.modules, "my_foreign_nets", module)
    return "my_foreign_nets.MyNet"


@pytest.fixture
def model():
    return create_model("foreign_model", **SMALL, blocks={"layer3": BLOCK}).eval()


def test_scores_are_the_mean_over_the_frames_of_a_clip():
    net, video = resnet18(num_classes=3).eval(), torch.randn(2, 4, 3, 32, 32)
    torch.testing.assert_close(ForeignClassifier(net)(video)[1], net(video[1]).mean(0))


def test_frames_are_normalised_as_the_model_knows_them():
    net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Flatten()).eval()
    pixel, mean, std = torch.rand(1, 1, 3, 1, 1), (0.5, 0.4, 0.3), (0.5, 0.25, 0.2)
    given = (pixel - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(
        3, 1, 1
    )
    own = (pixel - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(ForeignClassifier(net, mean=mean, std=std)(given)[0], net(own[0])[0])


def test_blocks_get_the_frames_of_clips_of_any_length():
    seen = []

    class Seen(nn.Identity):
        def forward(self, clips):
            seen.append(clips.shape[:2])
            return clips

    net = resnet18(num_classes=3).eval()
    attach_blocks(net, {"layer1": Seen()}, num_frames=2, input=torch.zeros(2, 3, 32, 32))
    ForeignClassifier(net)(torch.randn(2, 3, 1, 32, 32))
    assert seen[-1] == (2, 3)


def test_a_file_has_the_whole_model(model, tmp_path):
    path, video = save_model(model, tmp_path / "model.safetensors"), torch.rand(2, 2, 3, 64, 64)
    loaded = load_model(path)
    assert torch.equal(loaded(video), model(video))
    assert loaded.recipe == model.recipe
    spec = checkpoint_info(path).recipe.options["blocks"]["layer3"]
    assert spec == {**BLOCK, "layout": ("FCHW", (), 0), "element": ()}  # as found, not to be found again


def test_loading_fetches_no_weights_and_probes_nothing(model, tmp_path, monkeypatch):
    model.recipe.options["weights"] = "IMAGENET1K_V1"
    path = save_model(model, tmp_path / "model.safetensors")

    def fail(*args, **kwargs):
        raise AssertionError

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fail)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fail)
    monkeypatch.setattr("pyg_video.attachment.places.judge", fail)
    assert load_model(path).recipe.options["weights"] == "IMAGENET1K_V1"


def test_it_is_measured_and_looked_into_as_any_model(model):
    assert model_cost(model, (2, 3, 64, 64), runs=0).multiply_adds.graph > 0
    (graph,) = find_graphs(model, torch.rand(1, 2, 3, 64, 64)).values()
    assert graph.frames.shape == (1, 2, 9, 8)


def test_it_is_evaluated_as_any_model(model):
    clips = SyncMNIST(3, split="test", num_clips=4, num_frames=2, classes=(0, 1, 2, 3), frame_size=64)
    small = create_model("foreign_model", **{**SMALL, "num_classes": len(clips.label_names)})
    assert evaluate(small, DigitSource(clips, "some", "some")).top1.clips == 4


def test_it_predicts_as_any_model(model, tmp_path, request):
    pytest.importorskip("av")
    digit_videos = request.getfixturevalue("digit_videos")
    paths, *_ = digit_videos(1)
    path = save_model(model, tmp_path / "model.safetensors", {"label_names": list("abcde")})
    prediction = predict_video(path, paths[0], views=1)
    assert len(prediction.probability) == 5
    assert prediction.frames.shape[:1] == (2,)
    assert len(prediction.regions) == 1


def test_a_training_keeps_what_was_found(model):
    pytest.importorskip("pytorch_lightning")
    from pyg_video.training import VideoClassification
    from pyg_video.training.loading import task_of

    options = {"blocks": {"layer3": BLOCK}, "num_frames": 2}
    task = VideoClassification("foreign_model", num_classes=5, frame_size=64, model_options=options)
    assert task.hparams["model_options"] == {**options, "blocks": model.recipe.options["blocks"]}
    assert task.net.recipe == model.recipe
    again = task_of({"hyper_parameters": dict(task.hparams)})
    assert again.net.recipe == model.recipe


def test_a_class_of_the_users_is_a_factory(imported, tmp_path, monkeypatch):
    blocks = {"conv": {"name": "pyg_video.backbones.NonLocal", "options": {"inner_channels": 2}}}
    model = create_model(
        "foreign_model", num_classes=3, factory=imported, arguments={"width": 6}, blocks=blocks, frame_size=8
    )
    assert isinstance(model.net.graph_blocks.get_submodule("conv").block, NonLocal)
    assert model.axes == "BCTHW"
    assert model(torch.rand(2, 8, 3, 8, 8)).shape == (2, 3)
    path = save_model(model, tmp_path / "model.safetensors")
    assert checkpoint_info(path).module == "my_foreign_nets"
    load_model(path)
    monkeypatch.delitem(sys.modules, "my_foreign_nets")
    with pytest.raises(UnknownModelError, match="--import my_foreign_nets, or use load_model.*trust=True"):
        load_model(path)
    assert "my_foreign_nets" not in sys.modules


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factory": "resnet17"}, "or of timm as 'timm/...' .got 'resnet17'"),
        ({"factory": "antigravity.Net"}, "--import antigravity"),
        (
            {"arguments": {"pretrained": True}},
            "options of resnet18 that read no files .got 'pretrained'.; use 'weights'",
        ),
        ({"blocks": {"layer3": "os.system"}}, "At 'layer3': Expected 'os.system' to be a subclass of torch.nn.Module"),
        ({"blocks": {"layer3": "dyreg"}}, "Expected 'dyreg_block' or the path of a class at 'layer3' .got 'dyreg'"),
        ({"blocks": {"layer3": {"block": "x"}}}, "the block at 'layer3' as a name, or as a mapping of name, options"),
        ({"blocks": {"layer9": "dyreg_block"}}, "Expected the path of a module of ResNet, such as layer4"),
        ({"blocks": 3}, "Expected 'blocks' of foreign_model to be of the type of"),
        ({"axes": "THWC"}, "axes"),
    ],
)
def test_what_cannot_be_made_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        create_model("foreign_model", **{**SMALL, **options})


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (2, 2, 2, 8, 8)])
def test_what_is_no_video_is_refused(shape):
    with pytest.raises(ValueError, match=r"Expected 'video' of shape \[B, T, 1 or 3, H, W\]"):
        ForeignClassifier(nn.Conv2d(3, 2, 1))(torch.zeros(shape))
    with pytest.raises(ValueError, match="Expected a model that returns class scores"):
        ForeignClassifier(nn.Conv2d(3, 2, 1))(torch.zeros(1, 2, 3, 8, 8))


def frames_net(**options):
    return create_model("foreign_model", num_classes=3, num_frames=4, frame_size=32, **options).eval()


def test_frames_beyond_the_length_of_a_clip_do_not_count():
    model, video = frames_net(), torch.rand(2, 4, 3, 32, 32)
    lengths = torch.tensor([2, 4])
    alone = torch.cat([model(video[:1, :2]), model(video[1:])])
    torch.testing.assert_close(model(video, lengths=lengths), alone, rtol=1e-4, atol=1e-5)


def test_models_on_clips_take_whole_ones():
    model = frames_net(factory="r3d_18")
    with pytest.raises(ValueError, match="Expected whole clips of 4 frames, which VideoResNet sees at once"):
        model(torch.rand(1, 4, 3, 32, 32), lengths=torch.tensor([3]))


@pytest.mark.parametrize("factory", ["resnet18", "r3d_18"])
def test_streams_are_refused(factory):
    with pytest.raises(TypeError, match="Expected a module that depends on no later frames .got ForeignClassifier"):
        scan(frames_net(factory=factory), torch.rand(1, 2, 3, 32, 32))


def test_a_model_of_other_classes_is_refused():
    with pytest.raises(ValueError, match=r"returns class scores \[N, 3\] .got \[2, 5\]"):
        ForeignClassifier(resnet18(num_classes=5), num_classes=3)(torch.rand(1, 2, 3, 32, 32))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "dyreg_block", "layout": "FCHW"}, "Expected 'layout' at 'layer3' as a list of axes, grid, prefix"),
        ({"name": "dyreg_block", "layout": ["F", "C", "H", "W"]}, "Expected 'layout' at 'layer3'"),
        ({"name": "dyreg_block", "options": {"nodechannels": 3}}, "at .layer3. as a mapping of builder"),
        ({"name": "dyreg_block", "options": 5}, "Expected 'options' at 'layer3' as a mapping"),
    ],
)
def test_mistakes_in_a_block_are_named(spec, message):
    with pytest.raises(ValueError, match=message):
        frames_net(blocks={"layer3": spec})


def test_a_trusted_file_imports_the_module_of_its_blocks(tmp_path, monkeypatch):
    (tmp_path / "blocks_of_mine.py").write_text(
        "from pyg_video.backbones import NonLocal\n\n\nclass Mine(NonLocal):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("blocks_of_mine")
    path = save_model(frames_net(blocks={"layer3": "blocks_of_mine.Mine"}), tmp_path / "a.safetensors")
    assert checkpoint_info(path).module == "blocks_of_mine"
    del sys.modules["blocks_of_mine"]
    with pytest.raises(UnknownModelError, match="'blocks_of_mine.Mine' to be known.*--import blocks_of_mine, or use"):
        load_model(path)
    model = load_model(path, trust=True)
    assert type(model.net.graph_blocks.layer3.block).__name__ == "Mine"
    del sys.modules["blocks_of_mine"]
