import pytest
import torch
from torchvision import models

from pyg_video.checkpoints import save_model
from pyg_video.models import create_model
from pyg_video.training import VideoClassification, load_trained
from pyg_video.training.callbacks import export

TINY = {"num_classes": 4, "frame_size": 16, "channels": (4, 4), "strides": (2, 2)}


@pytest.fixture
def checkpoint(tiny_task, tiny_data, tiny_trainer, tmp_path):
    data = tiny_data()
    task, trainer = tiny_task(label_names=data.label_names), tiny_trainer(max_epochs=1)
    trainer.fit(task, data)
    return task, tmp_path / "run" / "checkpoints" / "last.ckpt"


def test_a_lightning_checkpoint_and_its_export_are_the_same_model(checkpoint):
    task, path = checkpoint
    export(path, metric="val/acc", score=None)
    lightning, exported = load_trained(path), load_trained(path.with_suffix(".safetensors"))
    assert lightning.label_names == exported.label_names == task.label_names
    assert lightning.model.recipe == exported.model.recipe
    for name, value in task.net.state_dict().items():
        assert torch.equal(lightning.model.state_dict()[name], value)
        assert torch.equal(exported.model.state_dict()[name], value)
    assert not lightning.model.training


def test_a_lightning_checkpoint_of_an_earlier_version_is_the_same_model(tmp_path):
    parts = {"channels": (4, 4), "strides": (2, 2), "region_channels": 4}
    today = parts | {"stages": ("stage1",), "num_iterations": 2}
    task = VideoClassification("dyreg_gnn_sync_mnist", 6, 16, model_options=today)
    old = dict(task.hparams) | {"model_options": parts | {"stage": 0, "num_stages": 2}}
    torch.save({"hyper_parameters": old, "state_dict": task.state_dict()}, tmp_path / "old.ckpt")
    model = load_trained(tmp_path / "old.ckpt").model
    assert model.recipe == task.net.recipe
    assert all(torch.equal(value, task.net.state_dict()[name]) for name, value in model.state_dict().items())


def test_a_file_need_not_name_the_classes(tmp_path):
    trained = load_trained(save_model(create_model("cnn_sync_mnist", **TINY), tmp_path / "cnn.safetensors"))
    assert trained.label_names == ()
    assert (trained.option("frame_size", 3), trained.option("no such option", 3)) == (16, 3)


@pytest.mark.parametrize(
    "about",
    [
        *({"num_frames": value} for value in (0, -1, 1.5, 10**9, 10**30, 10**400, torch.nan)),
        *({"frame_size": value} for value in (0, 2.5, torch.inf)),
        *({"frame_rate": value} for value in (0, -1.0, torch.nan, torch.inf, 10**30)),
        {"label_names": ["a"]},
        {"label_names": list("abcde")},
    ],
)
def test_what_clips_and_classes_cannot_be_is_refused(tmp_path, about):
    path = save_model(create_model("cnn_sync_mnist", **TINY), tmp_path / "cnn.safetensors", about)
    with pytest.raises(ValueError, match=rf"{path}"):
        load_trained(path)
    parts = {name: TINY[name] for name in ("channels", "strides")}
    task = VideoClassification("cnn_sync_mnist", 4, 16, model_options=parts)
    hyper = dict(task.hparams) | {name: value for name, value in about.items() if name != "frame_size"}
    torch.save({"hyper_parameters": hyper, "state_dict": task.state_dict()}, tmp_path / "last.ckpt")
    if about.keys() != {"frame_size"}:
        with pytest.raises(ValueError, match="last.ckpt"):
            load_trained(tmp_path / "last.ckpt")


def test_what_is_told_of_clips_in_other_kinds_of_values_tells_nothing(tmp_path):
    about = {"num_frames": "8", "frame_rate": None, "frame_size": [16], "label_names": {"a": 1}}
    trained = load_trained(save_model(create_model("cnn_sync_mnist", **TINY), tmp_path / "cnn.safetensors", about))
    assert trained[1:] == ((), None, None, None)


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
def test_no_file(tmp_path, suffix):
    with pytest.raises(FileNotFoundError, match="checkpoint file"):
        load_trained(tmp_path / f"none{suffix}")


def _keep(length):
    return lambda path: path.write_bytes(path.read_bytes()[:length])


def _change_a_weight(path):
    content = bytearray(path.read_bytes())
    at = content.index(torch.load(path, weights_only=True)["state_dict"]["net.head.linear.weight"].numpy().tobytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "spoil",
    [
        _keep(0),
        _keep(1000),
        _keep(-100),
        _change_a_weight,
        lambda path: path.write_text("weights"),
        lambda path: path.write_bytes(b"\x80\x02."),
        lambda path: torch.save(torch.zeros(3), path),
        lambda path: torch.save({"state_dict": {}}, path),
        lambda path: torch.save({**torch.load(path, weights_only=True), "state_dict": {"a": torch.zeros(1)}}, path),
        lambda path: torch.save({**torch.load(path, weights_only=True), "hyper_parameters": {"hidden": 3}}, path),
    ],
    ids=["empty", "head", "tail", "bit", "text", "pickle", "tensor", "keys", "weights", "module"],
)
def test_damaged_and_other_checkpoints_are_refused(checkpoint, spoil):
    _, path = checkpoint
    spoil(path)
    with pytest.raises(ValueError, match=r"Expected .*last.ckpt|last.ckpt: Expected"):
        load_trained(path)


def test_a_changed_checkpoint_is_not_resumed_from(checkpoint, tiny_task, tiny_data, tiny_trainer):
    _, path = checkpoint
    _change_a_weight(path)
    data = tiny_data()
    with pytest.raises(ValueError, match="whose part .* has changed"):
        tiny_trainer(max_epochs=2, folder="again").fit(tiny_task(label_names=data.label_names), data, ckpt_path=path)


def test_loading_fetches_and_opens_nothing_but_the_file(tmp_path, monkeypatch):
    published = models.resnet18().state_dict()
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *_, **__: published)
    options = {"weights": "IMAGENET1K_V1"}
    task = VideoClassification(
        "tsm_resnet18", 3, model_options=options, backbone_from="nowhere.safetensors", freeze_to="layer1"
    )
    torch.save({"hyper_parameters": dict(task.hparams), "state_dict": task.state_dict()}, tmp_path / "a.ckpt")
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", None)
    model = load_trained(tmp_path / "a.ckpt").model
    assert model.recipe == task.net.recipe
    assert model.recipe.options["weights"] == "IMAGENET1K_V1"
    assert torch.equal(model.backbone.stages["stem"].conv1.weight, published["conv1.weight"])


def test_damaged_safetensors_are_refused(tmp_path):
    path = save_model(create_model("cnn_sync_mnist", **TINY), tmp_path / "cnn.safetensors")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match="Expected a whole safetensors file"):
        load_trained(path)
