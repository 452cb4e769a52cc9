import json
import shutil
import sys
from types import SimpleNamespace

import pytest
import torch

from pyg_video.checkpoints import (
    find_checkpoint,
    load_model,
    push_to_hub,
    save_model,
    save_pretrained,
    shipped_checkpoint,
)
from pyg_video.checkpoints import hub as module
from pyg_video.models import create_model
from pyg_video.training import load_trained

TINY = {"num_classes": 5, "frame_size": 16, "channels": (4, 4), "strides": (2, 2)}


@pytest.fixture
def model():
    return create_model("cnn_sync_mnist", **TINY).eval()


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A Hub in a folder: repositories are folders in it."""
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError

    root = tmp_path / "hub"

    def download(repo_id, name, revision=None):
        path = root / repo_id / name
        if not path.is_file():
            raise EntryNotFoundError(f"no {name} in {repo_id}\nand more")
        return str(path)

    class Api:
        def __init__(self, token=None):
            self.token = token

        def create_repo(self, repo_id, *, private, exist_ok):
            (root / repo_id).mkdir(parents=True, exist_ok=exist_ok)

        def file_exists(self, repo_id, name):
            return (root / repo_id / name).is_file()

        def upload_folder(self, *, repo_id, folder_path, commit_message):
            shutil.copytree(folder_path, root / repo_id, dirs_exist_ok=True)
            return SimpleNamespace(commit_url=f"https://hub/{repo_id}/commit/{commit_message}")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    return root


def test_a_model_comes_back_from_its_folder(model, tmp_path):
    folder = save_pretrained(model, tmp_path / "cnn", {"label_names": list("abcde")})
    video = torch.rand(1, 3, 1, 16, 16)
    for again in (
        load_model(folder),
        load_model(folder / "model.safetensors"),
    ):
        assert torch.equal(again(video), model(video))
        assert again.recipe == model.recipe
    assert load_trained(folder).label_names == tuple("abcde")


def test_the_folder_tells_people_what_it_is(model, tmp_path):
    folder = save_pretrained(model, tmp_path / "cnn", {"accuracy": 0.9})
    config = json.loads((folder / "config.json").read_text())
    assert (config["model"], config["options"]["num_classes"]) == ("cnn_sync_mnist", 5)
    assert config["metadata"] == {"accuracy": 0.9}
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: pyg-video\n")
    assert f'load_model("{folder}")' in card
    (folder / "README.md").write_text("mine")
    save_pretrained(model, folder)
    assert (folder / "README.md").read_text() == "mine"
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]


def test_a_model_goes_to_the_hub_and_comes_back(model, hub):
    assert push_to_hub(model, "someone/tiny.cnn", message="first").endswith("someone/tiny.cnn/commit/first")
    video = torch.rand(1, 3, 1, 16, 16)
    assert torch.equal(load_model("someone/tiny.cnn")(video), model(video))
    assert 'load_model("someone/tiny.cnn")' in (hub / "someone" / "tiny.cnn" / "README.md").read_text()
    (hub / "someone" / "tiny.cnn" / "README.md").write_text("the owner's")
    push_to_hub(model, "someone/tiny.cnn")
    assert (hub / "someone" / "tiny.cnn" / "README.md").read_text() == "the owner's"


def test_what_is_on_the_disk_comes_first(model, hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_pretrained(model, "someone/tiny")
    assert find_checkpoint("someone/tiny").as_posix() == "someone/tiny/model.safetensors"
    save_model(model, "someone/else")
    assert find_checkpoint("someone/else").as_posix() == "someone/else"


@pytest.mark.parametrize("name", ["runs/nowhere.safetensors", "nowhere", "a/b/c", "someone/nowhere"])
def test_what_is_nowhere_is_named(hub, name):
    with pytest.raises(FileNotFoundError, match=rf"Expected .*\(got '{name}'"):
        load_model(name)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a folder with model.safetensors"):
        load_model(tmp_path)


def test_ids_without_an_owner_are_refused(model, hub):
    with pytest.raises(ValueError, match="Expected 'repo_id' as owner/name"):
        push_to_hub(model, "cnn")
    assert not hub.exists()


def test_an_unreachable_hub_is_an_error_of_one_line(monkeypatch):
    import huggingface_hub

    def fail(*args, **kwargs):
        raise ConnectionError("no network\nno network at all")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(OSError, match=r"Expected to fetch 'someone/x' .*\(got: no network\)$"):
        load_model("someone/x")


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModuleNotFoundError, match=r'huggingface_hub.*pip install "\.\[hub\]"'):
        module.find_checkpoint("someone/x")


def test_shipped_models_go_by_their_names(tmp_path, monkeypatch, model):
    assert find_checkpoint("dyreg_gnn_small") == shipped_checkpoint("dyreg_gnn_small")
    with pytest.raises(FileNotFoundError, match="a shipped model .cnn_small, dyreg_gnn_small.*got 'dyreg_gnn_smal'"):
        find_checkpoint("dyreg_gnn_smal")
    monkeypatch.chdir(tmp_path)
    save_model(model, "cnn_small")
    assert load_model("cnn_small").recipe.options["num_classes"] == 5  # a file of this name comes first
