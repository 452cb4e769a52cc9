"""A graph as a residual block of any backbone."""

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.nn.inits import reset

from .._checks import check_option, is_plain
from .._tracing import NotScriptable, as_leaf, is_proxy
from ..data import VideoGraph
from ..functional import remap
from .clip_info import accepted_info
from .lift import add_normalized_map
from .map_reads import is_pointwise, pointwise, shared_map
from .precision import autocast_is_slow, without_autocast
from .scan import run, scan, start

Norm = TypeVar("Norm", bound=nn.GroupNorm | nn.BatchNorm3d)


def scaled(norm: Norm, scale: float) -> Norm:
    """A norm whose scale starts at ``scale`` for all channels; at 0, the branch that it ends adds nothing at first."""
    nn.init.constant_(norm.weight, scale)
    return norm


class GraphBlock(NotScriptable, nn.Module):
    r"""Builder, processor and lift as a residual block.

    .. math:: Y = X + \mathrm{norm}(\mathrm{lift}(\mathrm{graph}(X)))

    or, with ``combine="serial"``, the output of the graph alone, :math:`Y = \mathrm{norm}(\dots)`.

    By default the norm is a layer normalisation over :math:`(C, H, W)` of every frame, affine per channel. Its scale
    starts at zero [code]: at initialisation the block is the identity, so it can go into a trained backbone, but what
    is inside it gets no gradient in the first step and little in the next. Start at 1 to train from scratch; a serial
    block, which has nothing else to pass on, does.

    The output has the type of the input. Under autocast on a CPU without bfloat16 instructions, everything in between
    is float32, which takes less time there.

    Args:
        channels: channels of the feature map.
        builder: feature map to graph, working on ``node_channels``.
        processor: graph to graph.
        node_channels: channels of the graph. If given, a 1 x 1 convolution and a norm lead to it, and a 1 x 1
            convolution leads back.
        combine: ``"residual"``, or ``"serial"`` to put the result in the place of the input.
        residual_scale: first value of the norm's scale; by default 0, or 1 for a serial block.
        norm: another norm, with first values of its own (see :func:`scaled`) and no ``residual_scale``, of
            :math:`(B, C, T, H, W)` as torch has them: ``nn.GroupNorm(1, channels)`` has its statistics over whole clips
            (RSTG's released code), ``nn.BatchNorm3d(channels)`` over the batch. Padded frames count in both.

    Shapes:
        - **x:** :math:`(B, T, C, H, W)`
        - **lengths:** frames of every clip that count, :math:`(B)`
        - **info:** what else the builder takes, such as ``box`` :math:`(B, T, N, 4)`
        - **output:** :math:`(B, T, C, H, W)`

    Example:
        >>> import torch
        >>> from pyg_video.graph_builders import GridGraph
        >>> from pyg_video.layers import RSTG, SpaceConv, TemporalRNN
        >>> rstg = RSTG(SpaceConv(16), TemporalRNN(16), TemporalRNN(16))
        >>> block = GraphBlock(32, GridGraph(16), rstg, node_channels=16)
        >>> x = torch.randn(2, 4, 32, 7, 7)
        >>> torch.equal(block(x), x)  # at initialisation
        True
    """

    takes_clips = True  # where a backbone's parts see folded frames otherwise

    def __init__(
        self,
        channels: int,
        builder: nn.Module,
        processor: nn.Module,
        *,
        node_channels: int | None = None,
        combine: str = "residual",
        residual_scale: float | None = None,
        norm: nn.GroupNorm | nn.BatchNorm3d | None = None,
    ) -> None:
        super().__init__()
        check_option("combine", combine, ("residual", "serial"))
        if norm is not None and residual_scale is not None:
            raise ValueError(
                f"Expected 'residual_scale' for the norm that the block makes itself (got {residual_scale} and a "
                "'norm'); give the norm its scale with scaled(norm, scale)"
            )
        width = node_channels or channels
        expected = getattr(builder, "channels", width)
        if expected != width:
            raise ValueError(f"Expected a builder of {width} channels, those of the graph (got {expected})")
        self.channels = channels
        self.project: nn.Module = nn.Identity()
        self.project_back: nn.Module = nn.Identity()
        if node_channels is not None:
            self.project = nn.Sequential(nn.Conv2d(channels, node_channels, 1), nn.GroupNorm(1, node_channels))
            self.project_back = nn.Conv2d(node_channels, channels, 1)
        self.builder = builder
        self.processor = processor
        self.serial = combine == "serial"
        self.residual_scale = float(self.serial) if residual_scale is None else residual_scale
        self.norm_of_frames = norm is None
        # One group: statistics over (C, H, W).
        self.norm = scaled(nn.GroupNorm(1, channels), self.residual_scale) if norm is None else norm

    def reset_parameters(self) -> None:
        for part in self.children():
            reset(part)
        if self.norm_of_frames:
            scaled(self.norm, self.residual_scale)

    @property
    def accepts(self) -> frozenset[str]:
        """The names of the information about the clips that the builder takes."""
        return accepted_info(self.builder)

    def forward(self, x: Tensor, lengths: Tensor | None = None, **info: Any) -> Tensor:
        if is_proxy(x):
            return as_leaf(self, x, {"lengths": lengths}, info)
        self._check(x, None, lengths)
        info["lengths"] = lengths
        if self._is_faster_in_float32(x):
            with without_autocast(x):
                return self.forward(x.float(), **info).to(x.dtype)
        with shared_map(x) as shared:
            graph = run(self.builder, self._project(x), **info)
        return self._add(shared.x.view(x.shape), self.processor(graph))

    def scan(self, x: Tensor, state: Sequence[object] | None = None, **info: Any) -> tuple[Tensor, list[object]]:
        """Continue from the state of an earlier call; also return the state after the last frame."""
        self._check(x, state, info.get("lengths"))
        if self._is_faster_in_float32(x):
            with without_autocast(x):
                y, states = self.scan(x.float(), state, **info)
            return y.to(x.dtype), states
        states = start(state, 2)
        with shared_map(x) as shared:
            graph, states[0] = scan(self.builder, self._project(x), states[0], **info)
        graph, states[1] = scan(self.processor, graph, states[1])
        return self._add(shared.x.view(x.shape), graph), states

    def _check(self, x: Tensor, state: object, lengths: Tensor | None) -> None:
        if x.dim() != 5 or x.size(2) != self.channels:
            raise ValueError(f"Expected 'x' of shape [B, T, {self.channels}, H, W] (got {list(x.shape)})")
        if self.norm_of_frames or isinstance(self.norm, nn.BatchNorm3d) or (state is None and lengths is None):
            return
        raise ValueError(
            f"Expected whole clips without padding, since {self.norm} looks at all frames (got "
            f"{'a state to go on from' if lengths is None else 'lengths'}); leave 'norm' at its default, which looks "
            "at one frame at a time"
        )

    def _is_faster_in_float32(self, x: Tensor) -> bool:
        return autocast_is_slow(x) and self.norm.weight is not None and self.norm.weight.dtype == torch.float32

    def _project(self, x: Tensor) -> Tensor:
        frames = x.flatten(0, 1)
        for part in self.project if is_plain(self.project, nn.Sequential) else [self.project]:
            frames = pointwise(part, frames)
        return frames.unflatten(0, x.shape[:2])

    def _add(self, x: Tensor, graph: VideoGraph) -> Tensor:
        B, T = x.shape[:2]
        nodes, kernel = graph.frames.flatten(0, 1), graph.grid(graph.need("kernel")).flatten(0, 1)
        back, bias = self.project_back, None
        if is_pointwise(back):  # on the nodes, which are fewer than the pixels
            nodes, bias, back = F.linear(nodes, back.weight.flatten(1)), back.bias, nn.Identity()
        norm = self.norm
        if is_plain(back, nn.Identity) and is_plain(norm, nn.GroupNorm) and norm.num_groups == 1 and norm.affine:
            frames = None if self.serial else x.flatten(0, 1)
            y = add_normalized_map(frames, nodes, kernel, bias, norm, num_frames=1 if self.norm_of_frames else T)
            return y.unflatten(0, (B, T)).to(x.dtype)
        y = back(remap(nodes, kernel))
        y = y if bias is None else y + bias[:, None, None]
        if self.norm_of_frames:
            y = self.norm(y).unflatten(0, (B, T))
        else:
            y = self.norm(y.unflatten(0, (B, T)).transpose(1, 2)).transpose(1, 2)
        return (y if self.serial else x + y).to(x.dtype)
