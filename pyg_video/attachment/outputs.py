"""Tensors inside what modules return: tuples, lists, mappings and data classes, nested as deep as they are."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeAlias, cast

from torch import Tensor

from .._tracing import is_proxy

Key: TypeAlias = int | str
Keys: TypeAlias = tuple[Key, ...]
"""The way to a tensor in an output: an index or a name for every level; empty for an output that is the tensor."""


def tensors_in(output: object, keys: Keys = ()) -> Iterator[tuple[Keys, Tensor]]:
    """The tensors of an output, each with the way to it, in the output's order.

    Example:
        >>> import torch
        >>> [keys for keys, _ in tensors_in({"maps": [torch.zeros(1), torch.zeros(2)], "loss": None})]
        [('maps', 0), ('maps', 1)]
    """
    if isinstance(output, Tensor):
        yield keys, output
    for key, value in _items(output):
        yield from tensors_in(value, (*keys, key))


def element(output: object, keys: Keys) -> Tensor:
    """The tensor at the end of a way; raises :exc:`ValueError` where the output has none there."""
    found: Any = output
    for key in keys:
        known = dict(_items(found))
        if key not in known:
            raise ValueError(f"Expected an output with a part {key!r} (got {type(found).__name__} of {list(known)})")
        found = known[key]
    if not isinstance(found, Tensor) and not is_proxy(found):
        raise ValueError(f"Expected a module that gives a tensor{shown(keys)} (got {type(found).__name__})")
    return cast(Tensor, found)


def with_element(output: object, keys: Keys, value: Tensor) -> object:
    """A copy of an output with another tensor at the end of a way; the output is left as it is."""
    if not keys:
        return value
    key, *rest = keys
    part = with_element(dict(_items(output))[key], tuple(rest), value)
    if is_dataclass(output) and not isinstance(output, type):  # also Hugging Face's, which are mappings as well
        return replace(output, **{str(key): part})
    if isinstance(output, Mapping):
        twin = cast("dict[Key, object]", copy.copy(output))
        twin[key] = part
        return twin
    parts = [part if i == key else old for i, old in _items(output)]
    if hasattr(output, "_fields"):
        return cast(Any, type(output))(*parts)
    return cast(Any, type(output))(parts)


def shown(keys: Keys) -> str:
    """A way as it is written in Python.

    Example:
        >>> shown(("maps", 0))
        "['maps'][0]"
    """
    return "".join(f"[{key!r}]" for key in keys)


def told_grid(output: object) -> tuple[int, ...]:
    """The grid of tokens, if whole numbers behind them tell it, as MViT's ``(tokens, (T, H, W))``.

    Example:
        >>> told_grid((None, (1, 3, 3))), told_grid((None, 7, 7)), told_grid([None, None])
        ((1, 3, 3), (7, 7), ())
    """
    if not isinstance(output, tuple) or len(output) < 2:
        return ()
    rest = output[1] if len(output) == 2 else output[1:]
    return tuple(rest) if isinstance(rest, tuple) and all(type(side) is int for side in rest) else ()


def _items(output: object) -> list[tuple[Key, object]]:
    if isinstance(output, Mapping):
        return list(output.items())
    if is_dataclass(output) and not isinstance(output, type):
        return [(field.name, getattr(output, field.name)) for field in fields(output)]
    return list(enumerate(output)) if isinstance(output, (tuple, list)) else []
