import pytest
import torch
from torchvision.models import resnet18

from pyg_video.training import load_extractor
from pyg_video.training.data.extractors import weights_in_words


def test_random_weights_are_always_the_same_and_draw_no_numbers():
    state = torch.get_rng_state()
    one, other = load_extractor("resnet18"), load_extractor("resnet18")
    assert torch.equal(one.conv1.weight, other.conv1.weight)
    assert torch.equal(torch.get_rng_state(), state)


def test_weights_of_a_file_are_told_by_its_checksum(tmp_path):
    torch.save(resnet18(num_classes=3).state_dict(), tmp_path / "net.pth")
    assert weights_in_words("resnet18", str(tmp_path / "net.pth")).startswith("sha256 ")


def test_models_of_timm_have_a_prefix(monkeypatch):
    pytest.importorskip("timm")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert load_extractor("timm/vit_tiny_patch16_224", options={"img_size": 32}).num_prefix_tokens == 1


def test_the_default_weights_are_told_by_their_name():
    assert weights_in_words("vit_b_16", "DEFAULT") == "ViT_B_16_Weights.IMAGENET1K_V1"
    assert weights_in_words("vit_b_16", "") == f"random, torch {torch.__version__}"


def test_unknown_models_and_weights_are_refused():
    with pytest.raises(ValueError, match="of timm as .*got 'resnet17'"):
        load_extractor("resnet17")
    with pytest.raises(ValueError, match="Expected a classifier of images or videos of torchvision"):
        weights_in_words("resnet17", "DEFAULT")
    with pytest.raises(
        ValueError, match="'weights' of vit_b_16 to be a file or one of IMAGENET1K_V1, .*got 'lost.pth'"
    ):
        weights_in_words("vit_b_16", "lost.pth")
