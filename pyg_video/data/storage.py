"""What a :class:`~pyg_video.data.VideoGraph` keeps its attributes in, so that collation loses none of them."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch_geometric.data.storage import GlobalStorage
from torch_geometric.data.view import ItemsView

from .._tracing import refuse_jit_trace

Layout: TypeAlias = tuple[Any, ...]
"""``(T, N)``; where clips differ or graphs were collated, a tuple with one layout per clip or graph."""

NO_LAYOUT = "Expected a graph with a 'layout' (got one without: a subgraph, or made by hand); give layout=(T, N)"
_GRAPH_LEVEL = ("layout", "lengths")  # attributes of the whole graph, whatever their size
_NUMBERED = ("layout", "batch", "ptr")  # which collation makes anew


class _Announced(tuple[Any, ...]):
    """A layout as PyG reads it to put it into other graphs, with what these have to know about the graph it is of."""

    num_nodes: int | None  # that the layout is for
    shapes: dict[str, tuple[int, ...] | None]


class VideoStorage(GlobalStorage):
    """A store that remembers for which nodes its ``layout`` was given, and checks that collated graphs fit together.

    PyG's collation takes the attributes of the first graph and looks for these in the others. What only later ones
    have would be lost without a word; a list of layouts that comes in is where all graphs are known.
    """

    _laid_out: int | None = None  # number of nodes when the layout was given
    _slice_dict: dict[str, Any]  # of a collated batch: where its graphs are in each attribute
    _inc_dict: dict[str, Any]

    def __getitem__(self, key: str) -> Any:
        if key == "layout" and key not in self._mapping:  # asked for in collation, where others have one
            raise KeyError(NO_LAYOUT)
        value = super().__getitem__(key)
        if key != "layout" or torch.compiler.is_compiling():
            return value
        announced = _Announced(value)
        announced.num_nodes = self.num_rows if self._laid_out is None else self._laid_out
        announced.shapes = {name: self._shape(name, given) for name, given in self._mapping.items()}
        return announced

    def __setitem__(self, key: str, value: Any) -> None:
        if key == "layout" and value is not None:
            value = self._take_layout(value)
        others = key == "num_nodes" and "_num_nodes" not in self.__dict__  # by a transform, in place of these
        if others or (key == "edge_index" and value is None):  # by ClusterData, which sorts the nodes by their part
            self._mapping.pop("layout", None)
        super().__setitem__(key, value)
        if key == "ptr" and "layout" in self._mapping:  # PyG has numbered the nodes by graph, not by clip
            sizes = torch.tensor([T * N for T, N in clip_layouts(self._mapping["layout"])])
            if int(sizes.sum()) == self.num_rows:
                self._mapping["batch"] = torch.arange(len(sizes)).repeat_interleave(sizes).to(value.device)

    def items(self, *args: str) -> ItemsView:
        if "layout" not in self._mapping or torch.compiler.is_compiling():
            return super().items(*args)
        return ItemsView({**self._mapping, "layout": self["layout"]}, *args)

    def is_node_attr(self, key: str) -> bool:
        # PyG takes any tuple as long as the graph has nodes for a node attribute: (T, N) in a graph of two nodes.
        return key not in (*_GRAPH_LEVEL, "adjacency") and super().is_node_attr(key)

    def is_edge_attr(self, key: str) -> bool:
        return key == "adjacency" or (key not in _GRAPH_LEVEL and super().is_edge_attr(key))

    @property
    def num_rows(self) -> int | None:
        """Rows of ``x``, if there is one."""
        x = self._mapping.get("x")
        return x.size(0) if isinstance(x, Tensor) else None

    def forget_slices(self) -> None:
        """Let a collated batch no longer be taken apart."""
        for key in ("_slice_dict", "_inc_dict"):
            self.__dict__.pop(key, None)

    def follow(self, changed: Iterable[str]) -> None:
        """Note where the graphs of a collated batch are in attributes that changed, so that it can be taken apart."""
        if "_slice_dict" not in self.__dict__:
            return
        slices, incs = dict(self._slice_dict), dict(self._inc_dict)
        nodes, clips = slices["x"], [len(clip_layouts(layout)) for layout in self._mapping.get("layout", ())]
        edges = _edge_slices(self._mapping["edge_index"], nodes) if "edge_index" in changed else slices["edge_index"]
        for key in changed:
            value = self._mapping.get(key)
            if not isinstance(value, Tensor) or value.dim() == 0:
                continue
            if key in ("edge_index", "lengths"):
                slices[key] = edges if key == "edge_index" else torch.tensor([0, *clips]).cumsum(0)
            elif self.is_node_attr(key) or self.is_edge_attr(key):
                slices[key] = nodes if self.is_node_attr(key) else edges
            elif value.size(0) == len(nodes) - 1:
                slices[key] = torch.arange(len(nodes))
            incs.setdefault(key, None)
        self._slice_dict, self._inc_dict = slices, incs

    def _take_layout(self, value: Sequence[Any]) -> Layout:
        refuse_jit_trace()
        if isinstance(value, list) and value and all(isinstance(layout, _Announced) for layout in value):
            _check_fit([layout.shapes for layout in value])
            known = [layout.num_nodes for layout in value if layout.num_nodes is not None]
            self._laid_out = sum(known) if len(known) == len(value) else self.num_rows
            return tuple(_per_clip(layout) for layout in value)
        if not isinstance(value, list):  # PyG makes a list of a tuple where it moves a graph, which keeps its nodes
            clips = clip_layouts(_as_tuples(value))
            if isinstance(value, _Announced) and value.num_nodes is not None:  # of a graph that a sampler chooses from
                self._laid_out = value.num_nodes
            else:
                self._laid_out = self.num_rows if len(clips) == 1 else sum(T * N for T, N in clips)
            return clips[0] if all(clip == clips[0] for clip in clips) else _as_tuples(value)
        return _as_tuples(value)

    def _shape(self, name: str, value: object) -> tuple[int, ...] | None:
        """The shape of an attribute without the dimension in which it is collated."""
        if not isinstance(value, Tensor) or value.layout != torch.strided or value.dim() == 0:
            return None
        shape, dim = list(value.shape), self._parent().__cat_dim__(name, value, self)
        if dim is not None:
            del shape[dim]
        return tuple(shape)


def is_common(layout: Layout) -> bool:
    """Whether this is ``(T, N)`` for all clips: two numbers, or symbols while a program is exported for any ``T``."""
    return not isinstance(layout[0], (tuple, list))


def clip_layouts(layout: Layout) -> list[tuple[int, int]]:
    """The layouts ``(T, N)`` in a nested layout, in order.

    Example:
        >>> clip_layouts(((2, 9), ((3, 9), (4, 9))))
        [(2, 9), (3, 9), (4, 9)]
    """
    if is_common(layout):
        return [(layout[0], layout[1])]
    return [clip for part in layout for clip in clip_layouts(part)]


def _edge_slices(edge_index: Tensor, nodes: Tensor) -> Tensor:
    """Where the edges of each graph of a batch begin and end."""
    graph = torch.bucketize(edge_index[1].cpu(), nodes[1:], right=True)
    if bool((graph.diff() < 0).any()):
        raise ValueError(
            "Expected the edges of a collated batch in the order of its graphs (got them mixed); sort them by receiver"
        )
    return torch.cat([nodes.new_zeros(1), graph.bincount(minlength=len(nodes) - 1).cumsum(0)])


def _per_clip(layout: _Announced) -> Layout:
    """The layout of a graph, or one per clip if there are several."""
    if not is_common(layout) or layout.num_nodes is None:
        return tuple(layout)
    num_clips = layout.num_nodes // max(layout[0] * layout[1], 1)
    return tuple(layout) if num_clips == 1 else (tuple(layout),) * num_clips


def _as_tuples(layout: Sequence[Any]) -> Layout:
    return tuple(_as_tuples(part) if isinstance(part, (list, tuple)) else part for part in layout)


def _check_fit(shapes: list[dict[str, tuple[int, ...] | None]]) -> None:
    everything = {name for graph in shapes for name in graph} - {*_NUMBERED}
    for name in sorted(everything):
        having = [number for number, graph in enumerate(shapes) if name in graph]
        if len(having) < len(shapes):
            raise ValueError(
                f"Expected graphs with the same attributes, since PyG keeps those of the first (got '{name}' in "
                f"{len(having)} of {len(shapes)}); set it in all or delete it, or use pad_clips, which completes "
                "'mask', 'lengths' and 'edge_weight'"
            )
        found = {graph[name] for graph in shapes}
        if len(found) > 1:
            raise ValueError(
                f"Expected graphs whose '{name}' has one shape, rows aside (got {sorted(map(str, found))}); use maps "
                f"of one size, or delete '{name}'"
            )
