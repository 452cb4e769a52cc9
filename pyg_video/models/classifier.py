"""A backbone, graph blocks between its stages, and a head."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from torch import Tensor, nn

from .._checks import check_lengths
from ..backbones import Stage, VideoBackbone, run_stage, scan_stage, taken_by
from ..layers import scan

Option: TypeAlias = "bool | int | float | str | tuple[Option, ...]"
"""What an option of a named model can be: JSON can hold it."""


class ModelRecipe(NamedTuple):
    """A named model's name and all of its options: what :func:`~pyg_video.models.create_model` needs to make it."""

    name: str
    options: dict[str, Option]


class VideoClassifier(nn.Module):
    """Video to class scores: a backbone, blocks between its stages, a head.

    Frames beyond a clip's ``lengths`` count neither in graphs nor in the head; a backbone that mixes frames (TSM, C2D,
    I3D) sees them.

    Args:
        backbone: frames to feature maps, see :class:`~pyg_video.backbones.VideoBackbone`.
        head: feature map :math:`(B, T, C, H, W)` to scores, :class:`~pyg_video.models.PoolHead` or ``GraphHead``.
        blocks: modules on :math:`(B, T, C, H, W)`, such as a :class:`~pyg_video.layers.GraphBlock`, each under the
            name of the stage that it follows. One with ``takes_lengths = True`` is given ``lengths`` as well.

    Attributes:
        recipe: the named model this is; ``None`` for one put together by hand.

    Shapes:
        - **video:** :math:`(B, T, C, H, W)`
        - **lengths:** frames of every clip that count, :math:`(B)`
        - **given:** for models with a :class:`~pyg_video.graph_builders.BoxGraph`, ``box`` :math:`(B, T, N, 4)` and, if
          some are missing, ``mask`` :math:`(B, T, N)`
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

    @property
    def takes_boxes(self) -> bool:
        """Whether a part of the model wants ``box``."""
        parts = (*self.backbone.stages.values(), *self.blocks.values(), self.head)
        return any(getattr(part, "takes_boxes", False) for part in parts)

    def forward(self, video: Tensor, lengths: Tensor | None = None, **given: Tensor) -> Tensor:
        self._check(video, lengths, given)
        x = self.features(video, lengths, **given)
        about = _about(self.backbone.info[-1], lengths, given)
        lengths, wanted = about.pop("lengths"), taken_by(self.head, about)
        return self.head(x, **wanted) if lengths is None else self.head(x, lengths, **wanted)

    def features(self, video: Tensor, lengths: Tensor | None = None, **given: Tensor) -> Tensor:
        """The feature map that the head sees, :math:`(B, T', C, H, W)`."""
        x = video
        for stage in self.backbone.info:
            about = _about(stage, lengths, given)
            x = run_stage(self.backbone.stages[stage.name], x, **about)
            if stage.name in self.blocks:
                block = self.blocks[stage.name]
                x = block(x, **taken_by(block, about))
        return x

    def scan(
        self, video: Tensor, state: Mapping[str, Any] | None = None, **given: Tensor
    ) -> tuple[Tensor, dict[str, Any]]:
        """Class scores as of the frames so far, given the state that the call for the frames before gave."""
        self._check(video, None, given)
        states = dict(state or {})
        x = video
        for stage in self.backbone.info:
            name, key, about = stage.name, f"backbone.{stage.name}", _about(stage, None, given)
            x, states[key] = scan_stage(self.backbone.stages[name], x, states.get(key), **about)
            if name in self.blocks:
                block = self.blocks[name]
                x, states[name] = scan(block, x, states.get(name), **taken_by(block, about))
        wanted = taken_by(self.head, _about(self.backbone.info[-1], None, given))
        scores, states["head"] = scan(self.head, x, states.get("head"), **wanted)
        return scores, states

    def _check(self, video: Tensor, lengths: Tensor | None, given: Mapping[str, Tensor]) -> None:
        C = self.backbone.in_channels
        if video.dim() != 5 or video.size(2) != C:
            raise ValueError(f"Expected 'video' of shape [B, T, {C}, H, W] (got {list(video.shape)})")
        if video.numel() == 0:
            raise ValueError(f"Expected 'video' with at least one clip and frame (got {list(video.shape)})")
        if not video.is_floating_point():
            raise TypeError(f"Expected 'video' of a floating type (got {video.dtype}); use video.float() / 255")
        if lengths is not None:
            check_lengths(lengths, video.size(0), video.size(1))
        if given and not self.takes_boxes:
            raise TypeError(f"Expected no {', '.join(map(repr, given))} for a model without BoxGraph; leave it out")


def _about(stage: Stage, lengths: Tensor | None, given: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
    """Lengths and boxes after a stage: of every second frame, where the stage or one before it has half of them.

    A frame of the output counts if at least one of the frames of the video that it stands for does.
    """
    stride = stage.time_stride
    after = lengths if lengths is None else (lengths + stride - 1) // stride
    return {name: value[:, ::stride] for name, value in given.items()} | {"lengths": after}
