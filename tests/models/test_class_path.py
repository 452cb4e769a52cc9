import sys
import types

import pytest
import torch
from torch import nn

from pyg_video.backbones import SmallCNN
from pyg_video.models import PoolHead, UnknownModelError, VideoClassifier, create_model, model_options
from pyg_video.models.class_path import class_paths
from pyg_video.models.registry import check_known, model_module


class MyNet(VideoClassifier):
    def __init__(self, num_classes: int, width: int = 4, act: nn.Module | None = None) -> None:
        super().__init__(SmallCNN(1, (width,), (2,)), PoolHead(width, num_classes))
        self.act = act


@pytest.fixture(autouse=True)
def name(monkeypatch):
    """The path of the class in a module that was imported."""
    module = types.ModuleType("imported_nets")
    module.MyNet, module.not_a_class = MyNet, 3
    monkeypatch.setitem(sys.modules, "imported_nets", module)
    return "imported_nets.MyNet"


def test_a_class_is_a_model_by_its_path(name):
    assert model_options(name) == {"num_classes": None, "width": 4, "act": None}
    model = create_model(name, num_classes=3)
    assert model.recipe == (name, {"num_classes": 3, "width": 4})
    assert model(torch.rand(1, 2, 1, 8, 8)).shape == (1, 3)


def test_parts_are_built_from_their_paths(name):
    act = {"class_path": "torch.nn.Sequential", "init_args": {}}
    assert isinstance(create_model(name, num_classes=3, act=act).act, nn.Sequential)
    leaky = {"class_path": "torch.nn.LeakyReLU", "init_args": {"negative_slope": 0.5}}
    assert create_model(name, num_classes=3, act=leaky).act.negative_slope == 0.5


def test_nothing_is_imported():
    with pytest.raises(UnknownModelError, match="'antigravity'.*--import antigravity"):
        create_model("antigravity.Model")
    assert "antigravity" not in sys.modules
    check_known("cnn_sync_mnist", "")
    with pytest.raises(UnknownModelError, match="from the module 'antigravity'"):
        check_known("unknown_net", "antigravity")


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("os.system", {"command": "echo"}, "'os.system' to be a subclass of torch.nn.Module"),
        ("imported_nets.not_a_class", {}, "to be a subclass of torch.nn.Module .got 3"),
        ("imported_nets.Missing", {}, "to be a subclass of torch.nn.Module .got None"),
        ("imported_nets.MyNet", {}, "Expected options of imported_nets.MyNet .got width: .*num_classes"),
        ("imported_nets.MyNet", {"num_classes": 3, "depth": 1}, "Expected options of imported_nets.MyNet .*depth"),
        ("imported_nets.MyNet", {"num_classes": 3, "act": nn.ReLU()}, "that JSON can hold"),
        ("imported_nets.MyNet", {"num_classes": 3, "act": {"class_path": "os.system"}}, "'os.system' to be a subclass"),
    ],
)
def test_what_is_no_module_class_is_refused(path, options, message):
    with pytest.raises(ValueError, match=message):
        create_model(path, **options)


def test_the_module_of_a_model(name):
    assert model_module("cnn_sync_mnist") == ""
    assert model_module(name) == "imported_nets"


def test_all_paths_of_classes_in_options_are_found():
    block = {"name": "b.Block", "options": {"norm": {"class_path": "c.Norm"}}}
    options = {
        "factory": "a.Net",
        "blocks": {"layer3": block, "layer4": "dyreg_block"},
        "arguments": [{"class_path": "d.Part"}],
        "weights": "e.safetensors",
    }
    assert list(class_paths(options)) == ["a.Net", "b.Block", "c.Norm", "d.Part"]
