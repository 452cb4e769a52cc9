"""Models of torchvision and timm by name, as feature extractors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

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
    file = weights if Path(weights).is_file() else None
    named = weights if file is None and weights else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = _made(name, named, dict(options or {}))
    if file is not None:
        try:
            model.load_state_dict(_state_dict(file))
        except RuntimeError as error:
            raise ValueError(
                f"Expected weights of {name} (got '{file}': {' '.join(str(error).split())[:200]})"
            ) from error
    return model


def _made(name: str, weights: str | None, options: Mapping[str, Option]) -> nn.Module:
    if name.startswith(_TIMM):
        return need("timm", "timm").create_model(name.removeprefix(_TIMM), pretrained=weights is not None, **options)
    from torchvision.models import get_model

    _check_name(name)
    return get_model(name, weights=weights, **options)


def _check_name(name: str) -> None:
    from torchvision.models import list_models

    if name not in list_models():
        raise ValueError(
            f"Expected 'extractor' to be a model of torchvision, or of timm as 'timm/...' (got '{name}'); "
            "torchvision.models.list_models() has the names"
        )


def _state_dict(file: str) -> dict[str, Tensor]:
    if Path(file).suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)
    return torch.load(file, weights_only=True, map_location="cpu")


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
    from torchvision.models import get_model_weights

    try:
        return str(get_model_weights(extractor)[weights])
    except KeyError as error:
        known = ", ".join(get_model_weights(extractor).__members__)
        raise ValueError(
            f"Expected 'weights' of {extractor} to be a file or one of {known} (got '{weights}')"
        ) from error
