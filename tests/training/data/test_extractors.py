import sys

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import resnet18

from pyg_video.training import load_extractor
from pyg_video.training.data.extractors import weights_in_words


def test_random_weights_are_always_the_same_and_draw_no_numbers():
    state = torch.get_rng_state()
    one, other = load_extractor("resnet18"), load_extractor("resnet18")
    assert torch.equal(one.conv1.weight, other.conv1.weight)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_come_from_a_file(tmp_path, suffix):
    net, path = resnet18(num_classes=3), tmp_path / f"net{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(net.state_dict(), path)
    assert torch.equal(load_extractor("resnet18", str(path), {"num_classes": 3}).conv1.weight, net.conv1.weight)
    with pytest.raises(ValueError, match="Expected weights of resnet18 .got '.*size mismatch for fc.weight"):
        load_extractor("resnet18", str(path))
    assert weights_in_words("resnet18", str(path)).startswith("sha256 ")


def test_models_of_timm_have_a_prefix(monkeypatch):
    pytest.importorskip("timm")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert load_extractor("timm/vit_tiny_patch16_224", options={"img_size": 32}).num_prefix_tokens == 1


def test_the_default_weights_are_told_by_their_name():
    assert weights_in_words("vit_b_16", "DEFAULT") == "ViT_B_16_Weights.IMAGENET1K_V1"
    assert weights_in_words("vit_b_16", "") == f"random, torch {torch.__version__}"


def test_unknown_models_and_weights_are_refused():
    with pytest.raises(ValueError, match="Expected 'extractor' to be a model of torchvision, .*got 'resnet17'"):
        load_extractor("resnet17")
    with pytest.raises(ValueError, match="Expected 'extractor' to be a model of torchvision"):
        weights_in_words("resnet17", "DEFAULT")
    with pytest.raises(
        ValueError, match="'weights' of vit_b_16 to be a file or one of IMAGENET1K_V1, .*got 'lost.pth'"
    ):
        weights_in_words("vit_b_16", "lost.pth")


def test_without_timm_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ModuleNotFoundError, match=r'timm.*pip install "\.\[timm\]"'):
        load_extractor("timm/vit_tiny_patch16_224")
