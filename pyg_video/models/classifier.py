"""A backbone, graph blocks between its stages, and a head."""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from torch import Tensor, nn

from ..backbones import VideoBackbone

Option: TypeAlias = "bool | int | float | str | tuple[Option, ...]"
"""What an option of a named model can be: JSON can hold it."""


class ModelRecipe(NamedTuple):
    """A named model's name and all of its options: what :func:`~pyg_video.models.create_model` needs to make it."""

    name: str
    options: dict[str, Option]


class VideoClassifier(nn.Module):
    """Video to class scores: a frame-wise backbone, blocks between its stages, a head.

    Args:
        backbone: frames to feature maps, see :class:`~pyg_video.backbones.VideoBackbone`.
        head: feature map :math:`(B, T, C, H, W)` to scores, :class:`~pyg_video.models.PoolHead` or ``GraphHead``.
        blocks: modules on :math:`(B, T, C, H, W)`, such as a :class:`~pyg_video.layers.GraphBlock`, each under the
            name of the stage that it follows.

    Attributes:
        recipe: the named model this is; ``None`` for one put together by hand.

    Shapes:
        - **video:** :math:`(B, T, C, H, W)`
        - **lengths:** frames of every clip that count, :math:`(B)`
        - **output:** :math:`(B, num\\_classes)`
    """

    recipe: ModelRecipe | None = None

    def __init__(
        self, backbone: VideoBackbone, head: nn.Module, *, blocks: Mapping[str, nn.Module] | None = None
    ) -> None:
        super().__init__()
        unknown = set(blocks or {}) - set(backbone.stages)
        if unknown:
            raise ValueError(
                f"Expected 'blocks' under stages of the backbone, {', '.join(backbone.stages)} (got {sorted(unknown)})"
            )
        self.backbone = backbone
        self.blocks = nn.ModuleDict(dict(blocks or {}))
        self.head = head

    def forward(self, video: Tensor, lengths: Tensor | None = None) -> Tensor:
        if video.dim() != 5:
            raise ValueError(f"Expected 'video' of shape [B, T, C, H, W] (got {list(video.shape)})")
        if video.numel() == 0:
            raise ValueError(f"Expected 'video' with at least one clip and frame (got {list(video.shape)})")
        x = self.features(video)
        return self.head(x) if lengths is None else self.head(x, lengths)

    def features(self, video: Tensor) -> Tensor:
        """The feature map that the head sees, :math:`(B, T, C, H, W)`."""
        B, T = video.shape[:2]
        x = video.flatten(0, 1)
        for name, stage in self.backbone.stages.items():
            x = stage(x)
            if name in self.blocks:
                x = self.blocks[name](x.unflatten(0, (B, T))).flatten(0, 1)
        return x.unflatten(0, (B, T))
