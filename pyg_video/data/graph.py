"""The graph that travels between builders, layers and readouts."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.data.data import DataEdgeAttr, DataTensorAttr

from .._checks import check_lengths
from ..functional import frame_mask, loops_last
from .frames import Frames, check_within_frames
from .regions import Regions
from .storage import NO_LAYOUT, Layout, VideoStorage, clip_layouts, is_common


class VideoGraph(Data):
    r"""The graph sequence of one or more clips as one flat PyG graph.

    Nodes are ordered by clip, frame and place in the frame, so that :math:`V = B \cdot T \cdot N` and
    :attr:`frames` is a view. Edges stay within a frame, unless :class:`~pyg_video.graph_builders.ConnectInTime` adds
    some. Every PyG layer, transform, loader and explainer of :class:`~torch_geometric.data.Data` takes this graph.

    PyG's :class:`~torch_geometric.loader.DataLoader` collates clips of any length, graphs of several clips, and
    batches. The layers of this package take such a batch as it is and give a batch, with the numbers of each clip
    alone; where clips differ in ``(T, N)``, :meth:`padded` gives them one grid. ``batch`` counts clips. A ``layout``
    holds for the nodes that it was given for: what chooses among them loses the grid.

    Args:
        x: node features.
        edge_index: edges, block-diagonal over frames, or over clips.
        layout: ``(T, N)``, frames per clip and nodes per frame.
        kernel: node-to-pixel assignment, which :class:`~pyg_video.layers.ToMap` reuses.
        box: node regions, ``cxcywh`` as fractions of the frame.
        batch: clip of every node.
        lengths: frames of every clip that count, where clips were padded to the same ``T``.
        mask: which nodes are present, where a frame can have fewer than ``N``. The others have no edges and an empty
            kernel; norms, recurrences and readouts ignore them.
        **kwargs: further attributes, as in PyG.

    Shapes:
        - **x:** :math:`(V, C)`
        - **edge_index:** :math:`(2, E)`
        - **kernel:** :math:`(V, H, W)`
        - **box:** :math:`(V, 4)`
        - **batch:** :math:`(V)`
        - **lengths:** :math:`(B)`
        - **mask:** :math:`(V)`, bool

    Example:
        >>> graph = VideoGraph(torch.zeros(12, 8), torch.empty(2, 0, dtype=torch.long), layout=(2, 3))
        >>> graph.frames.shape  # [B, T, N, C]
        torch.Size([2, 2, 3, 8])
    """

    def __init__(
        self,
        x: Tensor | None = None,
        edge_index: Tensor | None = None,
        *,
        layout: tuple[int, int] | None = None,
        kernel: Tensor | None = None,
        box: Tensor | None = None,
        batch: Tensor | None = None,
        lengths: Tensor | None = None,
        mask: Tensor | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__()
        self.__dict__["_store"] = VideoStorage(_parent=self)
        given: dict[str, object] = {"num_nodes": kwargs.pop("num_nodes", None)}  # which takes a layout before it away
        given |= {"x": x, "edge_index": edge_index, "layout": layout, "kernel": kernel, "box": box}
        given |= {"batch": batch, "lengths": lengths, "mask": mask}
        # Not `self.x = ...`: that goes through PyG's property machinery, which torch.compile cannot trace.
        for key, value in (given | kwargs).items():
            if value is not None:
                self._store[key] = value
        if box is not None and "pos" not in kwargs:
            self._store["pos"] = box[..., :2]

    @property
    def layout(self) -> Layout:
        """``(T, N)``; where clips differ or graphs were collated, a tuple with the layout of every clip or graph."""
        if "layout" not in self._store._mapping:
            raise AttributeError("Expected a graph with a 'layout' (got one without)")
        layout: Layout = self._store._mapping["layout"]
        return layout

    @property
    def clip_layouts(self) -> list[tuple[int, int]]:
        """``(T, N)`` of every clip."""
        layout = self._checked_layout()
        clips = clip_layouts(layout)
        return clips * self.num_clips if is_common(layout) else clips

    def _checked_layout(self) -> Layout:
        """The layout of these very nodes; without a list of clips, which compiled code would unroll."""
        layout: Layout | None = self._store._mapping.get("layout")
        if layout is None:
            raise ValueError(NO_LAYOUT)
        V, laid_out = self._store.num_rows, self._store._laid_out
        if (None not in (V, laid_out) and laid_out != V) or "n_id" in self._store._mapping:
            raise ValueError(
                f"Expected the {laid_out} nodes that the 'layout' was given for (got {V}: a transform or a loader "
                "chose among them, or put others in their place); go on without the grid, or give a new layout=(T, N)"
            )
        if is_common(layout):
            T, N = layout
            if T < 1 or N < 1 or not V or V % (T * N) != 0:
                raise ValueError(f"Expected clips of T * N = {T} * {N} nodes (got {V} nodes)")
        return layout

    @property
    def is_ragged(self) -> bool:
        """Whether clips have different numbers of frames or of nodes per frame, and so no common grid."""
        layout = self._store._mapping.get("layout")
        return layout is not None and not is_common(layout) and len(set(clip_layouts(layout))) > 1

    @property
    def frame_layout(self) -> tuple[int, int]:
        """``(T, N)``; the same for every clip, else a :exc:`ValueError`."""
        layout = self._checked_layout()
        if is_common(layout):
            return layout[0], layout[1]
        if self.is_ragged:
            raise ValueError(
                f"Expected clips of one layout (T, N) to see them as one grid (got {sorted(set(self.clip_layouts))}); "
                "use graph.padded(), or one clip at a time"
            )
        return self.clip_layouts[0]

    @property
    def frames(self) -> Tensor:
        """Node features as a grid, :math:`(B, T, N, C)`; a view of ``x``."""
        return self.grid(self._store["x"])

    @frames.setter
    def frames(self, value: Tensor) -> None:  # noqa: ARG002
        raise AttributeError("Expected node features to be set with with_x (got an assignment to 'frames')")

    @property
    def num_clips(self) -> int:
        """Clips :math:`B`."""
        layout = self._checked_layout()
        if is_common(layout):
            num_clips: int = self._store.num_rows // (layout[0] * layout[1])
            return num_clips
        return len(clip_layouts(layout))

    @property
    def num_graphs(self) -> int:
        """Clips :math:`B`, as PyG calls them; in a collated batch, the graphs that were collated."""
        return self.num_clips

    @property
    def num_frames(self) -> int:
        """Frames per clip :math:`T`."""
        return self.frame_layout[0]

    @property
    def node_frames(self) -> Frames:
        """The frames that the nodes are in, as the norms of :mod:`pyg_video.layers` take them."""
        return Frames(self.num_clips, self.num_frames)

    @property
    def frame_index(self) -> Tensor:
        """The frame that every node is in, counted over all clips, :math:`(V)`."""
        return self.node_frames.index_of(self._store["x"].size(0), self._store["x"].device)

    @property
    def present(self) -> Tensor | None:
        """The nodes that count, :math:`(B, T, N)`, bool: those in ``mask`` and within ``lengths``; ``None`` for all."""
        mask, lengths = self._store.get("mask"), self._store.get("lengths")
        present = None if mask is None else self.grid(mask)
        if lengths is not None:
            check_lengths(lengths, self.num_clips, self.num_frames)
            inside = frame_mask(lengths, self.num_frames, device=self._store["x"].device)[..., None]
            present = inside.expand(self.frames.shape[:3]) if present is None else present & inside
        return present

    def dense_edges(self, value: Tensor | None = None) -> Tensor:
        """The edges of every frame as a matrix of pairs, receivers first.

        Args:
            value: an edge attribute :math:`(E, *)`; the sum of it, where there are several edges between two nodes.

        Returns:
            :math:`(B, T, N, N)`, bool, whether there is an edge; or :math:`(B, T, N, N, *)`, the attribute, 0 where
            there is none.

        Raises:
            ValueError: some edges join nodes of different frames.
        """
        N = self.frame_layout[1]
        check_within_frames(self._store["edge_index"], N)
        sender, receiver = self._store["edge_index"]
        place = (receiver, sender % N)
        shape = (self._store["x"].size(0), N)
        if value is None:
            pairs = torch.zeros(shape, dtype=torch.bool, device=sender.device)
            return self.grid(pairs.index_put(place, pairs.new_ones(())))
        return self.grid(value.new_zeros(*shape, *value.shape[1:]).index_put(place, value, accumulate=True))

    def grid(self, value: Tensor) -> Tensor:
        """A node attribute as a grid: :math:`(V, *)` to :math:`(B, T, N, *)`."""
        T, N = self.frame_layout
        return value.unflatten(0, (-1, T, N))

    def padded(self) -> "VideoGraph":
        """These clips with the same number of frames, and of nodes per frame.

        Returns:
            This graph if its clips are of one layout, else one in which short clips end with frames beyond their
            ``lengths``, and small frames with nodes outside of the ``mask``.
        """
        from .padding import pad  # which makes graphs

        return pad(self).graph

    def need(self, name: str) -> Tensor:
        """The attribute ``name``, or a :exc:`ValueError` that says where it comes from."""
        if name not in self._store:
            raise ValueError(f"Expected a graph with '{name}' (got one without); let a builder make it, or set it")
        value: Tensor = self._store[name]
        return value

    def with_x(self, x: Tensor) -> "VideoGraph":
        """This graph with other node features; everything else is shared, not copied."""
        return self.with_attr(x=x)

    def with_attr(self, **attributes: object) -> "VideoGraph":
        """This graph with some attributes replaced or added; everything else is shared, not copied."""
        box = attributes.get("box")
        if isinstance(box, Tensor):
            attributes.setdefault("pos", box[..., :2])
        if type(self) is not VideoGraph:  # a batch that PyG made, and can take apart
            graph = copy.copy(self)
            for key, value in attributes.items():
                graph._store[key] = value
            graph._store.follow(attributes)
            return graph
        return _from_mapping({**self._store._mapping, **attributes}, None if "layout" in attributes else self._store)

    def frame(self, b: int, t: int) -> "VideoGraph":
        """The graph of frame ``t`` of clip ``b`` alone."""
        layouts = self.clip_layouts
        B, T = len(layouts), layouts[b][0] if -len(layouts) <= b < len(layouts) else 0
        if not (-B <= b < B and -T <= t < T):
            raise IndexError(f"Expected clip 'b' below {B} and frame 't' below {T} (got b={b}, t={t})")
        N = layouts[b][1]
        first = sum(T * N for T, N in layouts[: b % B]) + t % T * N
        inside = ((self.edge_index >= first) & (self.edge_index < first + N)).all(dim=0)
        picked: dict[str, object] = {"edge_index": self.edge_index[:, inside] - first, "layout": (1, N)}
        for key, value in self._store.items():
            if key in ("edge_index", "layout", "batch", "ptr", "lengths"):
                continue
            if isinstance(value, Tensor) and self.is_node_attr(key):
                value = value[first : first + N]
            elif isinstance(value, Tensor) and self.is_edge_attr(key):
                value = value[inside]
            picked[key] = value
        return _from_mapping(picked)

    def loops_last(self) -> "VideoGraph":
        """This graph with self-loops behind the other edges, as a builder makes it; what PyG's explainers need.

        A batch in this order can not be taken apart. :func:`pyg_video.functional.loops_last` says more.
        """
        order = loops_last(self.edge_index)
        graph = copy.copy(self)
        graph._store.forget_slices()
        for key, value in self._store.items():
            if isinstance(value, Tensor) and (key == "edge_index" or self.is_edge_attr(key)):
                graph._store[key] = value[:, order] if key == "edge_index" else value[order]
        return graph

    def subgraph(self, subset: Tensor) -> "VideoGraph":
        """The graph of some nodes, as in PyG; it has no ``(B, T, N)`` grid, and so no ``layout``, any more."""
        graph: VideoGraph = super().subgraph(subset)
        for key in ("layout", "lengths", "ptr"):
            graph._store.pop(key, None)
        graph._store.forget_slices()
        return graph


def _from_mapping(attributes: Mapping[str, object], nodes_of: VideoStorage | None = None) -> VideoGraph:
    """A graph of these attributes; its layout is for the nodes that it was for in another store."""
    graph = VideoGraph()
    for key, value in attributes.items():
        graph._store[key] = value
    if nodes_of is not None:
        graph._store._laid_out = nodes_of._laid_out
    return graph


# What a saved graph is made of, so that torch.load takes it with weights_only=True.
torch.serialization.add_safe_globals([VideoGraph, VideoStorage, Regions, Frames, DataEdgeAttr, DataTensorAttr])
