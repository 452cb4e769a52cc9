"""Normalisation of pixels."""

from collections.abc import Sequence

from torch import Generator, Tensor

from .clip import AnyClip

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Normalize:
    """Convert pixels to float32 and normalise each channel, by default with the statistics of ImageNet.

    Args:
        mean: mean of each channel, for pixels in [0, 1].
        std: standard deviation of each channel.
    """

    def __init__(self, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD) -> None:
        self.mean, self.std = tuple(mean), tuple(std)

    def __call__(self, clip: AnyClip, generator: Generator | None = None) -> AnyClip:  # noqa: ARG002
        return clip._replace(video=self.video(clip.video))

    def video(self, video: Tensor) -> Tensor:
        """Normalise frames without label and boxes."""
        import torch
        from torchvision.transforms.v2 import functional as F

        return F.normalize(F.to_dtype(video, torch.float32, scale=True), list(self.mean), list(self.std))

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"
