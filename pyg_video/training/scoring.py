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

    Models on boxes receive those of the data: exact boxes of synthetic clips, annotations of real videos.

    Shapes:
        - **batch.video:** :math:`(B, T, C, H, W)`, or with views :math:`(B, S, T, C, H, W)`
        - **output:** :math:`(B, num\\_classes)`

    Raises:
        ValueError: the model requires boxes and the batch has none.
    """
    video = batch.video.flatten(0, -5)  # [B * S, T, C, H, W]
    given = {}
    if "box" in accepted_info(model):
        if batch.box.size(-2) == 0:
            raise ValueError("Expected clips with boxes for a model on boxes (got none); give the data its annotations")
        given["box"] = batch.box.to(video.device).flatten(0, -4)
    scores: Tensor = model(video, **given).float()
    return scores if batch.video.dim() == 5 else scores.unflatten(0, batch.video.shape[:2]).mean(dim=1)


def choose_device(name: str) -> torch.device:
    """The device of that name; ``"auto"`` selects a GPU if available, else the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        wanted, reason = "auto or a device that torch finds, such as cpu or cuda", str(error).splitlines()[0]
        raise ValueError(f"Expected 'device' to be {wanted} (got '{name}': {reason})") from error
    return device
