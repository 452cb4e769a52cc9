"""Models of torchvision and timm by name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .._extras import need
from .classifier import Option

TIMM = "timm/"
_READS_FILES = {"pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "pretrained_strict", "checkpoint_path"}
_READS_FILES |= {"cache_dir", "state_dict", "weights", "weights_backbone"}
_AS_WITH_WEIGHTS: dict[str, Option] = {"transform_input": True, "aux_logits": True}
_MADE_FOR_WEIGHTS = {"googlenet": _AS_WITH_WEIGHTS, "inception_v3": _AS_WITH_WEIGHTS}  # else their weights change them


def zoo_model(
    name: str, weights: str = "", options: Mapping[str, Option] | None = None, *, num_classes: int | None = None
) -> nn.Module:
    """A model of torchvision or, with the prefix ``timm/``, of timm.

    Args:
        name: such as ``"vit_b_16"`` or ``"timm/vit_small_patch14_dinov2"``.
        weights: torchvision's name of weights (timm: ``"DEFAULT"``), a file with a state dict, or ``""`` for random
            ones. Nothing is downloaded but weights that are named here.
        options: further options of the model.
        num_classes: number of classes. If the weights are for another one, the last layer keeps its random weights.

    Raises:
        ValueError: the model is unknown, an option would read weights, or the weights are missing or do not fit.
    """
    given = dict(options or {})
    if wrong := sorted(_READS_FILES & given.keys()):
        raise ValueError(f"Expected options of {name} that read no files (got '{wrong[0]}'); use 'weights'")
    check_name(name)
    is_file = os.path.isfile(weights)
    if name.startswith(TIMM) and weights not in ("", "DEFAULT") and not is_file:
        raise ValueError(f"Expected weights of {name} as 'DEFAULT' or a file (got '{weights}', which is no file)")
    named = weights if weights and not is_file else None
    try:
        model = _made(name, named, given, num_classes)
    except (RuntimeError, TypeError, KeyError, ValueError, AssertionError) as error:  # as libraries refuse options
        reason = " ".join(str(error).split())[:200]
        wanted = f"weights and options of {name} that fit"
        raise ValueError(f"Expected {wanted} (got {weights or 'no weights'} and {given}: {reason})") from error
    if is_file:
        _load_file(model, name, weights)
    return model


def check_name(name: str) -> None:
    """Raise a :exc:`ValueError` unless torchvision, or timm for ``timm/...``, has a classifier of that name.

    Torchvision's other models, for segmentation and detection, fetch the weights of their backbones by themselves.
    """
    if name.startswith(TIMM):
        known: bool = need("timm", "timm").is_model(name.removeprefix(TIMM))
    else:
        from torchvision import models

        known = name in {*models.list_models(module=models), *models.list_models(module=models.video)}
    if not known:
        raise ValueError(
            f"Expected a classifier of images or videos of torchvision, or of timm as 'timm/...' (got '{name}'); "
            "list_models() of torchvision.models and of timm have the names"
        )


def own_normalization(name: str) -> tuple[Any, Any] | None:
    """Mean and standard deviation of the colours for which a model's published weights are, if it has some."""
    if name.startswith(TIMM):
        cfg = need("timm", "timm").get_pretrained_cfg(name.removeprefix(TIMM), allow_unregistered=False)
        return None if cfg is None else (cfg.mean, cfg.std)
    from torchvision.models import get_model_weights

    of_weights: Any = get_model_weights(name)
    if not len(of_weights):
        return None
    transforms = of_weights.DEFAULT.transforms()
    return transforms.mean, transforms.std


def _made(name: str, weights: str | None, options: dict[str, Option], num_classes: int | None) -> nn.Module:
    if name.startswith(TIMM):
        classes = {} if num_classes is None else {"num_classes": num_classes}
        create = need("timm", "timm").create_model
        net: nn.Module = create(name.removeprefix(TIMM), pretrained=weights is not None, **classes, **options)
        return net
    from torchvision.models import get_model

    if num_classes is None:
        return get_model(name, weights=weights, **options)
    options = _MADE_FOR_WEIGHTS.get(name, {}) | options
    # As without weights, so that a file of the trained model finds the same parts.
    model: nn.Module = get_model(name, weights=None, num_classes=num_classes, **options)
    if weights is None:
        return model
    state = get_model(name, weights=weights, **options).state_dict()
    own = model.state_dict()
    others = {key for key in own if key not in state or own[key].shape != state[key].shape}
    if any(key not in state or own[key].shape[1:] != state[key].shape[1:] for key in others):
        raise ValueError(f"other shapes of {min(others)}")
    model.load_state_dict({key: value for key, value in state.items() if key not in others}, strict=False)
    return model


def _load_file(model: nn.Module, name: str, path: str) -> None:
    from safetensors.torch import load_file

    safe = Path(path).suffix == ".safetensors"
    try:
        model.load_state_dict(load_file(path) if safe else torch.load(path, weights_only=True, map_location="cpu"))
    except Exception as error:  # of pickle, zip, safetensors and torch, of many kinds
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"Expected weights of {name} (got '{path}': {reason})") from error
