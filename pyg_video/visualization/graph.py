"""One frame's graph drawn over the frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..data import VideoGraph
from .curves import new_axes
from .draw import choose_colors
from .pictures import as_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SAME = 0.02  # share of the frame within which two centres count as one
_FAN = 0.05  # how far nodes with the same centre are drawn apart


def plot_graph(
    graph: VideoGraph,
    image: Tensor,
    *,
    edge_weight: Tensor | None = None,
    node_size: Tensor | None = None,
    boxes: bool = True,
    axes: Axes | None = None,
) -> Axes:
    r"""Draw the graph of one frame over the frame: nodes at their regions, edges, and a colour per region size.

    An edge has the colour of its larger region. Nodes with the same centre are drawn side by side.

    Args:
        graph: the graph of one frame, as :meth:`~pyg_video.data.VideoGraph.frame` gives it, with ``box``.
        image: the frame, float in [0, 1] or uint8.
        edge_weight: opacity of the edges relative to the largest, such as attention; equal by default.
        node_size: size of the nodes relative to the largest; by default the size of the region.
        boxes: whether to draw the outlines of the regions.
        axes: axes to draw on; by default those of a new figure, without pyplot.

    Shapes:
        - **graph:** :math:`N` nodes, :math:`E` edges
        - **image:** :math:`(1, H, W)` or :math:`(3, H, W)`
        - **edge_weight:** :math:`(E)`, non-negative
        - **node_size:** :math:`(N)`, non-negative

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
        ValueError: the graph has several frames or no boxes, or an argument has another shape.

    Example:
        >>> from pyg_video.graph_builders import GridGraph
        >>> graph = GridGraph(8)(torch.randn(2, 4, 8, 7, 7))
        >>> axes = plot_graph(graph.frame(0, 0), torch.zeros(1, 28, 28))
        >>> axes.figure.savefig(getfixture("tmp_path") / "graph.png")
    """
    if image.dim() != 3 or image.size(0) not in (1, 3):
        raise ValueError(f"Expected 'image' of shape [1, H, W] or [3, H, W] (got {list(image.shape)})")
    if graph.node_frames.total != 1:
        raise ValueError(f"Expected the graph of one frame (got {graph.node_frames.total}); use graph.frame(b, t)")
    box = graph.need("box").detach().float().cpu()
    E, N = graph.num_edges, graph.num_nodes
    opacity = torch.full((E,), 0.6) if edge_weight is None else relative("edge_weight", edge_weight, E)
    size = relative("node_size", box[:, 2:].prod(-1).sqrt() if node_size is None else node_size, N)
    axes = axes or new_axes(5, 5)
    draw_frame(axes, graph, image, opacity, size, torch.full((N,), 0.7) if boxes else None)
    return axes


def draw_frame(
    axes: Axes, graph: VideoGraph, image: Tensor, opacity: Tensor, size: Tensor, outline: Tensor | None
) -> Tensor:
    """Draw the graph of one frame; give the places of its nodes.

    Shapes:
        - **opacity:** of the edges, :math:`(E)`, in [0, 1]
        - **size:** of the nodes, :math:`(N)`, in [0, 1]
        - **outline:** opacity of the outlines of the regions, :math:`(N)`, or ``None`` for no outlines
        - **output:** :math:`(N, 2)`, as fractions of the frame
    """
    box = graph.need("box").detach().float().cpu()
    H, W = image.shape[-2:]
    picture = as_bytes(image[None])[0].expand(3, -1, -1)
    axes.imshow(picture.permute(1, 2, 0).numpy(), extent=(0, 1, 1, 0), interpolation="nearest", aspect=H / W)
    axes.set_axis_off()

    kind, colors = _kinds(box)
    place = _side_by_side(box)
    for (sender, receiver), alpha in zip(graph.edge_index.T.tolist(), opacity.tolist(), strict=True):
        if sender != receiver:
            x, y = place[[sender, receiver]].T.tolist()
            color = colors[max(kind[sender], kind[receiver])]
            axes.plot(x, y, color=color, alpha=alpha, linewidth=0.5 + 2.5 * alpha, zorder=2)
    if outline is not None:
        _draw_boxes(axes, box, outline, [colors[k] for k in kind])
    x, y = place.T.tolist()
    fill = [colors[k] for k in kind]
    axes.scatter(x, y, s=(20 + 180 * size).tolist(), c=fill, edgecolors="black", linewidths=0.8, zorder=3)
    return place


def relative(name: str, value: Tensor, count: int) -> Tensor:
    """Values as fractions of the largest."""
    if value.shape != (count,) or bool((value < 0).any()):
        raise ValueError(f"Expected '{name}' of shape [{count}] and at least 0 (got {list(value.shape)})")
    value = value.detach().float().cpu()
    return value / value.max().clamp(min=torch.finfo(torch.float32).tiny) if count else value


def _kinds(box: Tensor) -> tuple[list[int], Sequence[str]]:
    """Index of the region size of each node, ascending, and a colour per index."""
    area = (box[:, 2] * box[:, 3] * 1000).round()
    sizes, kind = area.unique(return_inverse=True)
    return kind.tolist(), choose_colors(None, len(sizes), "sizes")


def _side_by_side(box: Tensor) -> Tensor:
    """The centres; coinciding ones are moved apart horizontally, larger regions to the right."""
    place = box[:, :2].clone()
    near = torch.cdist(place, place) < _SAME
    area = box[:, 2] * box[:, 3]
    order = torch.arange(len(box))
    before = near & ((area[None] < area[:, None]) | ((area[None] == area[:, None]) & (order[None] < order[:, None])))
    rank, group = before.sum(1), near.sum(1)
    place[:, 0] += _FAN * (rank - (group - 1) / 2)
    return place


def _draw_boxes(axes: Axes, box: Tensor, alpha: Tensor, colors: Sequence[str]) -> None:
    from matplotlib.patches import Rectangle

    for (x, y, w, h), a, color in zip(box.tolist(), alpha.tolist(), colors, strict=True):
        outline = Rectangle((x - w / 2, y - h / 2), w, h, fill=False, edgecolor=color, linewidth=0.8, alpha=a)
        axes.add_patch(outline)
