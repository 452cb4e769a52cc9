"""Models in folders and on the Hugging Face Hub."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .._extras import need
from .._files import write_whole
from ..models import VideoClassifier
from .files import Json, checkpoint_info, load_file, save_model

if TYPE_CHECKING:
    from huggingface_hub import HfApi

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
    """The file of a model: the file itself, that of a folder, or that of a repository on the Hugging Face Hub.

    Args:
        name: a file, a folder that :func:`save_pretrained` wrote, or an id such as ``"someone/some-model"``. What is on
            the disk comes first.
        revision: branch, tag or commit of the repository.

    Raises:
        FileNotFoundError: there is no such file, folder or repository, or no model in it.
        ModuleNotFoundError: the package ``huggingface_hub`` is missing.
        OSError: the Hub cannot be reached.
    """
    path = Path(name)
    if path.is_dir():
        if not (path / WEIGHTS).is_file():
            raise FileNotFoundError(f"Expected a folder with {WEIGHTS} (got '{path}' without it)")
        return path / WEIGHTS
    if path.is_file() or path.suffix in (".safetensors", ".ckpt") or not _ID.fullmatch(os.fspath(name)):
        return path
    return _download(os.fspath(name), revision)


def load_model(name: str | os.PathLike[str], *, revision: str | None = None, trust: bool = False) -> VideoClassifier:
    """The model of a file, of a folder or of a repository on the Hugging Face Hub; on the CPU, in evaluation mode.

    Nothing else is needed: the file has the model's name and options inside.

    Args:
        name: a file that :func:`save_model` wrote, a folder of :func:`save_pretrained`, or the id of a repository on
            the Hub, such as ``"someone/some-model"`` (``pip install ".[hub]"`` in a checkout).
        revision: branch, tag or commit of the repository.
        trust: import the module that the file names, for a model of another package.

    Raises:
        FileNotFoundError: there is no such file, folder or repository.
        UnknownModelError: the model is from a module that was not imported; a :exc:`ValueError`.
        ValueError: the file is truncated, none of ours, or does not fit the model that it names.

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
    """Write a model as a folder for the Hugging Face Hub; gives the folder.

    The weights with the model's recipe inside, ``model.safetensors``, are all that :func:`load_model` reads;
    ``config.json`` tells people and the Hub the same. A ``README.md`` that is there stays.

    Args:
        model: a model made by :func:`~pyg_video.models.create_model`.
        folder: where to; made if need be.
        metadata: what else the files should tell, such as ``label_names``.
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
    """Upload a model to the Hugging Face Hub, into a repository that is made if need be; gives the commit's address.

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
    api = _api(token)
    with tempfile.TemporaryDirectory() as folder:
        _write(model, Path(folder), metadata, place=repo_id)
        api.create_repo(repo_id, private=private, exist_ok=True)
        if api.file_exists(repo_id, "README.md"):  # the card that its owner wrote stays
            (Path(folder) / "README.md").unlink()
        return str(api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message=message).commit_url)


def _write(model: VideoClassifier, folder: Path, metadata: Mapping[str, Json] | None, *, place: str) -> Path:
    path = save_model(model, folder / WEIGHTS, metadata)
    recipe, version, told, _ = checkpoint_info(path)
    config = {"model": recipe.name, "options": recipe.options, "pyg_video": version, "metadata": told}
    write_whole(folder / "config.json", json.dumps(config, indent=2) + "\n")
    if not (folder / "README.md").exists():
        card = _CARD.format(
            name=recipe.name,
            place=place,
            channels=model.backbone.in_channels,
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
            f"be reached: {_first_line(error)})"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise OSError(f"Expected to fetch '{repo_id}' from the Hugging Face Hub (got: {_first_line(error)})") from error


def _api(token: str | None) -> HfApi:
    need("huggingface_hub", "hub")
    from huggingface_hub import HfApi

    return HfApi(token=token)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
