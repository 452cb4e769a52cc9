"""Models by the dotted path of their class, such as ``"my_models.MyNet"``: networks without a registered name."""

import inspect
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn


class UnknownModelError(ValueError):
    """A model's name is not registered, or the module of its class is not imported."""


def module_of(path: str) -> str:
    """The module of a dotted path; empty for a name without a dot."""
    return path.rpartition(".")[0]


def is_class_path(name: str) -> bool:
    """Whether a name is a dotted path."""
    return "." in name and all(part.isidentifier() for part in name.split("."))


def find_class(path: str) -> type[nn.Module]:
    """The class of a dotted path; its module must have been imported before, nothing is imported here.

    Raises:
        UnknownModelError: the module is not imported.
        ValueError: the path does not lead to a subclass of :class:`torch.nn.Module`.
    """
    if (module := module_of(path)) not in sys.modules:
        raise UnknownModelError(unknown(path, module))
    found = getattr(sys.modules[module], path.rpartition(".")[2], None)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise ValueError(f"Expected '{path}' to be a subclass of torch.nn.Module (got {found!r})")
    return found


def unknown(name: str, module: str) -> str:
    """Error message for a model, or a block in one, whose module was not imported."""
    return (
        f"Expected '{name}' to be known (got none of that name; it is from the module '{module}'); "
        f"import that first, on the command line with --import {module}"
    )


def class_options(path: str) -> dict[str, Any]:
    """The options of a class with their defaults; ``None`` for those without one."""
    parameters = inspect.signature(find_class(path)).parameters.values()
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return {p.name: None if p.default is p.empty else p.default for p in named}


def class_paths(options: Any) -> Iterator[str]:
    """The dotted paths of classes in options: ``factory``, ``name`` (of a block) and ``class_path``, also nested."""
    if isinstance(options, Mapping):
        for key, value in options.items():
            if key in ("factory", "name", "class_path") and isinstance(value, str) and is_class_path(value):
                yield value
            yield from class_paths(value)
    elif isinstance(options, (list, tuple)):
        for value in options:
            yield from class_paths(value)


def build_class(path: str, options: Mapping[str, Any]) -> nn.Module:
    """An instance of a class; options may be modules in turn, as ``{"class_path": ..., "init_args": {...}}``."""
    cls = find_class(path)
    try:
        return cls(**{name: _built(value) for name, value in options.items()})
    except TypeError as error:
        raise ValueError(f"Expected options of {path} (got {', '.join(options) or 'none'}: {error})") from error


def _built(value: Any) -> Any:
    if isinstance(value, Mapping) and "class_path" in value:
        return build_class(value["class_path"], value.get("init_args") or {})
    if isinstance(value, Mapping):
        return {name: _built(item) for name, item in value.items()}
    return type(value)(map(_built, value)) if isinstance(value, (list, tuple)) else value
