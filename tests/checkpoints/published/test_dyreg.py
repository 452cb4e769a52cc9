"""The released TSM-ResNet-50 with three blocks: a file of exactly its names and shapes, against torchvision's parts.

The released weights themselves are not here; random ones are put under their names.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torchvision.models import resnet50

from pyg_video.checkpoints import load_model, load_published_dyreg, load_published_dyreg_block, save_model
from pyg_video.inspection import find_graphs

_PARITY = Path(__file__).parents[2] / "parity" / "golden"
SHAPES = json.loads((_PARITY / "dyreg_tsm_resnet50_state_dict_shapes.json").read_text())
PLACES = {"layer2.2": (128, 128, 28), "layer3.4": (256, 256, 14), "layer4.1": (512, 256, 7)}  # channels, nodes', map


def value(name, shape):
    """Random, of a size that keeps fifty layers in range; constants as the released code makes them."""
    side = next((PLACES[place][2] for place in PLACES if f".{place}." in name), 0)
    kind = name.split(".")[-1]
    if kind in ("ph_buf", "pw_buf"):
        return torch.full(shape, side / 2)
    if kind.startswith("arange"):
        return torch.arange(side).view(shape)
    if kind == "num_batches_tracked":
        return torch.tensor(7)
    if kind in ("running_var", "scale") or (kind == "weight" and len(shape) == 1):
        return 0.5 + torch.rand(shape)
    if len(shape) > 1:
        return torch.randn(shape) / math.sqrt(math.prod(shape[1:]))
    return 0.3 * torch.randn(shape)


def write(folder, weights, **options):
    path = folder / "dyreg_gnn_model_l2l3l4.pth.tar"
    args = argparse.Namespace(arch="resnet50", graph_params={2: {"H": 28, "name": "layer2"}}, lr_steps=[20.0, 40.0])
    beside = {"epoch": 41, "arch": "resnet50", "args": args, "best_prec1": np.float64(64.8), "lr": np.float32(0.1)}
    torch.save({"state_dict": weights, **beside}, path, **options)
    return path


@pytest.fixture(scope="module")
def released():
    torch.manual_seed(0)
    return {name: value(name, tuple(shape)) for name, shape in SHAPES.items()}


@pytest.fixture(scope="module")
def model(released, tmp_path_factory):
    path = write(tmp_path_factory.mktemp("released"), {f"module.{name}": w for name, w in released.items()})
    return load_published_dyreg(path)


def hollow(**changes):
    """All the names and shapes, in a small file."""
    whole = {f"module.{name}": torch.zeros(()).expand(shape) for name, shape in SHAPES.items()}
    return {name: tensor for name, tensor in (whole | changes).items() if tensor is not None}


def shifted(x, T):
    """An eighth of the channels from the frame after, an eighth from the frame before."""
    clips, fold = x.view(-1, T, *x.shape[1:]), x.size(1) // 8
    out = torch.zeros_like(clips)
    out[:, :-1, :fold] = clips[:, 1:, :fold]
    out[:, 1:, fold : 2 * fold] = clips[:, :-1, fold : 2 * fold]
    out[:, :, 2 * fold :] = clips[:, :, 2 * fold :]
    return out.view_as(x)


def reference(weights, video):
    """torchvision's ResNet-50 with shifts and blocks done by hand, at full resolution where the map is another."""
    base = {name.removeprefix("base_model."): w for name, w in weights.items() if "dynamic_graph" not in name}
    base = {name.replace(".conv1.net.", ".conv1.").replace(".conv2.0.block.", ".conv2."): w for name, w in base.items()}
    base = {name.replace("new_fc.", "fc."): w for name, w in base.items() if "residual_norm" not in name}
    net = resnet50(num_classes=174).eval()
    net.load_state_dict(base)
    T = video.size(1)
    x = net.maxpool(F.relu(net.bn1(net.conv1(video.flatten(0, 1)))))
    for i in range(1, 5):
        for j, part in enumerate(getattr(net, f"layer{i}")):
            y = part.conv2(F.relu(part.bn1(part.conv1(shifted(x, T)))))
            if f"layer{i}.{j}" in PLACES:
                y = block(weights, f"layer{i}.{j}", y.size(-1))(y.unflatten(0, (-1, T))).flatten(0, 1)
            y = part.bn3(part.conv3(F.relu(part.bn2(y))))
            x = F.relu(y + (part.downsample(x) if part.downsample else x))
    return net.fc(x.mean((-2, -1))).view(-1, T, 174).mean(1)


def block(weights, place, side):
    channels, nodes, trained = PLACES[place]
    prefix = f"base_model.{place}.conv2.1."
    own = {name.removeprefix(prefix): w for name, w in weights.items() if name.startswith(prefix)}
    sizes = {"H": side, "iH": trained, "full_res": True, "backbone_dim": channels, "node_dim": nodes}
    return load_published_dyreg_block(own, **sizes, project_i3d=channels != nodes)


def test_the_whole_network_is_torchvisions_with_shifts_and_blocks(released, model):
    video = torch.randn(2, 3, 3, 64, 64)
    with torch.no_grad():
        want, got = reference(released, video), model(video)
    assert (got - want).abs().max() < 1e-4 * want.abs().max()
    assert not model.training


def test_every_block_finds_its_regions(model):
    graphs = find_graphs(model, torch.randn(1, 2, 3, 64, 64))
    assert [tuple(g.kernel.shape[1:]) for g in graphs.values()] == [(8, 8), (4, 4), (2, 2)]


def test_names_as_the_released_file_itself_has_them_load_too(tmp_path):
    older = {name.replace(".conv2.0.block.", ".conv2.block."): w for name, w in hollow().items()}
    older = {name.replace(".conv2.1.", ".conv2."): w for name, w in older.items()}
    older["module.base_model.layer3.4.conv2.dynamic_graph.offset_alpha"] = torch.full((4,), 7.0)
    again = load_published_dyreg(write(tmp_path, older, _use_new_zipfile_serialization=False))
    assert again.get_parameter("backbone.stages.layer3.4.conv2.1.builder.gain").tolist() == [7.0] * 4


def test_the_loaded_model_is_saved_as_one_of_ours(model, tmp_path):
    again = load_model(save_model(model, tmp_path / "dyreg.safetensors"))
    assert again.recipe == model.recipe
    assert again.recipe.name == "dyreg_tsm_resnet50"


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("base_model.layer3.1.bn2.bias", None, "got them without base_model.layer3.1.bn2.bias"),
        ("base_model.layer2.2.conv2.1.dynamic_graph.offset_alpha", None, "without .*layer2.2.*offset_alpha"),
        ("base_model.layer5.weight", torch.zeros(1), "got them with base_model.layer5.weight"),
        ("new_fc.weight", torch.zeros(174, 1024), r"'new_fc.weight' .*shape \[174, 2048\] \(got \[174, 1024\]\)"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, name, tensor, message):
    with pytest.raises(ValueError, match=message):
        load_published_dyreg(write(tmp_path, hollow(**{f"module.{name}": tensor})))


def test_the_stages_with_a_block_and_the_number_of_classes_are_read_off(tmp_path):
    single = {name: w for name, w in hollow().items() if ".conv2.1." not in name or "layer3.4" in name}
    for place in ("layer2.2", "layer4.1"):
        single[f"module.base_model.{place}.conv2.weight"] = single.pop(
            f"module.base_model.{place}.conv2.0.block.weight"
        )
    single |= {"module.new_fc.weight": torch.zeros(5, 2048), "module.new_fc.bias": torch.zeros(5)}
    recipe = load_published_dyreg(write(tmp_path, single)).recipe
    assert (recipe.options["stages"], recipe.options["num_classes"]) == (("layer3",), 5)


def test_a_file_of_the_time_of_torch_1_7_is_read(tmp_path):
    path = write(tmp_path, hollow(), _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))  # as NumPy 1 called it
    assert load_published_dyreg(path).recipe.options["num_classes"] == 174


class Unwelcome:
    def __reduce__(self):
        return (print, ("this must not run",))


def test_code_in_a_file_is_refused_and_not_run(tmp_path, capsys):
    torch.save({"state_dict": hollow(), "args": Unwelcome()}, tmp_path / "bad.pth")
    with pytest.raises(ValueError, match="Expected a whole checkpoint of tensors and plain values"):
        load_published_dyreg(tmp_path / "bad.pth")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("share", [0.0, 0.3, 0.95])
def test_truncated_files_are_refused(tmp_path, share):
    path = write(tmp_path, hollow())
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ValueError, match="Expected a whole checkpoint"):
        load_published_dyreg(path)


def test_missing_files_and_other_contents_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="Expected 'path' to be a checkpoint file"):
        load_published_dyreg(tmp_path / "nowhere")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ValueError, match="Expected a dict with 'state_dict'"):
        load_published_dyreg(tmp_path / "list.pth")
