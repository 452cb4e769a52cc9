"""Models in folders and on the Hugging Face Hub."""

import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .._checks import first_line
from .._extras import need
from .._files import write_whole
from ..models import VideoClassifier
from ..models.classifier import video_channels
from .files import Json, checkpoint_info, load_file, save_model
from .shipped import shipped_checkpoint, shipped_names

WEIGHTS = "model.safetensors"
_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_CARD = """\
---
library_name: pyg-video
pipeline_tag: video-classification
tags:
  - graph-neural-networks
  - pytorch-geometric
---

# {name}

A video classifier of the Python package `pyg_video`.

```python
from pyg_video import load_model

model = load_model("{place}")  # video [B, T, {channels}, H, W] -> class scores [B, {classes}]
```

Options of `create_model("{name}", ...)`:

```json
{options}
```
"""


def find_checkpoint(name: str | os.PathLike[str], revision: str | None = None) -> Path:
    """The path of a model's file, downloaded if it is on the Hugging Face Hub; arguments as :func:`load_model`.

    Raises:
        FileNotFoundError: there is no such folder or repository, or no model in it.
        ModuleNotFoundError: the package ``huggingface_hub`` is missing.
        OSError: the Hub cannot be reached.
    """
    path = Path(name)
    if os.path.isdir(path):
        if not os.path.isfile(path / WEIGHTS):
            raise FileNotFoundError(f"Expected a folder with {WEIGHTS} (got '{path}' without it)")
        return path / WEIGHTS
    if not os.path.isfile(path) and os.fspath(name) in shipped_names():
        return shipped_checkpoint(os.fspath(name))
    if not os.path.exists(path) and len(path.parts) == 1 and not path.suffix:
        raise FileNotFoundError(
            f"Expected a checkpoint: a file, a folder, a shipped model ({', '.join(shipped_names())}) or an id on the "
            f"Hub (got '{name}', which is none)"
        )
    if os.path.isfile(path) or path.suffix in (".safetensors", ".ckpt") or not _ID.fullmatch(os.fspath(name)):
        return path
    return _download(os.fspath(name), revision)


def load_model(name: str | os.PathLike[str], *, revision: str | None = None, trust: bool = False) -> VideoClassifier:
    """The model of a file, of a folder or of a repository on the Hugging Face Hub; on the CPU, in evaluation mode.

    Args:
        name: a file of :func:`save_model`, a folder of :func:`save_pretrained`, or, if neither exists, the name of a
            shipped model, such as ``"dyreg_gnn_small"``, or the id of a repository on the Hub, such as
            ``"someone/some-model"`` (``pip install ".[hub]"`` in a checkout).
        revision: branch, tag or commit of the repository.
        trust: import the module that the file names, for a model of another package; never imported otherwise.

    Raises:
        FileNotFoundError: there is no such file, folder or repository.
        UnknownModelError: the model is from a module that was not imported; a :exc:`ValueError`.
        ValueError: the file is truncated, not a checkpoint of this package, or does not fit the model that it names.

    Example:
        >>> from pyg_video.models import create_model
        >>> folder = save_pretrained(create_model("cnn_sync_mnist", num_classes=10), getfixture("tmp_path") / "cnn")
        >>> load_model(folder).recipe.options["num_classes"]
        10
    """
    return load_file(find_checkpoint(name, revision), trust=trust)


def save_pretrained(
    model: VideoClassifier, folder: str | os.PathLike[str], metadata: Mapping[str, Json] | None = None
) -> Path:
    """Write a model as a folder for the Hugging Face Hub; returns the folder.

    :func:`load_model` reads ``model.safetensors`` only; ``config.json`` and ``README.md`` describe the model to people.
    An existing ``README.md`` is kept.

    Args:
        model: a model made by :func:`~pyg_video.models.create_model`.
        folder: the folder; made if missing.
        metadata: further values to record, such as ``label_names``.
    """
    return _write(model, Path(folder), metadata, place=os.fspath(folder))


def push_to_hub(
    model: VideoClassifier,
    repo_id: str,
    *,
    metadata: Mapping[str, Json] | None = None,
    private: bool = False,
    token: str | None = None,
    message: str = "Upload a model of pyg_video",
) -> str:
    """Upload a model to the Hugging Face Hub, into a new or existing repository; returns the address of the commit.

    Args:
        model: a model made by :func:`~pyg_video.models.create_model`.
        repo_id: owner and name, ``"someone/some-model"``.
        metadata: as in :func:`save_pretrained`.
        private: whether a new repository is private.
        token: of the account; by default that of ``hf auth login``.
        message: of the commit.

    Raises:
        ModuleNotFoundError: the package ``huggingface_hub`` is missing.
        OSError: the Hub cannot be reached, or refuses.
    """
    if not _ID.fullmatch(repo_id):
        raise ValueError(f"Expected 'repo_id' as owner/name (got '{repo_id}')")
    need("huggingface_hub", "hub")
    from huggingface_hub import HfApi

    api = HfApi(token=token)
    with tempfile.TemporaryDirectory() as folder:
        _write(model, Path(folder), metadata, place=repo_id)
        api.create_repo(repo_id, private=private, exist_ok=True)
        if api.file_exists(repo_id, "README.md"):  # keep the owner's card
            (Path(folder) / "README.md").unlink()
        return str(api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message=message).commit_url)


def _write(model: VideoClassifier, folder: Path, metadata: Mapping[str, Json] | None, *, place: str) -> Path:
    path = save_model(model, folder / WEIGHTS, metadata)
    info = checkpoint_info(path)
    recipe, told = info.recipe, info.metadata
    config = {"model": recipe.name, "options": recipe.options, "pyg_video": info.version, "metadata": told}
    write_whole(folder / "config.json", json.dumps(config, indent=2) + "\n")
    if not (folder / "README.md").exists():
        card = _CARD.format(
            name=recipe.name,
            place=place,
            channels=video_channels(model),
            classes=recipe.options.get("num_classes", "K"),
            options=json.dumps(recipe.options, indent=2),
        )
        write_whole(folder / "README.md", card)
    return folder


def _download(repo_id: str, revision: str | None) -> Path:
    need("huggingface_hub", "hub")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError

    try:
        return Path(hf_hub_download(repo_id, WEIGHTS, revision=revision))
    except (RepositoryNotFoundError, EntryNotFoundError) as error:
        raise FileNotFoundError(
            f"Expected a file, a folder or a model on the Hugging Face Hub (got '{repo_id}', which is none, or cannot "
            f"be reached: {first_line(error)})"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise OSError(f"Expected to fetch '{repo_id}' from the Hugging Face Hub (got: {first_line(error)})") from error
