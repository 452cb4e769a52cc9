"""Nodes on regions that are predicted from the input."""

import math
from typing import Unpack

import torch
from torch import Tensor, nn

from .._checks import check_option, rows_and_columns
from ..data import Regions
from ..functional import grid_boxes, normalize_kernel, tent_kernel
from ..layers import FrameNorm, TemporalRNN
from ..layers.readout import clip_vector
from ..layers.time import State
from .anchors import SalientAnchors
from .base import BuilderOptions, GraphBuilder
from .region_generators import GENERATORS, LearnedVectors, resolve_generator


class RegionGraph(GraphBuilder):
    r"""Dynamic salient regions: the nodes of DyReg-GNN (Duta et al., NeurIPS 2021, section 3.1).

    .. math::
        \hat m_{i,t} &= g_i(f(X_t)), \qquad z_{i,t} = \mathrm{GRU}(z_{i,t-1}, \hat m_{i,t}) \\
        o_{i,t} &= \gamma \odot W_o z_{i,t} \in \mathbb{R}^4

    Half-height, half-width and centre of the region follow as [code]

    .. math::
        r_y = e^{o_0} \Big(\frac{H}{2h} + 1\Big) + 1, \qquad
        c_y = \frac{H}{2} \Big(\tanh\big(o_2 + \mathrm{artanh}(2 p_y / H - 1)\big) + 1\Big)

    and likewise :math:`r_x, c_x` from :math:`o_1, o_3`, with anchors :math:`p` and an :math:`h \times w` arrangement.
    The kernel is a tent (eq. 5, 6) divided by its sum. The gain :math:`\gamma` starts at ``gain``: at the published
    0 every region starts on its anchor and the generator gets no gradient in the first step.

    Args:
        channels: number of channels of the feature map.
        num_nodes: number of nodes per frame, or (rows, columns) :math:`h \times w`. A number :math:`N` has
            :math:`h = w = \sqrt N`; with ``anchors="grid"`` it is factorised as squarely as possible, rows first.
        size: height and width of the map; see :class:`FullyConnectedGenerator` and :class:`PooledGenerator`.
        adapt: what the regions adapt to: ``"frame"`` (DyReg-GNN), ``"clip"`` (the same in all frames: Constant-Time),
            ``"dataset"`` (learned, the same for all inputs: Static).
        region_size: ``"learned"``, or ``"fixed"`` at the initial size (Position-Only).
        anchors: ``"center"`` of the frame, ``"grid"``, one point ``(x, y)`` per region, as fractions of the frame, or
            ``"salient"``: from the grid to what stands out in every frame (:class:`SalientAnchors`). The centre of the
            released code lies half the *height* from the left, at ``(H / (2 W), 0.5)``.
        generator: ``"fc"`` (:class:`FullyConnectedGenerator`, also ``None``), ``"pool"`` (:class:`PooledGenerator`,
            DyReg-GNN-Lite), or a module :math:`(F, C, H, W)` to :math:`(F, N, D)` with ``out_channels`` :math:`= D`.
        region_channels: size :math:`D` of the region vectors of a generator given by name.
        cell: recurrence over time, ``"gru"`` or ``"lstm"``.
        gain: initial value of :math:`\gamma`.
        extent: width and height of a region before its offsets, as a fraction of the frame, and at least two pixels; 0
            for the published size above.
        **options: ``edge_index``, ``connect`` and ``track`` of :class:`GraphBuilder`.

    Example:
        >>> graph = RegionGraph(8)(torch.randn(1, 2, 8, 7, 7))
        >>> graph.box[0]  # on its anchor, the centre of the frame, at initialisation
        tensor([0.5714, 0.5714, 0.9048, 0.9048], grad_fn=<SelectBackward0>)
    """

    anchor_logits: Tensor

    def __init__(
        self,
        channels: int,
        num_nodes: int | tuple[int, int] = 9,
        *,
        size: tuple[int, int] | None = None,
        adapt: str = "frame",
        region_size: str = "learned",
        anchors: str | Tensor = "center",
        generator: str | nn.Module | None = None,
        region_channels: int = 128,
        cell: str = "gru",
        gain: float = 0.0,
        extent: float = 0.0,
        **options: Unpack[BuilderOptions],
    ) -> None:
        check_option("adapt", adapt, ("frame", "clip", "dataset"))
        check_option("region_size", region_size, ("learned", "fixed"))
        salient = isinstance(anchors, str) and anchors == "salient"
        _check_sizes(region_channels, extent)
        _check_adapt(adapt, generator, salient=salient)
        super().__init__(channels, num_nodes, **options)
        N = self.num_nodes
        self.cells = _cells(num_nodes, anchors)
        self.adapt = adapt
        self.learn_size = region_size == "learned"
        learned = adapt == "dataset"
        if learned:
            generator = LearnedVectors(N, out_channels=region_channels)
        self.generator = resolve_generator(generator, channels, N, size, out_channels=region_channels)
        dim = int(getattr(self.generator, "out_channels"))  # noqa: B009
        self.input_norm = nn.Identity() if learned else FrameNorm(dim)
        self.time = nn.Identity() if learned else TemporalRNN(dim, cell=cell)
        self.time_norm = nn.Identity() if learned else FrameNorm(dim)
        self.offset = nn.Linear(dim, 4)
        self.initial_gain = float(gain)
        self.gain = nn.Parameter(torch.full((4,), float(gain)))
        self.extent = extent
        self.register_buffer("anchor_logits", _anchor_logits(N, self.cells, anchors), persistent=False)
        self.salient = SalientAnchors((self.anchor_logits.tanh().flip(-1) + 1) / 2) if salient else None

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the map that the generator is for; ``None`` for any, or until the first map."""
        return getattr(self.generator, "size", None)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        nn.init.constant_(self.gain, self.initial_gain)

    def scan_regions(self, x: Tensor, state: State = None, lengths: Tensor | None = None) -> tuple[Regions, State]:
        if self.adapt == "clip" and state is not None:
            raise ValueError("Expected a whole clip, since adapt='clip' looks at all frames (got a 'state')")
        B, T, _, H, W = x.shape
        m = self.input_norm(self.generator(x.flatten(0, 1)))  # [B*T, N, D]
        z = m.unflatten(0, (B, T))
        if isinstance(self.time, TemporalRNN):
            z, state = self.time.scan(z, state, lengths)
        z = self.time_norm(z)
        if self.adapt == "clip":
            z = clip_vector(z.flatten(2), "mean", lengths).view(B, 1, *z.shape[2:]).expand_as(z)
        anchor = self.anchor_logits
        if self.salient is not None:
            point = self.salient(x.flatten(0, 1)).unflatten(0, (B, T))
            anchor = _logits(point - 0.5 / point.new_tensor([W, H])).flip(-1)  # pixels are whole numbers in _boxes
        box = self._boxes(self.offset(z), anchor, (H, W))
        return Regions(box, normalize_kernel(tent_kernel(box, (H, W)))), state

    def _boxes(self, offset: Tensor, anchor: Tensor, size: tuple[int, int]) -> Tensor:
        offset = offset.to(torch.promote_types(offset.dtype, torch.float32)) * self.gain
        size_offset, center_offset = offset.split(2, dim=-1)  # each (y, x)
        if not self.learn_size:
            size_offset = torch.zeros_like(size_offset)
        pixels = offset.new_tensor(size)
        if self.extent == 0:
            radius = size_offset.exp() * (pixels / (2 * offset.new_tensor(self.cells)) + 1) + 1
        else:
            radius = (size_offset.exp() * self.extent * pixels / 2).clamp(min=1)
        center = (torch.tanh(center_offset + anchor) + 1) * pixels / 2
        center = center.clamp(min=center.new_zeros(2), max=pixels - 1)
        # A pixel's coordinate is its centre: pixel q lies at (q + 1/2) / H of the frame.
        return torch.cat([((center + 0.5) / pixels).flip(-1), (2 * radius / pixels).flip(-1)], dim=-1)

    def extra_repr(self) -> str:
        return f"{self.channels}, size={self.size}, num_nodes={self.num_nodes}, adapt='{self.adapt}'"


def _check_sizes(region_channels: int, extent: float) -> None:
    if region_channels < 1:
        raise ValueError(f"Expected 'region_channels' of at least 1 (got {region_channels})")
    if not extent >= 0:
        raise ValueError(f"Expected 'extent' of at least 0, as a fraction of the frame (got {extent})")


def _check_adapt(adapt: str, generator: str | nn.Module | None, *, salient: bool) -> None:
    if salient and adapt != "frame":
        raise ValueError(f"Expected adapt='frame' with anchors='salient', which move in every frame (got '{adapt}')")
    own = isinstance(generator, nn.Module)
    if isinstance(generator, str):
        check_option("generator", generator, tuple(GENERATORS))
    if (own and not hasattr(generator, "out_channels")) or (adapt == "dataset" and (own or generator == "pool")):
        raise ValueError(
            "Expected 'generator' with an attribute out_channels, and adapt other than 'dataset', which has no "
            f"generator (got {type(generator).__name__ if own else repr(generator)} and adapt={adapt!r})"
        )


def _cells(num_nodes: int | tuple[int, int], anchors: str | Tensor) -> tuple[float, float]:
    """Number of cells into which the regions divide each side, which sets their initial size."""
    if isinstance(num_nodes, int) and not (isinstance(anchors, str) and anchors != "center"):
        return (math.sqrt(num_nodes),) * 2
    return rows_and_columns(num_nodes)


def _anchor_logits(num_nodes: int, cells: tuple[float, float], anchors: str | Tensor) -> Tensor:
    """Anchors (y, x) before the tanh: the centres of the grid's cells, the centre of the frame, or given points."""
    if isinstance(anchors, Tensor):
        if anchors.shape != (num_nodes, 2):
            raise ValueError(f"Expected 'anchors' of shape {[num_nodes, 2]} (got {list(anchors.shape)})")
        points = anchors.to(torch.float64)
    else:
        check_option("anchors", anchors, ("center", "grid", "salient"))
        points = torch.full((num_nodes, 2), 0.5, dtype=torch.float64)
        if anchors != "center":
            points = grid_boxes(int(cells[0]), int(cells[1]), dtype=torch.float64)[:, :2]
    return _logits(points).flip(-1).to(torch.get_default_dtype())


def _logits(points: Tensor) -> Tensor:
    # Points on or beyond the border are moved just inside, as in the released code.
    return torch.atanh((2 * points - 1).clamp(-1 + 1e-7, 1 - 1e-7))
