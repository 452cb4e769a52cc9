"""Class scores of a batch, and the choice of a device."""

from typing import TypeAlias

import torch
from torch import Tensor, nn

from ..datasets import SyncClip, VideoClip
from ..layers import accepted_info

Clips: TypeAlias = SyncClip | VideoClip
"""A batch of a data set: clips with their labels and boxes."""


def class_scores(model: nn.Module, batch: Clips) -> Tensor:
    """Class scores in float32, averaged over the views of a video.

    Fields of the batch that the model takes, such as ``box``, are passed on: exact boxes of synthetic clips,
    annotations of real videos.

    Shapes:
        - **batch.video:** :math:`(B, T, C, H, W)`, or with views :math:`(B, S, T, C, H, W)`
        - **output:** :math:`(B, num\\_classes)`

    Raises:
        ValueError: the model requires boxes and the batch has none.
    """
    device = next((parameter.device for parameter in model.parameters()), batch.video.device)
    views = batch.video.dim() - 5  # 0, or 1 for a dimension of views
    info = {name: getattr(batch, name, None) for name in accepted_info(model)}
    if "box" in info and (info["box"] is None or info["box"].size(-2) == 0):
        raise ValueError("Expected clips with boxes for a model on boxes (got none); give the data its annotations")
    given = {name: value.to(device).flatten(0, views) for name, value in info.items() if value is not None}
    scores: Tensor = model(batch.video.to(device).flatten(0, views), **given).float()
    return scores if batch.video.dim() == 5 else scores.unflatten(0, batch.video.shape[:2]).mean(dim=1)


def choose_device(name: str) -> torch.device:
    """The device of that name; ``"auto"`` selects a GPU if available, else the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device).tolist()  # which raises where there is no memory, as of meta
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        wanted, reason = "auto or a device that torch finds, such as cpu or cuda", str(error).splitlines()[0]
        raise ValueError(f"Expected 'device' to be {wanted} (got '{name}': {reason})") from error
    return device
