"""Plans of clips from recorded trajectories."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..._checks import naming
from .plans import Plan

_KEYS = ("coords", "digit_index", "is_sync", "digit_in_front")
Arrays = Mapping[str, NDArray[np.generic]]


class RecordedPlan:
    r"""Plans clips from recorded trajectories; the first two digits of a synchronous clip are the pair.

    Args:
        source: an ``.npz`` file, or a mapping, with the arrays

            - ``coords`` :math:`[M, T, D, 2]`, integers: top-left corners (row, column) on the canvas,
            - ``digit_index`` :math:`[M, D]`, integers: which images of the digits' split,
            - ``is_sync`` :math:`[M]`: whether the first two digits move together,
            - ``digit_in_front`` :math:`[M]`: whether later digits are drawn over earlier ones, as in all clips of the
              authors' file, or under them.
        target: classes of the digits' images.
        room: largest position, in pixels: canvas size minus digit size.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file is not an ``.npz`` file, or an array is missing, has another shape or type, or points
            outside the canvas or the digits; or the two synchronous digits of a clip have the same class, for which
            there is no label.
    """

    def __init__(self, source: str | os.PathLike[str] | Arrays, *, target: Tensor, room: int) -> None:
        repair = "write it with numpy.savez, or fetch it again"
        with nullcontext() if isinstance(source, Mapping) else naming(source, "trajectories in an .npz file", repair):
            tensors = _checked(_read(source), target, room)
        self.position, self.image, self.is_sync, self.in_front = tensors
        self.num_frames = self.position.shape[1]

    def __len__(self) -> int:
        return len(self.is_sync)

    def __call__(self, index: Tensor) -> Plan:
        arrays = (self.position, self.image, self.is_sync, self.in_front)
        position, image, is_sync, in_front = (array[index.cpu()].to(index.device) for array in arrays)
        place = torch.arange(image.shape[1], device=index.device)
        order = torch.where(in_front[:, None].bool(), place, place.flip(0))
        return Plan(image, position, is_sync[:, None].bool() & (place < 2), order)


def _read(source: str | os.PathLike[str] | Arrays) -> dict[str, NDArray[np.int64]]:
    if isinstance(source, Mapping):
        arrays = dict(source)
    elif not os.path.isfile(source):
        raise FileNotFoundError(f"Expected trajectories in an .npz file (got {os.fspath(source)!r}, which is no file)")
    else:
        with Path(source).open("rb") as file, np.load(file) as content:  # NumPy alone leaves a damaged file open
            arrays = dict(content)
    if missing := [key for key in _KEYS if key not in arrays]:
        raise ValueError(f"Expected trajectories with the arrays {_KEYS} (got {sorted(arrays)}); add {missing}")
    return {key: _as_integers(key, np.asarray(arrays[key])) for key in _KEYS}


def _checked(arrays: Mapping[str, NDArray[np.int64]], target: Tensor, room: int) -> tuple[Tensor, ...]:
    """The arrays as tensors; raises unless their shapes and values go together."""
    position, image, is_sync, in_front = (torch.from_numpy(arrays[key]) for key in _KEYS)
    shape = position.shape
    if len(shape) != 4 or 0 in shape[:2] or shape[2] < 2 or shape[3] != 2:
        raise ValueError(
            "Expected 'coords' of shape [M, T, D, 2] with a clip, a frame and two digits or more "
            f"(got {list(shape)}); leave empty clips out"
        )
    M, _, D, _ = shape
    shapes = [tuple(x.shape) for x in (image, is_sync, in_front)]
    if shapes != [(M, D), (M,), (M,)]:
        raise ValueError(
            f"Expected 'digit_index', 'is_sync' and 'digit_in_front' of shapes {[(M, D), (M,), (M,)]}, "
            f"to go with the {M} clips of 'coords' (got {shapes})"
        )
    _check_range("coords", position, room, "enlarge 'canvas_size'")
    _check_range("digit_index", image, len(target) - 1, "pass the digits that the file was made for")
    pair = target[image[:, :2]]
    equal = (pair[:, 0] == pair[:, 1]) & is_sync.bool()
    if equal.any():
        clip = int(equal.nonzero()[0])
        raise ValueError(
            f"Expected 'digit_index' to pair digits of different classes (got two images of a {pair[clip, 0]} in clip "
            f"{clip}); pass the 'digits' and the 'split' that the trajectories were made for"
        )
    return position, image, is_sync, in_front


def _as_integers(name: str, array: NDArray[np.generic]) -> NDArray[np.int64]:
    """As int64: torch computes with few unsigned types."""
    if array.dtype.kind not in "iub":
        raise ValueError(
            f"Expected {name!r} to hold integers or truth values (got {array.dtype}); round and convert it"
        )
    return array.astype(np.int64)


def _check_range(name: str, value: Tensor, high: int, repair: str) -> None:
    if value.numel() and not 0 <= value.min() <= value.max() <= high:
        span = f"{value.min().item()} to {value.max().item()}"
        raise ValueError(f"Expected {name!r} to lie in [0, {high}] (got {span}); {repair}")
