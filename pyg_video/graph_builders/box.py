"""Nodes on given boxes, such as those of a detector."""

from typing import Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from .._checks import check_fractions, check_option
from ..data import Regions
from ..functional import box_kernel, tent_kernel
from .base import BuilderOptions, GraphBuilder


class BoxGraph(GraphBuilder):
    r"""One node per given box: the "Detector" nodes of DyReg-GNN's comparison (Duta et al., NeurIPS 2021).

    A box is missing if its row has a NaN, if it has no area inside the frame, or where ``mask`` is false. Missing boxes
    are outside of the graph's ``mask`` and do not change the results of the others. A recurrence over time keeps the
    state of a node while its box is missing, so row :math:`n` should be the same object in all frames.
    ``torch.compile`` breaks the graph here, since the number of edges depends on the boxes.

    Args:
        channels: number of channels of the feature map.
        num_nodes: maximal number of boxes per frame, or (rows, columns); where fewer are given, the others are missing.
        kernel: ``"area"``: the mean over the box, where a pixel on a border counts by the fraction inside;
            ``"tent"``: the triangular kernel of DyReg-GNN, whose support is the box, widened to two pixels if needed.
            Both are differentiable in the box.
        box_format: ``"cxcywh"``: centre, width and height; ``"xyxy"``: left, top, right and bottom edge; ``"xywh"``:
            left and top edge, width and height. The graph's ``box`` is ``cxcywh`` in any case.
        normalized: whether boxes are fractions of the frame; else they are pixels of frames of ``frame_size``.
        frame_size: height and width in pixels of the frames that ``normalized=False`` boxes were found in.
        **options: ``edge_index``, ``connect`` and ``track`` of :class:`GraphBuilder`.

    Shapes:
        - **box:** :math:`(B, T, N', 4)` with :math:`N' \leq N`, in the format that the options say
        - **mask:** which boxes exist, :math:`(B, T, N')`, bool; by default all

    Raises:
        ValueError: boxes have another shape, or values above 4 where they should be fractions of the frame (checked
            where reading them costs nothing: not on a GPU).

    Example:
        >>> box = torch.tensor([[0.25, 0.5, 0.5, 1.0], [float("nan")] * 4]).expand(1, 3, 2, 4)
        >>> graph = BoxGraph(8, num_nodes=2)(torch.randn(1, 3, 8, 6, 6), box=box)
        >>> graph.mask.tolist(), graph.num_edges
        ([True, False, True, False, True, False], 3)
    """

    def __init__(
        self,
        channels: int,
        num_nodes: int | tuple[int, int] = 9,
        *,
        kernel: str = "area",
        box_format: str = "cxcywh",
        normalized: bool = True,
        frame_size: tuple[int, int] | None = None,
        **options: Unpack[BuilderOptions],
    ) -> None:
        super().__init__(channels, num_nodes, **options)
        check_option("kernel", kernel, ("area", "tent"))
        check_option("box_format", box_format, ("cxcywh", "xyxy", "xywh"))
        if normalized == (frame_size is not None):
            raise ValueError(
                "Expected 'frame_size', the (height, width) in pixels that boxes are given in, with normalized=False "
                f"and only there (got {frame_size} with normalized={normalized})"
            )
        self.kernel = kernel
        self.box_format = box_format
        self.frame_size = frame_size

    def regions(self, x: Tensor, box: Tensor | None = None, mask: Tensor | None = None) -> Regions:
        box, mask = self._checked(x, box, mask)
        if self.frame_size is not None:
            height, width = self.frame_size
            box = box / box.new_tensor([width, height, width, height])
        if self.box_format != "cxcywh":
            from torchvision.ops import box_convert

            box = box_convert(box, self.box_format, "cxcywh")
        check_fractions("box", box, mask, ", or let BoxGraph(normalized=False, frame_size=(height, width)) do it")
        missing = self.num_nodes - box.size(2)
        box, mask = F.pad(box, (0, 0, 0, missing)), F.pad(mask, (0, missing))
        H, W = x.shape[-2:]
        mask = mask & box.isfinite().all(dim=-1) & (box[..., 2:] > 0).all(dim=-1)
        # Not a product with the mask: zero times NaN is NaN, in the gradient as well.
        box = box.masked_fill(~mask[..., None], 0.0)
        kernel = cover = box_kernel(box, (H, W))
        if self.kernel == "tent":  # of two pixels at least, so that it reaches the centre of one
            side = torch.maximum(box[..., 2:], box.new_tensor([2 / W, 2 / H]))
            kernel = tent_kernel(torch.cat([box[..., :2], side], dim=-1), (H, W))
        seen = (cover > 0).any(-1).any(-1) & (kernel > 0).any(-1).any(-1)
        return Regions(box, kernel).only(mask & seen)

    def _checked(self, x: Tensor, box: Tensor | None, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        B, T = x.shape[:2]
        if box is None:
            raise ValueError(
                "Expected 'box', a box for every node (got none); give builder(x, box=...), model(video, box=...)"
            )
        if box.dim() != 4 or box.shape[:2] != (B, T) or box.size(2) > self.num_nodes or box.size(3) != 4:
            raise ValueError(
                f"Expected 'box' of shape {[B, T, self.num_nodes, 4]} or with fewer boxes (got {list(box.shape)}); "
                "a larger num_nodes makes room for more"
            )
        if mask is None:
            mask = torch.ones(box.shape[:3], dtype=torch.bool, device=box.device)
        if mask.shape != box.shape[:3] or mask.dtype != torch.bool:
            raise ValueError(
                f"Expected 'mask' of booleans of shape {list(box.shape[:3])} (got {list(mask.shape)} of {mask.dtype})"
            )
        dtype = torch.promote_types(x.dtype, torch.float32)
        return box.to(x.device, dtype), mask.to(x.device)

    def extra_repr(self) -> str:
        return f"{self.channels}, num_nodes={self.num_nodes}, kernel='{self.kernel}', box_format='{self.box_format}'"
