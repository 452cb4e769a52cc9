"""Running a backbone stage by stage, whether its parts take frames, clips or volumes."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from torch import Tensor, nn

from .._tracing import NotScriptable, refuse_fx
from ..layers import ClipInfo, InfoContainer, scan, taken_by
from ..layers.scan import start
from .features import Stage, VideoBackbone


def run_part(part: nn.Module, clips: Tensor, info: ClipInfo) -> Tensor:
    """A part on clips, which it sees as folded frames unless it has ``takes_clips = True``.

    Args:
        part: a stage, or a part of one.
        clips: its input.
        info: facts about the clips, of which the part takes those that its ``forward`` names.

    Shapes:
        - **clips:** :math:`(B, T, C, H, W)`
        - **output:** :math:`(B, T', C', H', W')`
    """
    if getattr(part, "takes_clips", False):
        return part(clips, **taken_by(part, info))
    return part(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])


def scan_part(part: nn.Module, clips: Tensor, state: Any, info: ClipInfo) -> tuple[Tensor, Any]:
    """:func:`run_part` on the next frames, see :func:`~pyg_video.layers.scan`."""
    if getattr(part, "takes_clips", False):
        return scan(part, clips, state, **info)
    frames, state = scan(part, clips.flatten(0, 1), state)
    return frames.unflatten(0, clips.shape[:2]), state


class NonCausal:
    """A part on clips that depends on later frames, so that it cannot run chunk by chunk."""

    takes_clips = True

    def scan(self, *_: object, **__: object) -> NoReturn:
        """Raise a :exc:`TypeError`, since later frames are not known yet."""
        raise TypeError(
            f"Expected a module that depends on no later frames (got {type(self).__name__}, which does); "
            "run it on whole clips"
        )


class ClipStage(InfoContainer, nn.Sequential):
    """Parts in a row, on clips: those that take clips see clips, the others see frames.

    Shapes:
        - **clips:** :math:`(B, T, C, H, W)`
        - **info:** see :func:`run_part`
        - **output:** :math:`(B, T', C', H', W')`
    """

    takes_clips = True

    def forward(self, clips: Tensor, **info: Any) -> Tensor:  # type: ignore[override]
        for part in self:
            clips = run_part(part, clips, info)
        return clips

    def scan(self, clips: Tensor, state: Sequence[Any] | None = None, **info: Any) -> tuple[Tensor, list[Any]]:
        """The next frames, given the state after the frames before, and the state after the last one."""
        states = start(state, len(self))
        for i, part in enumerate(self):
            clips, states[i] = scan_part(part, clips, states[i], info)
        return clips, states


class VolumeStage(NonCausal, InfoContainer, nn.Sequential):
    """:class:`ClipStage` whose parts that do not take clips see volumes :math:`(B, C, T, H, W)`."""

    def forward(self, clips: Tensor, **info: Any) -> Tensor:  # type: ignore[override]
        for part in self:
            volumes = not getattr(part, "takes_clips", False)
            clips = part(clips.transpose(1, 2)).transpose(1, 2) if volumes else run_part(part, clips, info)
        return clips


class StagedBackbone(NotScriptable, nn.Module):
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
        refuse_fx(x, "call the modules of backbone.stages one after the other, or use their forward hooks")
        frames_only = not any(getattr(stage, "takes_clips", False) for stage in self.stages.values())
        if x.dim() != 5 and not (x.dim() == 4 and frames_only):
            shapes = "[B, T, C, H, W]" + (" or [F, C, H, W]" if frames_only else "")
            raise ValueError(f"Expected 'x' of shape {shapes} (got {list(x.shape)})")
        for stage in self.stages.values():
            x = run_part(stage, x, {}) if x.dim() == 5 else stage(x)
        return x


def split_backbone(backbone: VideoBackbone, last: str) -> tuple[StagedBackbone, StagedBackbone]:
    """The stages up to ``last`` and those after it, as two backbones that share the weights of the one.

    Raises:
        ValueError: there is no such stage, or none after it.

    Example:
        >>> import torch
        >>> from pyg_video.backbones import SmallCNN
        >>> whole, x = SmallCNN(1).eval(), torch.rand(2, 1, 40, 40)
        >>> first, second = split_backbone(whole, "stage1")
        >>> torch.equal(second(first(x)), whole(x))
        True
    """
    names = [stage.name for stage in backbone.info]
    if last not in names[:-1]:
        raise ValueError(f"Expected 'last' to be a stage that others follow, one of {names[:-1]} (got '{last}')")
    cut = names.index(last) + 1
    before, info = backbone.info[cut - 1], backbone.info[cut:]
    after = [
        stage._replace(stride=stage.stride // before.stride, time_stride=stage.time_stride // before.time_stride)
        for stage in info
    ]
    stages = dict(backbone.stages.items())
    first, second = ({name: stages[name] for name in part} for part in (names[:cut], names[cut:]))
    return (
        StagedBackbone(backbone.in_channels, first, backbone.info[:cut]),
        StagedBackbone(before.channels, second, after),
    )
