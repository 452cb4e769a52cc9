"""From a batch of the data to a model's scores."""

from torch import Tensor, nn

from ..datasets import SyncClip


def class_scores(model: nn.Module, batch: SyncClip) -> Tensor:
    """Scores of the classes in float32; a model on given boxes gets the exact ones of the data.

    Shapes:
        - **output:** :math:`(B, num\\_classes)`
    """
    video = batch.video
    boxes = {"box": batch.box.to(video.device)} if getattr(model, "takes_boxes", False) else {}
    scores: Tensor = model(video, **boxes)
    return scores.float()
