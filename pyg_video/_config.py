"""Configuration files of ``pyg-video fit``."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ._extras import need


def merged_config(paths: Sequence[str | os.PathLike[str]]) -> dict[str, Any]:
    """Read YAML files into one configuration, in which later files override earlier ones.

    Mappings are merged key by key at every depth. Other values are replaced, and so is a mapping that changes
    ``class_path``, since its options belong to the other class.

    Args:
        paths: the files, from general to specific.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a file is not YAML, or not a mapping.
    """
    config: dict[str, Any] = {}
    for path in paths:
        config = _merge(config, _read(Path(path)))
    return config


def _merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    if "class_path" in base and changes.get("class_path", base["class_path"]) != base["class_path"]:
        return dict(changes)
    both = {
        key: _merge(base[key], value) if isinstance(value, Mapping) and isinstance(base.get(key), Mapping) else value
        for key, value in changes.items()
    }
    return {**base, **both}


def _read(path: Path) -> Mapping[str, Any]:
    yaml, jsonargparse = need("yaml", "train"), need("jsonargparse", "train")
    if not os.path.isfile(path):
        raise FileNotFoundError(f"Expected 'config' to be a YAML file of pyg-video fit (got '{path}', no file)")
    try:
        content = jsonargparse.get_loader("yaml")(path.read_text())  # reads 1e-3 as a number, unlike yaml.safe_load
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"Expected 'config' to be a YAML file of pyg-video fit (got '{path}': {error})") from error
    if not isinstance(content, Mapping):
        raise ValueError(f"Expected 'config' to hold options by name (got '{path}' with {type(content).__name__})")
    return content
