"""A backbone, graph blocks between its stages, and a head."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from torch import Tensor, nn

from .._checks import check_lengths
from .._tracing import NotScriptable, refuse_fx
from ..backbones import Stage, VideoBackbone, run_part, scan_part
from ..layers import accepted_info, scan
from ..layers.scan import run

Option: TypeAlias = "bool | int | float | str | tuple[Option, ...] | dict[str, Option]"
"""Type of the options of named models; JSON can hold it."""


_PER_FRAME = {"box", "mask"}  # of what is known about the clips


class ModelRecipe(NamedTuple):
    """Name and all options of a model, the arguments of :func:`~pyg_video.models.create_model`."""

    name: str
    options: dict[str, Option]


class VideoClassifier(NotScriptable, nn.Module):
    """Video to class scores: a backbone, blocks between its stages, a head.

    Graphs and the head ignore frames beyond a clip's ``lengths``; backbones that mix frames (TSM, C2D, I3D) do not.

    Args:
        backbone: frames to feature maps, see :class:`~pyg_video.backbones.VideoBackbone`.
        head: feature map :math:`(B, T, C, H, W)` to scores, :class:`~pyg_video.models.PoolHead` or ``GraphHead``.
        blocks: modules on :math:`(B, T, C, H, W)`, such as a :class:`~pyg_video.layers.GraphBlock`, each under the
            name of the stage that it follows.

    Attributes:
        recipe: name and options; ``None`` for a model without a registered name.

    Shapes:
        - **video:** :math:`(B, T, C, H, W)`
        - **lengths:** number of valid frames of every clip, :math:`(B)`
        - **info:** further inputs of the parts, ``ClipInfo`` of :mod:`pyg_video.layers`: for models with a
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
        """Names of the inputs of the model's parts besides the video."""
        parts = (*self.backbone.stages.values(), *self.blocks.values(), self.head)
        return frozenset({"lengths"}).union(*map(accepted_info, parts))

    def forward(self, video: Tensor, lengths: Tensor | None = None, **info: Tensor) -> Tensor:
        refuse_fx(video, "use model.features(video), or forward hooks of its parts")
        x = self.features(video, lengths, **info)
        return run(self.head, x, **_info_after(self.backbone.info[-1], lengths, info))

    def features(self, video: Tensor, lengths: Tensor | None = None, **info: Tensor) -> Tensor:
        """The feature map that the head sees, :math:`(B, T', C, H, W)`."""
        self._check(video, lengths, info)
        x = video
        for stage in self.backbone.info:
            after = _info_after(stage, lengths, info)
            x = run_part(self.backbone.stages[stage.name], x, after)
            if stage.name in self.blocks:
                x = run(self.blocks[stage.name], x, **after)
        return x

    def scan(
        self, video: Tensor, state: Mapping[str, Any] | None = None, lengths: Tensor | None = None, **info: Tensor
    ) -> tuple[Tensor, dict[str, Any]]:
        """Class scores as of the frames so far, given the state after the frames before."""
        self._check(video, lengths, info)
        states = dict(state or {})
        x = video
        for stage in self.backbone.info:
            name, key, after = stage.name, f"backbone.{stage.name}", _info_after(stage, lengths, info)
            x, states[key] = scan_part(self.backbone.stages[name], x, states.get(key), after)
            if name in self.blocks:
                x, states[name] = scan(self.blocks[name], x, states.get(name), **after)
        after = _info_after(self.backbone.info[-1], lengths, info)
        scores, states["head"] = scan(self.head, x, states.get("head"), **after)
        return scores, states

    def _check(self, video: Tensor, lengths: Tensor | None, info: Mapping[str, Tensor]) -> None:
        C = self.backbone.in_channels
        if video.dim() != 5 or video.size(2) != C:
            hint = "; make the model with in_channels=3" if C == 1 and video.dim() == 5 and video.size(2) == 3 else ""
            raise ValueError(f"Expected 'video' of shape [B, T, {C}, H, W] (got {list(video.shape)}){hint}")
        if video.numel() == 0:
            raise ValueError(f"Expected 'video' with at least one clip and frame (got {list(video.shape)})")
        if not video.is_floating_point():
            raise TypeError(f"Expected 'video' of a floating type (got {video.dtype}); use video.float() / 255")
        if lengths is not None:
            check_lengths(lengths, video.size(0), video.size(1))
        if unknown := set(info) - self.accepts:
            raise TypeError(
                f"Expected what a part of the model takes beside the video, {', '.join(sorted(self.accepts))} "
                f"(got {', '.join(sorted(unknown))})" + ("; use a BoxGraph" if unknown & _PER_FRAME else "")
            )


def video_channels(model: nn.Module) -> int:
    """Channels of the frames that a model takes; 3 for colour where it does not tell."""
    return int(getattr(getattr(model, "backbone", model), "in_channels", 3))


def _info_after(stage: Stage, lengths: Tensor | None, info: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
    """Lengths and further inputs at the frame rate after a stage; a frame is valid if it stands for a valid one."""
    stride = stage.time_stride
    after = lengths if lengths is None else (lengths + stride - 1) // stride
    strided = {name: info[name][:, ::stride] for name in set(info) & _PER_FRAME if info[name] is not None}
    return {**info, **strided, "lengths": after}
