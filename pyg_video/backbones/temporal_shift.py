"""TSM: a part of the channels moves to the next and the previous frame."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..layers import InfoContainer, scan
from ..layers.scan import start
from .resnet import Weights, resnet_info, resnet_stages
from .stages import ClipStage, NonCausal, StagedBackbone, run_part, scan_part


def tsm_resnet(
    depth: int = 50,
    *,
    in_channels: int = 3,
    num_stages: int = 4,
    weights: Weights = None,
    shift_div: int = 8,
    online: bool = False,
) -> StagedBackbone:
    """ResNet with a temporal shift inside every residual branch (Lin et al., ICCV 2019).

    Stages and parameters have the names of :func:`~pyg_video.backbones.resnet`, and as many parameters.

    Args:
        depth: 18, 34 or 50.
        in_channels: channels of the video.
        num_stages: layers that are kept, 1 to 4.
        weights: see :func:`~pyg_video.backbones.resnet`.
        shift_div: one channel in ``shift_div`` comes from the next frame, and one from the previous frame.
        online: shift from the previous frame only, so that the backbone runs frame by frame on a stream.

    Shapes:
        - **x:** :math:`(B, T, C, H, W)`
        - **output:** :math:`(B, T, C', H / 32, W / 32)`

    Example:
        >>> net = tsm_resnet(18, online=True)
        >>> net(torch.randn(2, 4, 3, 64, 64)).shape
        torch.Size([2, 4, 512, 2, 2])
    """
    stages = resnet_stages(depth, in_channels, num_stages, weights)
    info = resnet_info(stages)
    shift = OnlineShift if online else TemporalShift
    for name in list(stages)[1:]:
        stages[name] = ClipStage(*(ShiftedBlock(block, shift(shift_div)) for block in stages[name]))
    return StagedBackbone(in_channels, stages, info)


class _Shift(nn.Module):
    least_div: int

    def __init__(self, shift_div: int = 8) -> None:
        super().__init__()
        if shift_div < self.least_div:
            raise ValueError(f"Expected 'shift_div' of at least {self.least_div} (got {shift_div})")
        self.shift_div = shift_div

    def extra_repr(self) -> str:
        return f"shift_div={self.shift_div}"


class TemporalShift(NonCausal, _Shift):
    r"""The first channels come from the next frame, as many from the previous frame; the others stay.

    Frames beyond the clip are zero.

    Args:
        shift_div: :math:`\lfloor C / \text{shift\_div} \rfloor` channels come from each side.

    Shapes:
        - **x:** :math:`(B, T, C, H, W)`
        - **output:** :math:`(B, T, C, H, W)`
    """

    least_div = 2

    def forward(self, x: Tensor) -> Tensor:
        fold = x.size(2) // self.shift_div
        after, before, same = x.split([fold, fold, x.size(2) - 2 * fold], dim=2)
        none = torch.zeros_like(after[:, :1])
        after = torch.cat([after[:, 1:], none], dim=1)
        before = torch.cat([none, before[:, :-1]], dim=1)
        return torch.cat([after, before, same], dim=2)


class OnlineShift(_Shift):
    r"""The first channels come from the previous frame; the others stay. The state is those channels of the last frame.

    Args:
        shift_div: :math:`\lfloor C / \text{shift\_div} \rfloor` channels move.

    Shapes:
        - **x:** :math:`(B, T, C, H, W)`
        - **output:** :math:`(B, T, C, H, W)`
    """

    takes_clips = True
    least_div = 1

    def forward(self, x: Tensor) -> Tensor:
        return self.scan(x)[0]

    def scan(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The next frames, given the state after the frames before, and the state after the last one."""
        fold = x.size(2) // self.shift_div
        before, same = x.split([fold, x.size(2) - fold], dim=2)
        first = torch.zeros_like(before[:, :1]) if state is None else state
        moved = torch.cat([first, before[:, :-1]], dim=1)
        return torch.cat([moved, same], dim=2), before[:, -1:].clone()  # a view would keep all channels and frames


class ShiftedBlock(InfoContainer, nn.Module):
    """A residual block of torchvision's ResNet with shifted frames in its branch only; its parts keep their names.

    Args:
        block: torchvision's ``BasicBlock`` or ``Bottleneck``.
        shift: a module on clips, :class:`TemporalShift` or :class:`OnlineShift`.

    Shapes:
        - **clips:** :math:`(B, T, C, H, W)`
        - **info:** see :func:`~pyg_video.backbones.run_part`
        - **output:** :math:`(B, T, C', H', W')`
    """

    takes_clips = True
    relu: nn.Module
    downsample: nn.Module

    def __init__(self, block: nn.Module, shift: nn.Module) -> None:
        super().__init__()
        self.shift = shift
        for name, part in block.named_children():
            self.add_module(name, part)
        if "downsample" not in self._modules:
            self.downsample = nn.Identity()

    def forward(self, clips: Tensor, **info: Any) -> Tensor:
        y = self.shift(clips)
        for part in self._branch():
            y = run_part(part, y, info)
        return self.relu(y + run_part(self.downsample, clips, info))

    def scan(self, clips: Tensor, state: Sequence[Any] | None = None, **info: Any) -> tuple[Tensor, list[Any]]:
        """The next frames, given the state after the frames before, and the state after the last one."""
        branch = self._branch()
        states = start(state, 2 + len(branch))
        y, states[0] = scan(self.shift, clips, states[0])
        for i, part in enumerate(branch, 1):
            y, states[i] = scan_part(part, y, states[i], info)
        skip, states[-1] = scan_part(self.downsample, clips, states[-1], info)
        return self.relu(y + skip), states

    def _branch(self) -> list[nn.Module]:
        """Convolutions and norms, with ReLU between: two in a basic block, three in a bottleneck."""
        names = ("conv1", "bn1", "relu", "conv2", "bn2", *(("relu", "conv3", "bn3") if hasattr(self, "conv3") else ()))
        return [self.get_submodule(name) for name in names]
