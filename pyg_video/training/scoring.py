"""From a batch of the data to a model's scores."""

from typing import TypeAlias

import torch
from torch import Tensor, nn

from ..datasets import SyncClip, VideoClip
from ..layers import accepted_info

Clips: TypeAlias = SyncClip | VideoClip
"""A batch of a data set: clips with their labels and boxes."""


def class_scores(model: nn.Module, batch: Clips) -> Tensor:
    """Scores of the classes in float32, of videos with several views their mean.

    A model on given boxes gets those of the data: exact ones of synthetic clips, annotations of real ones.

    Shapes:
        - **batch.video:** :math:`(B, T, C, H, W)`, or with views :math:`(B, S, T, C, H, W)`
        - **output:** :math:`(B, num\\_classes)`

    Raises:
        ValueError: the model needs boxes and the batch has none.
    """
    video, given = batch.video, {}
    views = video.shape[:2] if video.dim() == 6 else None
    if "box" in accepted_info(model):
        if batch.box.size(-2) == 0:
            raise ValueError("Expected clips with boxes for a model on boxes (got none); give the data its annotations")
        given["box"] = batch.box.to(video.device) if views is None else batch.box.to(video.device).flatten(0, 1)
    scores: Tensor = model(video if views is None else video.flatten(0, 1), **given)
    scores = scores.float()
    return scores if views is None else scores.unflatten(0, views).mean(dim=1)


def choose_device(name: str) -> torch.device:
    """The device of that name; for ``"auto"`` a GPU if there is one, else the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"Expected 'device' to be auto or a device that torch finds, such as cpu or cuda (got '{name}': "
            f"{str(error).splitlines()[0]})"
        ) from error
    return device
