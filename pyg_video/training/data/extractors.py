"""Models of torchvision and timm by name, as feature extractors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torchvision.models import get_model, get_model_weights, list_models

from ..._extras import need
from ...models import Option

_TIMM = "timm/"


def load_extractor(name: str, weights: str = "", options: Mapping[str, Option] | None = None) -> nn.Module:
    """A model of torchvision or, with the prefix ``timm/``, of timm.

    Args:
        name: such as ``"vit_b_16"`` or ``"timm/vit_small_patch14_dinov2"``.
        weights: as for :class:`~pyg_video.training.CachedFeatures`.
        options: further options of the model.

    Raises:
        ValueError: the model is unknown, or the weights are missing or do not fit.
    """
    is_file = Path(weights).is_file()
    named, given = weights if weights and not is_file else None, dict(options or {})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if name.startswith(_TIMM):
            create = need("timm", "timm").create_model
            model: nn.Module = create(name.removeprefix(_TIMM), pretrained=named is not None, **given)
        else:
            _check_name(name)
            model = get_model(name, weights=named, **given)
    if is_file:
        safe = Path(weights).suffix == ".safetensors"
        state = load_file(weights) if safe else torch.load(weights, weights_only=True, map_location="cpu")
        try:
            model.load_state_dict(state)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"Expected weights of {name} (got '{weights}': {reason})") from error
    return model


def _check_name(name: str) -> None:
    if name not in list_models():
        raise ValueError(
            f"Expected 'extractor' to be a model of torchvision, or of timm as 'timm/...' (got '{name}'); "
            "torchvision.models.list_models() has the names"
        )


def weights_in_words(extractor: str, weights: str) -> str:
    """A description that identifies the weights; raises as :func:`load_extractor`."""
    if not extractor.startswith(_TIMM):
        _check_name(extractor)
    if not weights:
        return f"random, torch {torch.__version__}"
    if Path(weights).is_file():
        with Path(weights).open("rb") as file:
            return f"sha256 {hashlib.file_digest(file, 'sha256').hexdigest()}"
    if extractor.startswith(_TIMM):
        return weights
    try:
        return str(get_model_weights(extractor)[weights])
    except KeyError as error:
        known = ", ".join(get_model_weights(extractor).__members__)
        wanted = f"'weights' of {extractor} to be a file or one of {known}"
        raise ValueError(f"Expected {wanted} (got '{weights}')") from error
