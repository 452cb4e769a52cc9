"""Images of handwritten digits: bundled, or MNIST."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

INK = 10  # a pixel this bright, of 255, belongs to the digit
SPLITS = ("train", "test")
_TILE = 28
_BUNDLED = Path(__file__).with_name("uci_digits.npz")


class Digits(NamedTuple):
    """Images of digits and their classes.

    Shapes:
        - **image:** :math:`[M, S, S]`, uint8
        - **target:** :math:`[M]`, int64
    """

    image: Tensor
    target: Tensor


def load_digits(
    source: str | os.PathLike[str] = "bundled",
    split: str = "train",
    *,
    download: bool = False,
    size: int | None = None,
) -> Digits:
    """Images of handwritten digits; the two splits share no image.

    Args:
        source: ``"bundled"``, the 1,797 UCI digits inside this package, enlarged to look like MNIST (for their origin
            and licence see ``UCI_DIGITS.md`` beside this file); or the root of :class:`torchvision.datasets.MNIST`.
        split: ``"train"`` or ``"test"``. Of the bundled digits the last fifth of each class is the test split.
        download: download MNIST into ``source`` if missing.
        size: side of the images; the digits are resized from 28 x 28 if it differs.

    Raises:
        ValueError: the split is unknown, or the size is less than 1.
        FileNotFoundError: MNIST is missing from ``source``.

    Example:
        >>> load_digits("bundled", "test", size=14).image.shape
        torch.Size([355, 14, 14])
    """
    if split not in SPLITS:
        raise ValueError(f"Expected 'split' to be one of {SPLITS} (got {split!r})")
    if not isinstance(source, str | os.PathLike):
        raise TypeError(f"Expected 'digits' to be 'bundled' or the root folder of MNIST (got {source!r})")
    if size is not None and size < 1:
        raise ValueError(f"Expected the digits' size to be at least 1 pixel (got {size}); MNIST has {_TILE}")
    digits = _load_bundled(split) if source == "bundled" else _load_mnist(source, split, download)
    if size is None or size == digits.image.shape[-1]:
        return digits
    image = F.interpolate(digits.image[:, None].float(), size=(size, size), mode="bilinear", antialias=True)
    return Digits(image[:, 0].round().byte(), digits.target)


def _load_bundled(split: str) -> Digits:
    with np.load(_BUNDLED) as file:
        image, target = torch.from_numpy(file["image"]), torch.from_numpy(file["target"]).long()
    one_hot = F.one_hot(target)
    count = one_hot.sum(0)
    rank = (one_hot.cumsum(0) * one_hot).sum(1) - 1  # number of earlier images of the same class
    chosen = (rank >= count[target] - count[target] // 5) == (split == "test")
    return Digits(_like_mnist(image[chosen]), target[chosen])


def _like_mnist(image: Tensor) -> Tensor:
    """8 x 8 counts of ink, 0 to 16, as 20 x 20 strokes on a 28 x 28 tile.

    The margin is added before the bicubic step so that strokes at the border get round ends too; the contrast step
    undoes the blur of the upsampling and leaves strokes about as thick as MNIST's (ink on 20 % of a tile; MNIST: 17).
    """
    padded = F.pad(image[:, None].float() / 16, (2, 2, 2, 2))  # [M, 1, 12, 12]
    large = F.interpolate(padded, size=(30, 30), mode="bicubic", align_corners=False)[..., 1:29, 1:29]
    return ((large - 0.3) * 1.8).clamp(0, 1).mul(255).round().byte()[:, 0]


def _load_mnist(root: str | os.PathLike[str], split: str, download: bool) -> Digits:
    from torchvision.datasets import MNIST

    try:
        mnist = MNIST(os.fspath(root), train=split == "train", download=download)
    except RuntimeError as error:
        if download:
            raise
        raise FileNotFoundError(
            "Expected 'digits' to be 'bundled' or a folder that holds MNIST/raw as torchvision lays it out "
            f"(got {os.fspath(root)!r}, without MNIST); pass download=True to fetch it, or digits='bundled'"
        ) from error
    return Digits(mnist.data, mnist.targets)
