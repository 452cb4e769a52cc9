"""Errors that many public doors share."""

from collections.abc import Sequence

import torch
from torch import Tensor


def check_option(name: str, value: str | int, known: Sequence[str | int]) -> None:
    """Raise a :exc:`ValueError` that lists the known values of an option unless ``value`` is one of them."""
    if value not in known:
        raise ValueError(f"Expected '{name}' to be one of {', '.join(map(repr, known))} (got {value!r})")


def check_arrangement(arrangement: Sequence[int]) -> tuple[int, int]:
    """Rows and columns of regions, or a :exc:`ValueError`."""
    if len(arrangement) != 2 or min(arrangement) < 1:
        raise ValueError(f"Expected 'arrangement' to be rows and columns, at least 1 each (got {tuple(arrangement)})")
    return arrangement[0], arrangement[1]


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


def looks_free(value: Tensor) -> bool:
    """Whether reading the values of a tensor costs nothing: not while compiling, and not on a GPU."""
    return not torch.compiler.is_compiling() and value.device.type == "cpu"
