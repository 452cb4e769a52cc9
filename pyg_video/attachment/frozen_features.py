"""Feature maps of videos from a layer of a frozen model."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..transforms import IMAGENET_MEAN, IMAGENET_STD
from .layouts import to_clips
from .outputs import element
from .places import find_places
from .probe import outputs_at


class FrozenFeatures(nn.Module):
    """The output of one module of an image or video model as clips, average-pooled to small maps.

    Frames are resized to a square and normalised as for ImageNet; grey frames are repeated over the three colours.

    Args:
        model: a model on images :math:`(F, 3, H, W)` or on volumes :math:`(B, 3, T, H, W)`, such as torchvision's and
            timm's; it is put into evaluation mode, and its gradients are turned off.
        path: dotted path of the module, see :func:`~pyg_video.attachment.attach_blocks`.
        num_frames: frames per clip.
        image_size: side of the frames that the model sees, in pixels.
        map_size: side of the feature maps.

    Attributes:
        channels: channels of the feature maps.
        frames: feature maps per clip, fewer than ``num_frames`` if the model has a stride in time.

    Shapes:
        - **video:** in [0, 1], :math:`(B, T, 1, H, W)` or :math:`(B, T, 3, H, W)`
        - **output:** :math:`(B, T', C, map\\_size, map\\_size)`

    Example:
        >>> from torchvision.models import resnet18
        >>> features = FrozenFeatures(resnet18(), "layer3", num_frames=4, image_size=64, map_size=3)
        >>> features(torch.rand(2, 4, 1, 40, 40)).shape
        torch.Size([2, 4, 256, 3, 3])
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, model: nn.Module, path: str, *, num_frames: int, image_size: int = 224, map_size: int = 7
    ) -> None:
        super().__init__()
        if min(num_frames, image_size, map_size) < 1:
            raise ValueError(
                "Expected 'num_frames', 'image_size' and 'map_size' of at least 1 "
                f"(got {num_frames}, {image_size} and {map_size})"
            )
        self.model = model.eval().requires_grad_(False)
        self.path, self.num_frames, self.image_size, self.map_size = path, num_frames, image_size, map_size
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None], persistent=False)
        self.volumes = any(isinstance(part, nn.Conv3d) for part in model.modules())
        given = self._prepared(torch.zeros(1, num_frames, 3, 1, 1))
        place = find_places(model, [path], num_frames=num_frames, input=given, check_use=False)[path]
        if min(place.size) < map_size:
            raise ValueError(f"Expected 'map_size' of at most the {place.size} of '{path}' (got {map_size})")
        self.keys, self.layout, self.channels = place.keys, place.layout, place.channels
        self.frames = to_clips(place.features, place.layout, num_frames).size(1)

    def train(self, mode: bool = True) -> "FrozenFeatures":  # noqa: ARG002
        """Does nothing: frozen models stay in evaluation mode."""
        return self

    def forward(self, video: Tensor) -> Tensor:
        if video.dim() != 5 or video.size(1) != self.num_frames or video.size(2) not in (1, 3):
            raise ValueError(
                f"Expected 'video' of shape [B, {self.num_frames}, 1 or 3, H, W] (got {list(video.shape)})"
            )
        output = outputs_at(self.model, [self.path], (self._prepared(video),))[self.path][0]
        clips = to_clips(element(output, self.keys), self.layout, self.num_frames)
        return F.adaptive_avg_pool2d(clips.flatten(0, 1), self.map_size).unflatten(0, clips.shape[:2])

    def _prepared(self, video: Tensor) -> Tensor:
        """The video as input of the model."""
        frames = video.flatten(0, 1).expand(-1, 3, -1, -1)
        frames = F.interpolate(frames, (self.image_size, self.image_size), mode="bilinear", antialias=True)
        frames = (frames - self.mean) / self.std
        return frames.unflatten(0, video.shape[:2]).transpose(1, 2) if self.volumes else frames
