import sys

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import resnet18

from pyg_video.models import zoo_model
from pyg_video.models.zoo import own_normalization


@pytest.fixture
def published(monkeypatch):
    """The weights that torchvision would download are these."""
    state = resnet18().state_dict()
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda url, **options: state)
    return state


def test_published_weights_leave_a_fresh_last_layer_for_other_classes(published):
    model = zoo_model("resnet18", "IMAGENET1K_V1", num_classes=7)
    assert torch.equal(model.layer1[0].conv1.weight, published["layer1.0.conv1.weight"])
    assert model.fc.weight.shape == (7, 512)
    same = zoo_model("resnet18", "DEFAULT", num_classes=1000)
    assert torch.equal(same.fc.weight, published["fc.weight"])


@pytest.mark.parametrize(
    ("weights", "options", "reason"),
    [
        ("IMAGENET1K_V1", {"norm_layer": lambda channels: nn.GroupNorm(1, channels)}, "Unexpected key"),
        ("IMAGENET1K_V1", {"width_per_group": 32, "groups": 2}, "only supports groups=1"),
        ("IMAGENET1K_V9", {}, "IMAGENET1K_V9"),
        ("", {"depth": 3}, "unexpected keyword argument 'depth'"),
    ],
)
def test_weights_and_options_that_do_not_fit_are_refused(published, weights, options, reason):
    with pytest.raises(ValueError, match=f"Expected weights and options of resnet18 that fit .got .*{reason}"):
        zoo_model("resnet18", weights, options, num_classes=7)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_come_from_a_file(tmp_path, suffix):
    net, path = resnet18(num_classes=3), tmp_path / f"net{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(net.state_dict(), path)
    assert torch.equal(zoo_model("resnet18", str(path), num_classes=3).conv1.weight, net.conv1.weight)
    with pytest.raises(ValueError, match="Expected weights of resnet18 .got '.*size mismatch for fc.weight"):
        zoo_model("resnet18", str(path))


@pytest.mark.parametrize("name", ["resnet17", "timm/resnet17", "timm/hf-hub:someone/some-model", "timm/local-dir:x"])
def test_only_names_of_the_libraries_are_made(name):
    if "timm" in name:
        pytest.importorskip("timm")
    with pytest.raises(ValueError, match=f"of timm as 'timm/...' .got '{name}'"):
        zoo_model(name)


@pytest.mark.parametrize("option", ["pretrained", "weights_backbone", "checkpoint_path", "pretrained_cfg", "cache_dir"])
def test_options_that_read_files_are_refused(option):
    with pytest.raises(ValueError, match=f"that read no files .got '{option}'.; use 'weights'"):
        zoo_model("resnet18", options={option: "x"})


def test_normalization_is_that_of_the_published_weights():
    assert own_normalization("resnet18") == ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    mean, _ = own_normalization("r3d_18")
    assert mean == [0.43216, 0.394666, 0.37645]
    pytest.importorskip("timm")
    assert own_normalization("timm/vit_tiny_patch16_224") == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def test_without_timm_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ModuleNotFoundError, match=r'timm.*pip install "\.\[timm\]"'):
        zoo_model("timm/vit_tiny_patch16_224")


@pytest.mark.parametrize("name", ["deeplabv3_resnet50", "fasterrcnn_resnet50_fpn", "raft_small"])
def test_models_that_fetch_weights_by_themselves_are_refused(name, monkeypatch):
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", None)
    with pytest.raises(ValueError, match=f"Expected a classifier of images or videos of torchvision.*got '{name}'"):
        zoo_model(name)


def test_a_file_that_is_not_there_is_no_reason_to_download():
    with pytest.raises(ValueError, match="as 'DEFAULT' or a file .got 'typo.safetensors', which is no file"):
        zoo_model("timm/resnet18", "typo.safetensors")
