import json

import pytest
import torch
from safetensors.torch import save_file

from pyg_video.checkpoints import checkpoint_info, load_model, shipped_checkpoint
from pyg_video.checkpoints.migration import migrated_options, migrated_weights
from pyg_video.models import create_model, list_models, model_options

SMALL, TSM, RSTG = "dyreg_gnn_sync_mnist", "dyreg_tsm_resnet50", "rstg_resnet50"


@pytest.mark.parametrize(
    ("model", "old", "today"),
    [
        ("cnn_sync_mnist", {"frame": 40, "readout": "last"}, {"frame_size": 40, "readout": "last"}),
        ("rstg_sync_mnist", {"num_stages": 2}, {"num_iterations": 2}),
        (SMALL, {"stage": -1, "stages": ()}, {"stages": ()}),
        (SMALL, {"stage": -2, "stages": ()}, {"stages": ("stage2",)}),
        (SMALL, {"stage": 0, "channels": (4, 4)}, {"stages": ("stage1",), "channels": (4, 4)}),
        (SMALL, {"stages": [-2, -1], "channels": [4] * 5}, {"stages": ("stage4", "stage5"), "channels": [4] * 5}),
        (TSM, {"stages": (3, 5)}, {"stages": ("layer2", "layer4")}),
        ("dyreg_i3d_resnet50", {"stages": (4,)}, {"stages": ("layer3",)}),
        (RSTG, {"stages": (2, 3, 4)}, {"stages": ("layer1", "layer2", "layer3")}),
        (RSTG, {"stages": ()}, {"stages": ()}),
        ("of_somebody", {"frame": 40, "stages": (3,)}, {"frame": 40, "stages": (3,)}),
    ],
)
def test_old_options_get_todays_names(model, old, today):
    assert migrated_options(model, old) == today


@pytest.mark.parametrize("model", list_models())
def test_options_of_today_stay(model):
    options = model_options(model)
    assert migrated_options(model, options) == options
    assert migrated_options("video_resnet", {"num_stages": 3}) == {"num_stages": 3}


@pytest.mark.parametrize("backbone", ["i3d", "c2d"])
def test_old_names_of_non_local_blocks_become_todays(backbone):
    with torch.device("meta"):
        model = create_model("non_local_resnet50", backbone=backbone)
    names = list(model.state_dict())
    old = list(names)
    for place in model.recipe.options["non_local"]:
        old = [name.replace(f"{place}.0.", f"{place}.").replace(f"{place}.1.", f"{place}_non_local.") for name in old]
    assert sum("_non_local" in name for name in old) == 5 * 13
    assert list(migrated_weights(dict.fromkeys(old))) == names
    assert list(migrated_weights(dict.fromkeys(names))) == names


def write_format_1(path, model, tensors, options):
    record = {"format": 1, "version": "0.1.0", "model": model, "options": options, "metadata": {}}
    save_file(tensors, path, {"format": "pt", "pyg_video": json.dumps(record)})
    return path


@pytest.mark.parametrize("stages", [{"stage": -2}, {"stage": -1, "stages": [0]}])
def test_a_file_of_format_1_is_the_same_model(tmp_path, stages):
    options = {"num_classes": 4, "channels": [4, 4], "strides": [2, 1], "region_channels": 4}
    model = create_model(SMALL, **options, frame_size=12, num_iterations=2, stages=("stage1",), residual_scale=1.0)
    old = options | {"frame": 12, "num_stages": 2, "residual_scale": 1.0} | stages
    path = write_format_1(tmp_path / "old.safetensors", SMALL, model.state_dict(), old)
    again, video = load_model(path), torch.rand(1, 2, 1, 12, 12)
    assert again.recipe == model.recipe
    assert torch.equal(again(video), model.eval()(video))


def test_a_non_local_file_of_format_1_is_the_same_model(tmp_path):
    options = {"num_classes": 3, "depth": 18, "num_stages": 2, "non_local": ("layer2.1",)}
    model = create_model("non_local_resnet50", **options)
    torch.nn.init.ones_(model.get_submodule("backbone.stages.layer2.1.1.norm").weight)
    names = {"layer2.1.0.": "layer2.1.", "layer2.1.1.": "layer2.1_non_local."}
    tensors = {}
    for name, tensor in model.state_dict().items():
        found = next((today for today in names if today in name), "")
        tensors[name.replace(found, names.get(found, ""))] = tensor
    path = write_format_1(tmp_path / "old.safetensors", "non_local_resnet50", tensors, options)
    video = torch.rand(1, 4, 3, 32, 32)
    assert torch.equal(load_model(path)(video), model.eval()(video))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cnn_small", {"frame_size": 40}),
        ("rstg_small", {"frame_size": 40, "num_iterations": 3}),
        ("dyreg_gnn_small", {"frame_size": 40, "num_iterations": 3, "output": "vector"}),
    ],
)
def test_shipped_files_have_todays_options(name, options):
    recipe = checkpoint_info(shipped_checkpoint(name)).recipe
    assert recipe.options.keys() <= model_options(recipe.name).keys()
    assert options.items() <= recipe.options.items()
    assert load_model(shipped_checkpoint(name)).recipe.options.items() >= recipe.options.items()
