"""Running a backbone stage by stage, whether its parts take frames, clips or volumes."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from torch import Tensor, nn

from ..layers import scan
from ..layers.scan import start
from .features import Stage


def run_stage(stage: nn.Module, clips: Tensor, **about: Tensor | None) -> Tensor:
    """A stage on clips, which it sees as folded frames unless it has ``takes_clips = True``.

    Args:
        stage: the stage.
        clips: what goes into it.
        **about: what :func:`taken_by` picks from: ``lengths``, ``box``, ``mask``.

    Shapes:
        - **clips:** :math:`(B, T, C, H, W)`
        - **output:** :math:`(B, T', C', H', W')`
    """
    if getattr(stage, "takes_clips", False):
        return stage(clips, **taken_by(stage, about))
    return stage(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])


def scan_stage(stage: nn.Module, clips: Tensor, state: Any = None, **about: Tensor | None) -> tuple[Tensor, Any]:
    """:func:`run_stage` on the next frames, see :func:`~pyg_video.layers.scan`."""
    if getattr(stage, "takes_clips", False):
        return scan(stage, clips, state, **taken_by(stage, about))
    frames, state = scan(stage, clips.flatten(0, 1), state)
    return frames.unflatten(0, clips.shape[:2]), state


def taken_by(part: nn.Module, about: Mapping[str, Tensor | None]) -> dict[str, Tensor]:
    """What a part wants to know about the clips: ``lengths`` with ``takes_lengths``, the rest with ``takes_boxes``."""
    wanted = {"lengths": getattr(part, "takes_lengths", False)}
    boxes = getattr(part, "takes_boxes", False)
    return {name: value for name, value in about.items() if value is not None and wanted.get(name, boxes)}


class HandsOn:
    """A module of parts that hands on to them what they want to know about the clips."""

    takes_clips = True

    @property
    def takes_lengths(self) -> bool:
        """Whether a part wants ``lengths``."""
        return any(getattr(part, "takes_lengths", False) for part in self.children())  # type: ignore[attr-defined]

    @property
    def takes_boxes(self) -> bool:
        """Whether a part wants ``box``."""
        return any(getattr(part, "takes_boxes", False) for part in self.children())  # type: ignore[attr-defined]


class NonCausal:
    """A part that takes clips and looks at frames to come, so that it cannot run chunk by chunk."""

    takes_clips = True

    def scan(self, *_: object) -> NoReturn:
        """Refused: frames to come are not known yet."""
        raise TypeError(
            f"Expected a module that looks at no frames to come (got {type(self).__name__}, which does); "
            "run it on whole clips"
        )


class ClipStage(HandsOn, nn.Sequential):
    """Parts in a row, on clips: those that take clips see clips, the others see frames.

    Shapes:
        - **clips:** :math:`(B, T, C, H, W)`
        - **about:** see :func:`run_stage`
        - **output:** :math:`(B, T', C', H', W')`
    """

    def forward(self, clips: Tensor, **about: Tensor) -> Tensor:  # type: ignore[override]
        for part in self:
            clips = run_stage(part, clips, **about)
        return clips

    def scan(self, clips: Tensor, state: Sequence[Any] | None = None, **about: Tensor) -> tuple[Tensor, list[Any]]:
        """Go on from the state that an earlier call gave; gives the state after the last frame as well."""
        states = start(state, len(self))
        for i, part in enumerate(self):
            clips, states[i] = scan_stage(part, clips, states[i], **about)
        return clips, states


class VolumeStage(NonCausal, nn.Sequential):
    """Parts in a row, on clips: those that take clips see clips, the others volumes :math:`(B, C, T, H, W)`.

    Shapes:
        - **clips:** :math:`(B, T, C, H, W)`
        - **output:** :math:`(B, T', C', H', W')`
    """

    def forward(self, clips: Tensor) -> Tensor:
        for part in self:
            whole = getattr(part, "takes_clips", False)
            clips = part(clips) if whole else part(clips.transpose(1, 2)).transpose(1, 2)
        return clips


class StagedBackbone(nn.Module):
    """A :class:`~pyg_video.backbones.VideoBackbone` put together from its stages.

    Args:
        in_channels: channels of the video.
        stages: modules on frames :math:`(F, C, H, W)`, or on clips where they have ``takes_clips = True``.
        info: name, channels and strides of every stage.

    Shapes:
        - **x:** clips :math:`(B, T, C, H, W)`; frames :math:`(F, C, H, W)` too, unless a stage takes clips
        - **output:** :math:`(B, T', C', H', W')`, or :math:`(F, C', H', W')`
    """

    def __init__(self, in_channels: int, stages: Mapping[str, nn.Module], info: Sequence[Stage]) -> None:
        super().__init__()
        if list(stages) != [stage.name for stage in info]:
            raise ValueError(f"Expected 'info' on {', '.join(stages)} (got {[stage.name for stage in info]})")
        self.in_channels = in_channels
        self.stages = nn.ModuleDict(dict(stages))
        self.info = tuple(info)

    def forward(self, x: Tensor) -> Tensor:
        frames_only = not any(getattr(stage, "takes_clips", False) for stage in self.stages.values())
        if x.dim() != 5 and not (x.dim() == 4 and frames_only):
            shapes = "[B, T, C, H, W]" + (" or [F, C, H, W]" if frames_only else "")
            raise ValueError(f"Expected 'x' of shape {shapes} (got {list(x.shape)})")
        for stage in self.stages.values():
            x = run_stage(stage, x) if x.dim() == 5 else stage(x)
        return x
