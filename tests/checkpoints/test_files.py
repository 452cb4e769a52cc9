import contextlib
import importlib
import json
import pickle
import resource
import sys

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torchvision import models

from pyg_video._version import __version__
from pyg_video.checkpoints import checkpoint_info, load_model, save_model
from pyg_video.models import PoolHead, UnknownModelError, VideoClassifier, create_model, registry
from pyg_video.training import load_trained

TINY = {"num_classes": 4, "frame_size": 12, "channels": (4, 4), "strides": (2, 1)}


@pytest.fixture
def model():
    return create_model("cnn_sync_mnist", **TINY).eval()


@pytest.mark.parametrize("name", ["cnn_sync_mnist", "dyreg_gnn_sync_mnist", "rstg_sync_mnist"])
def test_what_is_saved_comes_back(tmp_path, name):
    model = create_model(name, **TINY).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    again = load_model(save_model(model, tmp_path / "new" / "model.safetensors"))
    video = torch.rand(2, 3, 1, 12, 12)
    assert torch.equal(again(video), model(video))
    assert again.recipe == model.recipe
    assert not again.training


def test_the_file_says_what_it_is(tmp_path, model):
    path = save_model(model, tmp_path / "model.safetensors", {"accuracy": 0.97, "classes": ["a", "b"]})
    info = checkpoint_info(path)
    assert info.recipe.name == "cnn_sync_mnist"
    assert info.version == __version__
    assert info.metadata == {"accuracy": 0.97, "classes": ["a", "b"]}


def test_a_checkpoint_needs_no_published_weights_again(tmp_path, monkeypatch):
    published = models.resnet18().state_dict()
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *_, **__: published)
    model = create_model("tsm_resnet18", num_classes=3, weights="IMAGENET1K_V1")
    path = save_model(model, tmp_path / "model.safetensors")
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", None)
    again = load_model(path)
    assert again.recipe == model.recipe
    assert torch.equal(again.backbone.stages["stem"].conv1.weight, published["conv1.weight"])


def test_a_failed_save_leaves_the_earlier_file(tmp_path, model, monkeypatch):
    path = save_model(model, tmp_path / "model.safetensors")
    before = path.read_bytes()

    def full_disk(descriptor: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_model(create_model("cnn_sync_mnist", **TINY), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_models_without_a_recipe_are_refused(tmp_path, model):
    with pytest.raises(ValueError, match="made by create_model"):
        save_model(VideoClassifier(model.backbone, PoolHead(4, 3)), tmp_path / "model.safetensors")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"checkpoint file \(got '.*nowhere"):
        load_model(tmp_path / "nowhere")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_truncated_files_are_refused(tmp_path, model, share):
    path = save_model(model, tmp_path / "model.safetensors")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=r"whole safetensors file .*truncated or something else"):
        load_model(path)


def test_a_changed_bit_in_a_weight_is_noticed(tmp_path, model):
    path = save_model(model, tmp_path / "model.safetensors")
    content = bytearray(path.read_bytes())
    for at in (-1, -100, -400):  # the weights are at the end
        content[at] ^= 1
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"model.safetensors', whose weights have changed"):
            load_model(path)
        content[at] ^= 1
    path.write_bytes(content)
    assert load_model(path).recipe == model.recipe


def test_files_without_a_checksum_are_loaded(tmp_path, model):
    path = save_model(model, tmp_path / "model.safetensors")
    rewrite(path, lambda tensors, record: None)
    assert checkpoint_info(path).checksum == ""
    assert load_model(path).recipe == model.recipe


def test_pickles_are_refused_and_not_run(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(pickle.dumps({"weight": 1}))
    with pytest.raises(ValueError, match="whole safetensors file"):
        load_model(path)


def test_files_of_others_are_refused(tmp_path):
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="without its metadata"):
        load_model(tmp_path / "other.safetensors")


def rewrite(path, change):
    with safe_open(path, framework="pt") as file:
        record = json.loads(file.metadata()["pyg_video"])
    tensors = load_file(path)
    del record["checksum"]
    change(tensors, record)
    save_file(tensors, path, {"pyg_video": json.dumps(record)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors, record: tensors.pop("head.linear.bias"), "got them without head.linear.bias"),
        (lambda tensors, record: tensors.update(extra=torch.zeros(1)), "got them with extra"),
        (lambda tensors, record: tensors.update({"head.linear.bias": torch.zeros(7)}), r"shape \[4\] .*got \[7\]"),
        (lambda tensors, record: tensors.update({"head.linear.bias": torch.zeros(4).int()}), "float32 .*got .*int32"),
        (lambda tensors, record: record.update(format=99), "upgrade pyg_video"),
        (lambda tensors, record: record.update(model="lost"), "name of a model"),
        (lambda tensors, record: record["options"].update(depth=3), "got 'depth'"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, model, change, message):
    path = save_model(model, tmp_path / "model.safetensors")
    rewrite(path, change)
    with pytest.raises(ValueError, match=message):
        load_model(path)


def refusal(load, path):
    """What is said of a file that is not read; else its path."""
    try:
        load(path)
    except ValueError as error:
        return str(error)
    return str(path)


@pytest.mark.parametrize("name", ["format", "version", "model", "options", "metadata"])
@pytest.mark.parametrize("value", [None, [], {}, "x", 0.5, ["x"], {"x": None}])
def test_forged_records_are_refused_or_read(tmp_path, model, name, value):
    path = save_model(model, tmp_path / "model.safetensors")
    rewrite(path, lambda tensors, record: record.update({name: value}))
    for load in (load_model, load_trained):
        said = refusal(load, path)
        assert str(path) in said
        assert "\n" not in said


@pytest.mark.parametrize(
    "options", [{"channels": 0.9}, {"channels": [4, 4], "strides": [2]}, {"depth": 1}, {"channels": [[]]}, {"": None}]
)
def test_errors_about_the_options_in_a_file_name_it(tmp_path, model, options):
    path = save_model(model, tmp_path / "model.safetensors")
    rewrite(path, lambda tensors, record: record["options"].update(options))
    with pytest.raises(ValueError, match=rf"{path}: Expected|Expected options of a model in '{path}'"):
        load_model(path)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cnn_small", {"channels": [10**6] * 5, "strides": [1] * 5}),
        ("tracks_small", {"arrangement": [200, 200]}),
        ("dyreg_gnn_small", {"arrangement": [200, 200]}),
        ("rstg_small", {"update_layers": 10**30}),
    ],
)
def test_options_that_would_fill_the_memory_are_refused(tmp_path, name, options):
    path = save_model(load_model(name), tmp_path / "model.safetensors")
    rewrite(path, lambda tensors, record: record["options"].update(options))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for load in (load_model, load_trained):
        with pytest.raises(ValueError, match="Expected options of a model with about .* values, those of the file"):
            load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600_000  # kilobytes


@pytest.mark.parametrize("text", ["null", "[]", "7", 10**5 * "[", '{"format": 2}', "{"])
def test_damaged_records_are_refused(tmp_path, text):
    save_file({"weight": torch.zeros(2)}, tmp_path / "a.safetensors", {"pyg_video": text})
    with pytest.raises(ValueError, match=r"Expected a whole record of save_model in '.*a.safetensors' \(got"):
        load_model(tmp_path / "a.safetensors")


def test_a_compiled_model_saves_what_it_compiled(tmp_path):
    model = create_model("cnn_sync_mnist", frame_size=12)
    path = save_model(torch.compile(model), tmp_path / "m.safetensors")
    assert load_model(path).recipe == model.recipe
    assert checkpoint_info(path).recipe == model.recipe


MODULE = """
from pathlib import Path
from pyg_video.backbones import SmallCNN
from pyg_video.models import PoolHead, VideoClassifier, register_model

Path("imported").touch()

@register_model
def a_foreign_net(num_classes: int = 3) -> VideoClassifier:
    return VideoClassifier(SmallCNN(1, (2,), (2,)), PoolHead(2, num_classes))
"""


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """A checkpoint of a model whose module is in the working directory, and not imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    (tmp_path / "foreign_nets.py").write_text(MODULE)
    importlib.import_module("foreign_nets")
    path = save_model(create_model("a_foreign_net"), tmp_path / "foreign.safetensors")
    monkeypatch.setattr(registry, "_ENTRIES", {k: v for k, v in registry._ENTRIES.items() if k != "a_foreign_net"})
    del sys.modules["foreign_nets"]
    (tmp_path / "imported").unlink()
    yield path
    sys.modules.pop("foreign_nets", None)


def test_a_checkpoint_of_another_package_names_its_module(foreign):
    assert checkpoint_info(foreign).module == "foreign_nets"
    message = r"'a_foreign_net' .* module 'foreign_nets'.*--import foreign_nets, or use load_model\(.*, trust=True\)"
    with pytest.raises(UnknownModelError, match=message):
        load_model(foreign)


def test_a_checkpoint_imports_no_module_unless_it_is_trusted(foreign, tmp_path):
    for load in (load_model, load_trained, checkpoint_info):
        with contextlib.suppress(UnknownModelError):
            load(foreign)
    assert "foreign_nets" not in sys.modules
    assert not (tmp_path / "imported").exists()
    model = load_model(foreign, trust=True)
    assert model.recipe.name == "a_foreign_net"
    assert (tmp_path / "imported").exists()


def test_trust_imports_nothing_for_the_models_of_this_package(tmp_path, model):
    assert checkpoint_info(save_model(model, tmp_path / "model.safetensors")).module == ""
    assert load_model(tmp_path / "model.safetensors", trust=True).recipe == model.recipe
