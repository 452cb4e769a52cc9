"""Current names for the options and weights of models saved by earlier versions."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from ..models import list_models, model_options

Value = TypeVar("Value")

_RENAMED = {"frame": "frame_size", "num_stages": "num_iterations"}
_PAPER_STAGES = {number: f"layer{number - 1}" for number in (2, 3, 4, 5)}
_RESNETS = ("dyreg_tsm_resnet18", "dyreg_tsm_resnet50", "dyreg_i3d_resnet50", "rstg_resnet50")
_RESIDUAL_BLOCK = re.compile(r"^(.*?layer\d\.\d+)(_non_local)?\.")


def migrated_options(model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of format 1 under their current names; others are unchanged.

    Stages were numbers: from 0 in small nets (``stage`` or ``stages``), the papers' in ResNets (3 is ``"layer2"``).

    Example:
        >>> migrated_options("dyreg_tsm_resnet50", {"frame": 112, "stages": (4,)})
        {'frame_size': 112, 'stages': ('layer3',)}
    """
    known: dict[str, Any] = dict(model_options(model)) if model in list_models() else {}
    renamed = {old: new for old, new in _RENAMED.items() if new in known and old not in known}
    result = {renamed.get(name, name): value for name, value in options.items()}
    stage_names = _PAPER_STAGES if model in _RESNETS else {}
    if model == "dyreg_gnn_sync_mnist":
        count = len(result.get("channels", known["channels"]))
        stage_names = {number: f"stage{number % count + 1}" for number in range(-count, count)}
        stage = result.pop("stage", -1)
        if stage != -1:
            result["stages"] = (stage,)
    if stage_names and "stages" in result:
        result["stages"] = tuple(stage_names.get(stage, stage) for stage in result["stages"])
    return result


def migrated_weights(weights: Mapping[str, Value]) -> dict[str, Value]:
    """Weights under their current names; a residual block and its Non-Local block were siblings in earlier versions.

    Example:
        >>> list(migrated_weights({"layer2.0.bn1.bias": 1, "layer2.0_non_local.g.bias": 2, "layer2.1.bn1.bias": 3}))
        ['layer2.0.0.bn1.bias', 'layer2.0.1.g.bias', 'layer2.1.bn1.bias']
    """
    matches = {name: match for name in weights if (match := _RESIDUAL_BLOCK.match(name))}
    followed = {match[1] for match in matches.values() if match[2]}
    renamed = {
        name: f"{match[1]}.{int(match[2] is not None)}{name[match.end() - 1 :]}"
        for name, match in matches.items()
        if match[1] in followed
    }
    return {renamed.get(name, name): value for name, value in weights.items()}
