"""A graph as a residual block of any backbone."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch_geometric.nn.inits import reset

from .._checks import check_option
from ..data import VideoGraph
from .readout import ToMap
from .scan import scan, start


class GraphBlock(nn.Module):
    r"""Builder, processor and lift as a residual block.

    .. math:: Y = X + \mathrm{norm}(\mathrm{lift}(\mathrm{graph}(X)))

    or, with ``combine="serial"``, what the graph gives alone, :math:`Y = \mathrm{norm}(\dots)`.

    By default the norm is a layer normalisation over :math:`(C, H, W)` of every frame, affine per channel. Its scale
    starts at zero [code]: at initialisation the block is the identity, so it can go into a trained backbone, but what
    is inside it gets no gradient in the first step and little in the next. Start at 1 to train from scratch; a serial
    block, which has nothing else to pass on, does.

    Args:
        channels: channels of the feature map.
        builder: feature map to graph, working on ``node_channels``.
        processor: graph to graph.
        node_channels: channels of the graph. If given, a 1 x 1 convolution and a norm lead to it, and a 1 x 1
            convolution leads back.
        combine: ``"residual"``, or ``"serial"`` to put the result in the place of the input.
        residual_scale: first value of the norm's scale; by default 0, or 1 for a serial block.
        norm: another norm, of :math:`(B, C, T, H, W)` as torch has them: ``nn.GroupNorm(1, channels)`` looks at whole
            clips (RSTG's released code), ``nn.BatchNorm3d(channels)`` at the batch. Padded frames count in both.

    Shapes:
        - **x:** :math:`(B, T, C, H, W)`
        - **lengths:** frames of every clip that count, :math:`(B)`
        - **given:** what else the builder takes, such as ``box`` :math:`(B, T, N, 4)`
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

    takes_lengths = True
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
        self.lift = ToMap()
        self.norm = norm or nn.GroupNorm(1, channels)  # one group: statistics over (C, H, W)
        self.norm_of_frames = norm is None
        self.serial = combine == "serial"
        self.residual_scale = float(self.serial) if residual_scale is None else residual_scale
        nn.init.constant_(self.norm.weight, self.residual_scale)

    def reset_parameters(self) -> None:
        for part in self.children():
            reset(part)
        nn.init.constant_(self.norm.weight, self.residual_scale)

    @property
    def takes_boxes(self) -> bool:
        """Whether the builder wants ``box``."""
        return bool(getattr(self.builder, "takes_boxes", False))

    def forward(self, x: Tensor, lengths: Tensor | None = None, **given: Tensor) -> Tensor:
        if lengths is not None:
            if not self.norm_of_frames and not isinstance(self.norm, nn.BatchNorm3d):
                raise ValueError(
                    f"Expected clips without padding, since {self.norm} would count it (got 'lengths'); leave 'norm' "
                    "at its default, which looks at one frame at a time"
                )
            given["lengths"] = lengths
        return self._add(x, self.processor(self.builder(self._project(x), **given)))

    def scan(self, x: Tensor, state: Sequence[object] | None = None, **given: Tensor) -> tuple[Tensor, list[object]]:
        """Go on from the state that an earlier call gave; gives the state after the last frame as well."""
        if state is not None and not self.norm_of_frames and not isinstance(self.norm, nn.BatchNorm3d):
            raise ValueError(
                f"Expected a whole clip, since {self.norm} looks at all frames (got a 'state' to go on from); "
                "leave 'norm' at its default to run on a stream"
            )
        states = start(state, 2)
        graph, states[0] = scan(self.builder, self._project(x), states[0], **given)
        graph, states[1] = scan(self.processor, graph, states[1])
        return self._add(x, graph), states

    def _project(self, x: Tensor) -> Tensor:
        if x.dim() != 5 or x.size(2) != self.channels:
            raise ValueError(f"Expected 'x' of shape [B, T, {self.channels}, H, W] (got {list(x.shape)})")
        return self.project(x.flatten(0, 1)).unflatten(0, x.shape[:2])

    def _add(self, x: Tensor, graph: VideoGraph) -> Tensor:
        y = self.project_back(self.lift(graph).flatten(0, 1))
        if self.norm_of_frames:
            y = self.norm(y).unflatten(0, x.shape[:2])
        else:
            y = self.norm(y.unflatten(0, x.shape[:2]).transpose(1, 2)).transpose(1, 2)
        return y if self.serial else x + y
