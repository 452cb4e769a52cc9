"""An explanation drawn over the frames of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .._extras import need
from ..data import VideoGraph
from .draw import PALETTE
from .graph import draw_frame, relative
from .pictures import VIDEO, check_pixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FAINT = 0.02  # opacity below which an edge is left out
_INK = PALETTE[2]  # of edges between frames, on black and on white
_TITLE = 0.3  # inches above a frame


def plot_explanation(graph: VideoGraph, video: Tensor, *, clip: int = 0, width: float = 2.0) -> Figure:
    """Draw which nodes, edges and frames an answer depends on, over the frames of a clip in a row.

    The larger the mask of a node, the larger it is drawn and the clearer its region; the larger that of an edge, the
    clearer its line, relative to the largest of the clip. Edges between frames go from one frame to the other. The mask
    of a frame stands above it.

    Args:
        graph: a graph with masks, as :func:`pyg_video.inspection.explain` gives it, and ``box``.
        video: the clip, float in [0, 1] or uint8, with as many frames as the graph.
        clip: number of the clip in the graph.
        width: width of a frame, in inches.

    Shapes:
        - **video:** :math:`(T, 1, H, W)` or :math:`(T, 3, H, W)`

    Returns:
        A figure without pyplot; ``figure.savefig(path)`` writes it.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
        IndexError: there is no such clip.
        ValueError: the graph has no masks or no boxes, or the video another shape or number of frames.

    Example:
        >>> from pyg_video.graph_builders import GridGraph
        >>> graph = GridGraph(8)(torch.randn(2, 4, 8, 7, 7))
        >>> graph = graph.with_attr(node_mask=torch.rand(112), edge_mask=torch.rand(graph.num_edges))
        >>> figure = plot_explanation(graph, torch.zeros(4, 1, 28, 28), clip=1)
        >>> figure.savefig(getfixture("tmp_path") / "explanation.png")
    """
    need("matplotlib", "plots")
    from matplotlib.figure import Figure

    check_pixels("video", video, VIDEO)
    if "node_mask" not in graph and "edge_mask" not in graph:
        raise ValueError("Expected a graph with 'node_mask' or 'edge_mask' (got one without); use explain")
    layouts = graph.clip_layouts
    if not 0 <= clip < len(layouts):
        raise IndexError(f"Expected 'clip' below {len(layouts)} (got {clip})")
    T, N = layouts[clip]
    if video.size(0) != T:
        raise ValueError(f"Expected 'video' with {T} frames, as the graph has (got {video.size(0)})")
    first = sum(t * n for t, n in layouts[:clip])
    nodes, edges, opacity = _masks(graph, first, T * N)
    of_frames = None
    if "node_mask" in graph:
        of_frames = graph.node_mask[first : first + T * N].view(T, N).amax(dim=1).tolist()
    height = width * video.size(-2) / video.size(-1)
    figure = Figure(figsize=(width * T, height + _TITLE))
    every_axes = figure.subplots(1, T, squeeze=False)[0]
    figure.subplots_adjust(left=0.0, right=1.0, bottom=0.0, top=height / (height + _TITLE), wspace=0.03)
    places = []
    for t, axes in enumerate(every_axes):
        frame, mask = graph.frame(clip, t), nodes[t * N : (t + 1) * N]
        inside = (edges // N == t).all(dim=0)
        alone = VideoGraph(edge_index=edges[:, inside] - t * N, layout=(1, N), num_nodes=N, box=frame.need("box"))
        places.append(draw_frame(axes, alone, video[t], opacity[inside], mask, 0.15 + 0.85 * mask))
        axes.set(xlim=(0, 1), ylim=(1, 0))
        axes.set_title(f"{t}" if of_frames is None else f"{t}: {of_frames[t]:.2f}", fontsize=9)
    _draw_between(figure, list(every_axes), torch.cat(places), edges, opacity, N)
    return figure


def _masks(graph: VideoGraph, first: int, num_nodes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Masks of the nodes of a clip, its edges from 0 on, and their masks; relative to the largest of each."""
    mine = ((graph.edge_index >= first) & (graph.edge_index < first + num_nodes)).all(dim=0)
    edges = graph.edge_index[:, mine].cpu() - first
    given = graph._store.get("node_mask")
    nodes = torch.full((num_nodes,), 0.5)
    if given is not None:
        nodes = relative("node_mask", given[first : first + num_nodes], num_nodes)
    of_edges = graph._store.get("edge_mask")
    opacity = torch.zeros(edges.size(1)) if of_edges is None else relative("edge_mask", of_edges[mine], edges.size(1))
    kept = opacity > _FAINT
    return nodes, edges[:, kept], opacity[kept]


def _draw_between(
    figure: Figure, axes: Sequence[Axes], place: Tensor, edges: Tensor, opacity: Tensor, num_nodes: int
) -> None:
    from matplotlib.patches import ConnectionPatch

    for (sender, receiver), alpha in zip(edges.T.tolist(), opacity.tolist(), strict=True):
        start, end = sender // num_nodes, receiver // num_nodes
        if start == end:
            continue
        patch = ConnectionPatch(
            (float(place[sender, 0]), float(place[sender, 1])),
            (float(place[receiver, 0]), float(place[receiver, 1])),
            "data",
            "data",
            axesA=axes[start],
            axesB=axes[end],
            arrowstyle="->",
            color=_INK,
            alpha=alpha,
            linewidth=0.5 + 2.0 * alpha,
        )
        figure.add_artist(patch)
