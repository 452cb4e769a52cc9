"""Models of torchvision and timm by name, as feature extractors."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn
from torchvision.models import get_model_weights

from ...models import Option, zoo_model
from ...models.zoo import TIMM, check_name


def load_extractor(name: str, weights: str = "", options: Mapping[str, Option] | None = None) -> nn.Module:
    """A :func:`~pyg_video.models.zoo_model`; random weights are always the same.

    Args:
        name: such as ``"vit_b_16"`` or ``"timm/vit_small_patch14_dinov2"``.
        weights: as for :class:`~pyg_video.training.CachedFeatures`.
        options: further options of the model.

    Raises:
        ValueError: the model is unknown, or the weights are missing or do not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return zoo_model(name, weights, options)


def weights_in_words(extractor: str, weights: str) -> str:
    """A description that identifies the weights; raises as :func:`load_extractor`."""
    check_name(extractor)
    if not weights:
        return f"random, torch {torch.__version__}"
    if os.path.isfile(weights):
        with Path(weights).open("rb") as file:
            return f"sha256 {hashlib.file_digest(file, 'sha256').hexdigest()}"
    if extractor.startswith(TIMM):
        return weights
    try:
        return str(get_model_weights(extractor)[weights])
    except KeyError as error:
        known = ", ".join(get_model_weights(extractor).__members__)
        wanted = f"'weights' of {extractor} to be a file or one of {known}"
        raise ValueError(f"Expected {wanted} (got '{weights}')") from error
