"""Seeded mutations of a file: of its bytes, of its text, and of the values that it holds."""

import copy
import io
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

import numpy as np
import torch
import yaml
from safetensors.torch import load, save
from torch import Tensor

_DEEP = "@deep@"  # stands for a value that is nested too deeply for any writer
_SAFE = "pyg_video"  # the record in the metadata of a safetensors file
_ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 0.9, 1e-30, 1e308, float("nan"), float("-inf"), 2**31, 10**12, 10**30, _DEEP),
    *("", "²", "a\0b", "\x1b[31mred\n", "=1+1", "../../x", "\ud800", "nan", "null", 3000 * "x", "x" + 200_000 * "y"),
    *([], {}, [None], [[]], [0.9, "x"], {"x": None}, {"": []}, {"class_path": "x"}, list(range(1000))),
)
_SIGNS = ("", ",", ";", '"', "'", "\n", "\t", "\0", "\r", ":", "{", "}", "[", "]", "&a [*a]", "\ufeff", "é", "- ")


class Format(NamedTuple):
    """How a file becomes values, in dictionaries and lists, and back."""

    read: Callable[[bytes], Any]
    write: Callable[[Any], bytes]


def mutated(content: bytes, chance: Random, *, text: bool = False, form: Format | None = None) -> bytes:
    """The content of a file, changed somewhere.

    Args:
        content: of a whole file.
        chance: decides what is changed.
        text: whether it is text, of which lines, numbers and signs are changed as well.
        form: how to read and write its values, of which one to four are changed in half of all cases.
    """
    if form is not None and chance.random() < (0.5 if text else 0.7):
        for _ in range(20):
            try:
                return form.write(_tree(form.read(content), chance))
            except Exception:  # values that this format cannot hold
                continue
    return _text(content, chance) if text and chance.random() < 0.7 else _bytes(content, chance)


def _bytes(content: bytes, chance: Random) -> bytes:
    """Bytes changed, zeroed, cut, doubled or inserted somewhere."""
    changed, place = bytearray(content), chance.randrange(len(content))
    kind = chance.choice(["bytes", "head", "hole", "cut", "twice", "more"])
    if kind in ("bytes", "head"):
        for _ in range(chance.choice([1, 5, 30])):
            changed[chance.randrange(len(changed) if kind == "bytes" else min(500, len(changed)))] = chance.randrange(
                256
            )
    elif kind == "hole":
        changed[place : place + 1500] = bytes(len(changed[place : place + 1500]))
    elif kind == "cut":
        del changed[place:]
    else:
        changed[place:place] = changed[place : place + 900] if kind == "twice" else chance.randbytes(200)
    return bytes(changed)


def _text(content: bytes, chance: Random) -> bytes:
    """Lines dropped, doubled or exchanged; a number, word or sign replaced; more behind the end."""
    text = content.decode()
    lines = text.splitlines(keepends=True)
    place, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    kind = chance.choice(["drop", "double", "exchange", "word", "word", "word", "sign", "more", "deep"])
    if kind == "drop":
        del lines[place]
    elif kind == "double":
        lines.insert(other, lines[place])
    elif kind == "exchange":
        lines[place], lines[other] = lines[other], lines[place]
    elif kind == "more":
        lines.append(chance.choice([text, "x", "]", "{}", "\0", "\n\n,", lines[place]]))
    else:
        lines = _replaced(text, chance, kind)
    return "".join(lines).encode(errors="surrogatepass")


def _replaced(text: str, chance: Random, kind: str) -> list[str]:
    """The text with what stands between two signs replaced, or a sign inserted."""
    place = chance.randrange(len(text))
    if kind == "sign":
        return [text[:place], chance.choice(_SIGNS), text[place + chance.randrange(2) :]]
    if kind == "deep":
        return [text[:place], 50_000 * chance.choice("[{("), text[place:]]
    ends = [at for at, sign in enumerate(text) if sign in ' \n,;:"{}[]']
    start = chance.choice([-1, *ends]) + 1
    end = next((at for at in ends if at > start), len(text))
    word = chance.choice(_ODD)
    return [text[:start], word if isinstance(word, str) else json.dumps(word), text[end:]]


def _tree(tree: Any, chance: Random) -> Any:
    """Nested values with one to four of them replaced, removed, renamed, exchanged or doubled."""
    holder = {"": copy.deepcopy(tree)}
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        places = list(_places(holder))
        (parent, key), (other, its_key) = chance.choice(places), chance.choice(places)
        kind = chance.choice(["odd", "odd", "odd", "remove", "rename", "exchange", "double"])
        if kind == "remove" and key != "":
            del parent[key]
        elif kind == "rename" and isinstance(parent, dict) and key != "":
            parent[f"{key}x" if chance.random() < 0.5 else str(chance.choice(_ODD))[:300]] = parent.pop(key)
        elif kind == "exchange":
            parent[key], other[its_key] = copy.deepcopy(other[its_key]), copy.deepcopy(parent[key])
        elif kind == "double" and isinstance(parent, list):
            parent.append(parent[key])
        else:
            value = parent[key]
            arrays = isinstance(value, (np.ndarray, Tensor)) and chance.random() < 0.8
            parent[key] = _array(value, chance) if arrays else copy.deepcopy(chance.choice(_ODD))
    return holder[""]


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """All dictionaries and lists, with each of their keys."""
    if isinstance(tree, (dict, list)):
        for key in tree if isinstance(tree, dict) else range(len(tree)):
            yield tree, key
            yield from _places(tree[key])


def _array(value: Any, chance: Random) -> Any:
    """Another array: of another type or shape, or with other values."""
    array = value.numpy().copy() if isinstance(value, Tensor) else value.copy()
    kinds = (np.float64, np.float16, np.int64, np.int8, np.uint16, np.bool_, np.complex64, np.dtype("U3"), object)
    changes: list[Callable[[], Any]] = [
        lambda: array[:0],
        lambda: array[None],
        lambda: array[: len(array) // 2],
        lambda: np.concatenate([array, array]),
        lambda: array.reshape(-1),
        lambda: array.astype(chance.choice(kinds)),
        lambda: np.full_like(array, chance.choice([-1, 100, 2**31 - 1, 10**12, np.nan, np.inf])),
        lambda: np.where(np.arange(array.size).reshape(array.shape) == 0, chance.choice([-1, 10**6, np.nan]), array),
    ]
    with np.errstate(all="ignore"):
        changed = np.ascontiguousarray(chance.choice(changes)())
    return torch.from_numpy(changed) if isinstance(value, Tensor) else changed


def _json(tree: Any) -> str:
    return json.dumps(tree).replace(f'"{_DEEP}"', 50_000 * "[" + 50_000 * "]")


def _write_yaml(tree: Any) -> bytes:
    text: str = yaml.safe_dump(tree)
    return text.replace(f"'{_DEEP}'", 500 * "[" + 500 * "]").encode()


def _read_arrays(content: bytes) -> dict[str, Any]:
    with np.load(io.BytesIO(content)) as file:
        return dict(file)


def _write_arrays(tree: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **tree)
    return file.getvalue()


def _read_safetensors(content: bytes) -> dict[str, Any]:
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    record = json.loads(header.get("__metadata__", {}).get(_SAFE, "{}"))
    record.pop("checksum", None)  # which would refuse all other tensors before they are looked at
    return {"record": record, "tensors": dict(sorted(load(content).items()))}  # loaded in any order


def _write_safetensors(tree: dict[str, Any]) -> bytes:
    tensors = {name: tensor.contiguous() for name, tensor in tree["tensors"].items()}
    return save(tensors, {_SAFE: _json(tree["record"])} if "record" in tree else {"format": "pt"})


def _read_pickle(content: bytes) -> Any:
    return torch.load(io.BytesIO(content), weights_only=True)


def _write_pickle(tree: Any) -> bytes:
    file = io.BytesIO()
    torch.save(tree, file)
    return file.getvalue()


JSON = Format(json.loads, lambda tree: _json(tree).encode())
YAML = Format(yaml.safe_load, _write_yaml)
ARRAYS = Format(_read_arrays, _write_arrays)
SAFETENSORS = Format(_read_safetensors, _write_safetensors)
CHECKPOINT = Format(_read_pickle, _write_pickle)
