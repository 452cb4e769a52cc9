"""A backbone, graph blocks between its stages, and a head."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from torch import Tensor, nn

from .._checks import check_lengths
from ..backbones import Stage, VideoBackbone, run_part, scan_part
from ..layers import accepted_info, scan, taken_by

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
            name of the stage that it follows.

    Attributes:
        recipe: the named model this is; ``None`` for one put together by hand.

    Shapes:
        - **video:** :math:`(B, T, C, H, W)`
        - **lengths:** frames of every clip that count, :math:`(B)`
        - **info:** what else the parts want to know, ``ClipInfo`` of :mod:`pyg_video.layers`: for models with a
          :class:`~pyg_video.graph_builders.BoxGraph`, ``box`` :math:`(B, T, N, 4)` and, if some are missing, ``mask``
          :math:`(B, T, N)`
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
    def accepts(self) -> frozenset[str]:
        """The names of what the parts of the model want to know about the clips."""
        parts = (*self.backbone.stages.values(), *self.blocks.values(), self.head)
        return frozenset({"lengths"}).union(*map(accepted_info, parts))

    def forward(self, video: Tensor, lengths: Tensor | None = None, **info: Tensor) -> Tensor:
        x = self.features(video, lengths, **info)
        return self.head(x, **taken_by(self.head, _info_after(self.backbone.info[-1], lengths, info)))

    def features(self, video: Tensor, lengths: Tensor | None = None, **info: Tensor) -> Tensor:
        """The feature map that the head sees, :math:`(B, T', C, H, W)`."""
        self._check(video, lengths, info)
        x = video
        for stage in self.backbone.info:
            after = _info_after(stage, lengths, info)
            x = run_part(self.backbone.stages[stage.name], x, after)
            if stage.name in self.blocks:
                block = self.blocks[stage.name]
                x = block(x, **taken_by(block, after))
        return x

    def scan(
        self, video: Tensor, state: Mapping[str, Any] | None = None, **info: Tensor
    ) -> tuple[Tensor, dict[str, Any]]:
        """Class scores as of the frames so far, given the state that the call for the frames before gave."""
        self._check(video, None, info)
        states = dict(state or {})
        x = video
        for stage in self.backbone.info:
            name, key, after = stage.name, f"backbone.{stage.name}", _info_after(stage, None, info)
            x, states[key] = scan_part(self.backbone.stages[name], x, states.get(key), after)
            if name in self.blocks:
                x, states[name] = scan(self.blocks[name], x, states.get(name), **after)
        after = _info_after(self.backbone.info[-1], None, info)
        scores, states["head"] = scan(self.head, x, states.get("head"), **after)
        return scores, states

    def _check(self, video: Tensor, lengths: Tensor | None, info: Mapping[str, Tensor]) -> None:
        C = self.backbone.in_channels
        if video.dim() != 5 or video.size(2) != C:
            raise ValueError(f"Expected 'video' of shape [B, T, {C}, H, W] (got {list(video.shape)})")
        if video.numel() == 0:
            raise ValueError(f"Expected 'video' with at least one clip and frame (got {list(video.shape)})")
        if not video.is_floating_point():
            raise TypeError(f"Expected 'video' of a floating type (got {video.dtype}); use video.float() / 255")
        if lengths is not None:
            check_lengths(lengths, video.size(0), video.size(1))
        if unknown := info.keys() - self.accepts:
            raise TypeError(
                f"Expected what a part of the model takes beside the video, {', '.join(sorted(self.accepts))} "
                f"(got {', '.join(sorted(unknown))}); boxes are for models with a BoxGraph"
            )


def _info_after(stage: Stage, lengths: Tensor | None, info: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
    """What is known after a stage: of every second frame, where the stage or one before it has half of them.

    A frame of the output counts if at least one of the frames of the video that it stands for does.
    """
    stride = stage.time_stride
    after = lengths if lengths is None else (lengths + stride - 1) // stride
    return {name: value[:, ::stride] for name, value in info.items()} | {"lengths": after}
