"""Models to files and back."""

import json
import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from .._checks import naming
from .._files import write_whole
from .._version import __version__
from ..models import ModelRecipe, UnknownModelError, VideoClassifier, create_model
from ..models.registry import check_known, fresh_weights, recipe_modules
from .migration import migrated_options, migrated_weights
from .weights import check_weights, checksum

Json: TypeAlias = "bool | int | float | str | list[Json] | tuple[Json, ...] | dict[str, Json] | None"

_FORMAT = 2  # of the record below
_KEY = "pyg_video"  # under which the record is in the file's metadata
_RECORD = {"format": int, "version": str, "model": str, "options": dict, "metadata": dict}


class CheckpointInfo(NamedTuple):
    """The record in a checkpoint.

    Attributes:
        recipe: the model's name and options.
        version: the version of pyg_video that wrote it.
        metadata: that of :func:`save_model`.
        module: the module that defines the model; empty for the models of this package.
        checksum: SHA-256 of the weights; empty in files of earlier versions.
    """

    recipe: ModelRecipe
    version: str
    metadata: dict[str, Json]
    module: str = ""
    checksum: str = ""


def save_model(
    model: VideoClassifier, path: str | os.PathLike[str], metadata: Mapping[str, Json] | None = None
) -> Path:
    """Write a model's weights and recipe as safetensors, atomically; returns the path.

    The file has a checksum of the weights, which loading compares.

    Args:
        model: a model made by :func:`~pyg_video.models.create_model`.
        path: the file; missing folders are made.
        metadata: further values to record, such as the accuracy.

    Example:
        >>> from pyg_video.models import create_model
        >>> model = create_model("cnn_sync_mnist", num_classes=10)
        >>> path = save_model(model, getfixture("tmp_path") / "cnn.safetensors", {"accuracy": 0.9})
        >>> load_file(path).recipe.options["num_classes"]
        10
    """
    model = getattr(model, "_orig_mod", model)  # compiled
    recipe: ModelRecipe | None = getattr(model, "recipe", None)
    if recipe is None:
        raise ValueError(
            "Expected 'model' to be made by create_model (got one without a recipe); "
            "give your model a name with @register_model, or save its state_dict()"
        )
    record = {
        "format": _FORMAT,
        "version": __version__,
        "model": recipe.name,
        "options": recipe.options,
        "metadata": dict(metadata or {}),
    }
    if modules := recipe_modules(recipe):
        record["module"] = modules[0]
    tensors = {name: tensor.contiguous() for name, tensor in _named_tensors(model).items()}
    record["checksum"] = checksum(tensors)
    return write_whole(path, save(tensors, {"format": "pt", _KEY: json.dumps(record)}))


def load_file(path: str | os.PathLike[str], *, trust: bool = False) -> VideoClassifier:
    """The model of one file; arguments and errors as :func:`~pyg_video.checkpoints.load_model`."""
    info, tensors = _read(path)
    if trust:
        for module in filter(None, {info.module, *recipe_modules(info.recipe)}):
            import_module(module)
    try:
        with naming(path, "options of a model", keep=(UnknownModelError,)), fresh_weights(tensors):
            check_known(info.recipe.name, info.module)
            model = create_model(info.recipe.name, **info.recipe.options)
    except UnknownModelError as error:
        raise UnknownModelError(f"{error}, or use load_model('{path}', trust=True) if you trust the file") from None
    versions = f"it was written by pyg_video {info.version}, this is {__version__}"
    check_weights(tensors, _named_tensors(model), f"{info.recipe.name} in '{path}'", versions)
    model.load_state_dict(tensors, strict=False)  # the second names of tied weights are not in the file
    return model.eval()


def checkpoint_info(path: str | os.PathLike[str]) -> CheckpointInfo:
    """The record in a checkpoint, without reading its weights; errors as :func:`load_model`."""
    return _read(path, weights=False)[0]


def _named_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers, each under its first name: safetensors refuses tied weights."""
    first_name: dict[int, str] = {}
    state = model.state_dict(keep_vars=True)
    for name, tensor in state.items():
        first_name.setdefault(id(tensor), name)
    return {name: state[name].detach() for name in first_name.values()}


def _read(path: str | os.PathLike[str], *, weights: bool = True) -> tuple[CheckpointInfo, dict[str, Tensor]]:
    if not os.path.isfile(path):
        raise FileNotFoundError(f"Expected 'path' to be a checkpoint file (got '{path}', which is none)")
    try:
        with safe_open(path, framework="pt") as file:
            record = (file.metadata() or {}).get(_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys() if weights}  # noqa: SIM118 - it is no dict
    except SafetensorError as error:
        raise ValueError(
            f"Expected a whole safetensors file (got '{path}', which is truncated or something else: {error}); "
            "copy it again"
        ) from error
    if record is None:
        raise ValueError(
            f"Expected a file that pyg_video's save_model wrote (got '{path}', without its metadata); "
            "make the model by create_model and load the weights with safetensors"
        )
    info = _parse(path, record)
    if weights and info.checksum not in ("", checksum(tensors)):
        raise ValueError(
            f"Expected the weights that save_model wrote (got '{path}', whose weights have changed); copy it again"
        )
    return info, migrated_weights(tensors)


def _parse(path: str | os.PathLike[str], text: str) -> CheckpointInfo:
    with naming(path, "a whole record of save_model", "copy the file again"):
        record = json.loads(text)
        if wrong := [name for name, kind in _RECORD.items() if not isinstance(record[name], kind)]:
            raise TypeError(f"another kind of {wrong[0]}")
        options = {name: _as_option(value) for name, value in record["options"].items()}
        recipe = ModelRecipe(record["model"], migrated_options(record["model"], options))
        more = {name: str(record.get(name, "")) for name in ("module", "checksum")}
        info = CheckpointInfo(recipe, record["version"], record["metadata"], **more)
        newer = record["format"] > _FORMAT
    if newer:
        raise ValueError(
            f"Expected a checkpoint of format {_FORMAT} or older (got '{path}' of format {record['format']}, "
            f"written by pyg_video {info.version}); upgrade pyg_video"
        )
    return info


def _as_option(value: Json) -> Any:
    """A value from JSON, with tuples for lists."""
    if isinstance(value, dict):
        return {name: _as_option(item) for name, item in value.items()}
    return tuple(map(_as_option, value)) if isinstance(value, list) else value
