"""Errors that many public doors share."""

import csv
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeGuard, TypeVar

import torch
from torch import Tensor, nn

_MOST_FRAMES = 4.0

Part = TypeVar("Part")
Kind = TypeVar("Kind", bound=nn.Module)


def check_option(name: str, value: str | int, known: Sequence[str | int]) -> None:
    """Raise a :exc:`ValueError` that lists the known values of an option unless ``value`` is one of them."""
    if value not in known:
        raise ValueError(f"Expected '{name}' to be one of {', '.join(map(repr, known))} (got {value!r})")


def resolve(option: str, given: str | Part, known: Mapping[str, Callable[[], Part]]) -> Part:
    """The part that an option names, or the part that was given instead of a name.

    Args:
        option: name of the option, for the error.
        given: a name, or the part itself.
        known: for every name, a function that makes the part.

    Raises:
        ValueError: the name is unknown; lists the known ones.

    Example:
        >>> resolve("kind", "list", {"list": list, "set": set}), resolve("kind", {3}, {"list": list})
        ([], {3})
    """
    if not isinstance(given, str):
        return given
    check_option(option, given, tuple(known))
    return known[given]()


def rows_and_columns(num_nodes: int | Sequence[int], name: str = "num_nodes") -> tuple[int, int]:
    """Rows and columns of an arrangement of nodes.

    A number of nodes is factorised as squarely as possible, with no more rows than columns.

    Raises:
        ValueError: ``num_nodes`` is neither a number nor two numbers of at least 1.

    Example:
        >>> rows_and_columns(9), rows_and_columns(6), rows_and_columns(7), rows_and_columns((4, 2))
        ((3, 3), (2, 3), (1, 7), (4, 2))
    """
    given = tuple(num_nodes) if isinstance(num_nodes, Sequence) else (1, num_nodes)
    if len(given) != 2 or not all(isinstance(n, int) and n >= 1 for n in given):
        raise ValueError(
            f"Expected '{name}' to be a number of nodes or (rows, columns), each an integer of at least 1 "
            f"(got {num_nodes!r})"
        )
    if isinstance(num_nodes, Sequence):
        return given[0], given[1]
    rows = max(n for n in range(1, math.isqrt(num_nodes) + 1) if num_nodes % n == 0)
    return rows, num_nodes // rows


def check_stages(stages: Sequence[str], known: Sequence[str]) -> None:
    """Raise a :exc:`ValueError` unless ``stages`` names stages of a backbone, each at most once."""
    if len(set(stages)) < len(stages) or not set(stages) <= set(known):
        raise ValueError(f"Expected 'stages' among {', '.join(known)}, each at most once (got {tuple(stages)})")


def check_lengths(lengths: Tensor, num_clips: int, num_frames: int) -> None:
    """Raise a :exc:`ValueError` unless ``lengths`` holds a number of frames, 1 to ``num_frames``, for every clip."""
    if not isinstance(lengths, Tensor) or lengths.shape != (num_clips,) or lengths.is_floating_point():
        got = f"{list(lengths.shape)} of {lengths.dtype}" if isinstance(lengths, Tensor) else type(lengths).__name__
        raise ValueError(f"Expected 'lengths' as a tensor of integers of shape [{num_clips}] (got {got})")
    if looks_free(lengths) and not (int(lengths.min()) >= 1 and int(lengths.max()) <= num_frames):
        raise ValueError(f"Expected 'lengths' between 1 and T = {num_frames} (got {lengths.tolist()})")


def check_fractions(name: str, box: Tensor, present: Tensor | None = None, repair: str = "") -> None:
    """Raise a :exc:`ValueError` if values of the boxes that are present can't be fractions of a frame, but are pixels.

    A box may lie outside of the frame, but not four frames away. Boxes with a NaN are not present.
    """
    if not looks_free(box):
        return
    seen = box.detach() if present is None else box.detach()[present]
    seen = seen[seen.isfinite()]
    largest = float(seen.abs().max()) if seen.numel() > 0 else 0.0
    if largest > _MOST_FRAMES:
        raise ValueError(
            f"Expected '{name}' as fractions of the frame (got values up to {largest:g}, as of pixels); "
            f"divide by the frame's width and height{repair}"
        )


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def naming(
    path: str | os.PathLike[str], what: str, repair: str = "", keep: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Raise whatever the content of a file raises as an error in one line that names the file.

    Args:
        path: of the file, or several in words.
        what: what it is expected to hold, for errors that do not say what they expected.
        repair: what to do about these.
        keep: kinds of errors that stay of their kind, beside :exc:`FileNotFoundError`; the others are a
            :exc:`ValueError`.

    Example:
        >>> with naming("a.json", "a list of classes", "fetch it again"):
        ...     {}["id"]
        Traceback (most recent call last):
        ValueError: Expected a list of classes in 'a.json' (got no 'id'); fetch it again
    """
    try:
        yield
    except ModuleNotFoundError:  # of an optional package
        raise
    except Exception as error:  # of JSON, zip, numpy, torch: of many kinds
        kind = next((kind for kind in (*keep, FileNotFoundError) if isinstance(error, kind)), ValueError)
        text = " ".join(str(error).split())
        if not text.startswith("Expected "):
            text = first_line(error)  # torch goes on with advice
            if isinstance(error, KeyError):
                text = f"no {text}"
            elif not isinstance(error, (ValueError, OSError, csv.Error)):
                text = f"{type(error).__name__}: {text}"
            text = f"Expected {what} in '{path}' (got {text})" + (f"; {repair}" if repair else "")
        raise kind(text if str(path) in text else f"{path}: {text}") from error


def is_plain(part: nn.Module, *kinds: type[Kind]) -> TypeGuard[Kind]:
    """Whether a part computes what the parameters of its kind say: no hooks, no wrapper or other class in its place."""
    hooks = (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks, part._backward_pre_hooks)
    own = type(part).forward in [kind.forward for kind in kinds] and "forward" not in vars(part)
    return own and not any(hooks)


def looks_free(value: Tensor) -> bool:
    """Whether reading the values of a tensor costs nothing: not while compiling, and not on a GPU."""
    return not torch.compiler.is_compiling() and value.device.type == "cpu"
