"""A slice of the sweep: kinds of networks, small."""

import pytest
import torch
import torchvision.models as tv
from attach import files_of_timm, names_in, outcome, places, smallest
from page import attach as table
from page import load

from pyg_video.models import zoo_model

KINDS = {  # model, its options, side of the frames, outcome at the middle and the last place
    "squeezenet1_1": ({}, 64, "accepted", "accepted"),
    "shufflenet_v2_x0_5": ({}, 96, "accepted", "accepted"),
    "swin_t": ({}, 64, "accepted", "accepted"),
    "timm/vit_tiny_patch16_224": ({"img_size": 64}, 64, "accepted", "led"),  # the class token reads the last block
    "timm/hrnet_w18_small": ({}, 96, "accepted", "accepted"),  # lists of maps
    "timm/crossvit_9_240": ({}, 240, "accepted", "led"),  # lists of tokens
    "timm/levit_128s": ({}, 224, "accepted", "accepted"),  # tokens of a grid padded to its stride
    "timm/hiera_tiny_224": ({"img_size": 128}, 128, "led", "accepted"),  # tokens by units
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_takes_blocks_or_names_another_place(name):
    if "timm" in name:
        pytest.importorskip("timm")
    options, side, *expected = KINDS[name]
    torch.manual_seed(0)
    model = zoo_model(name, options=options).eval()
    x = torch.rand(1, 3, side, side)
    assert [outcome(model, path, x)["outcome"] for path in places(model, x)] == expected


def test_places_are_the_outermost_blocks_that_are_run():
    model = tv.resnet18()
    assert places(model.eval(), torch.zeros(1, 3, 32, 32)) == ("layer2.1", "layer4.1")


def test_the_smallest_model_of_a_file():
    pytest.importorskip("timm")
    assert smallest(["vit_small_patch16_224", "vit_tiny_patch16_224"]) == "vit_tiny_patch16_224"
    assert "vit_tiny_patch16_224" in files_of_timm()["vision_transformer"]


@pytest.mark.parametrize("results", ["attach", "attach_transformers"])
def test_no_place_of_the_results_failed_or_was_refused_without_another(results):
    assert {row["outcome"] for row in load(results)["rows"]} <= {"accepted", "led"}
    assert "| library | models |" in table(results)


def test_the_results_are_of_all_models_of_the_table():
    assert {row["name"] for row in load("attach_transformers")["rows"]} == set(names_in("transformers"))
