"""How a space stage is called: the edges in the form that it takes, and what its ``forward`` names of the graph."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric import nn as pyg

from .._checks import looks_free
from ..data import Frames, VideoGraph
from ..functional import loops_last
from .clip_info import Accepted, accepted_info, signature_of
from .dense_space import DenseSpaceConv
from .space_parts import SpaceParts

_EDGE_ATTRIBUTES = ("adjacency", "edge_attr", "edge_weight")
_NOT_TO_IGNORE = ("position", *_EDGE_ATTRIBUTES)
"""Attributes that a graph has only if its messages are meant to depend on them."""

_FOR_ALL = frozenset({*_NOT_TO_IGNORE, "frames", "mask", "batch", "batch_size"})
"""What a wrapper of any keyword is given, if nothing says what is in it."""

_NEEDS_NODES = (pyg.ChebConv, pyg.FeaStConv, pyg.SuperGATConv, pyg.GPSConv)
"""Convolutions of PyG that fail on a graph without nodes."""

REFUSED: dict[type[nn.Module], str] = {
    pyg.HypergraphConv: "its edges join any number of nodes",
    pyg.SignedConv: "it has two kinds of edges, positive and negative, and needs 'pos_edge_index' and 'neg_edge_index'",
    pyg.DNAConv: "its nodes hold the features of all layers before, [V, layers, C]",
    pyg.WLConv: "it numbers neighbourhoods of numbered nodes and learns nothing",
    pyg.MeshCNNConv: "its nodes are the edges of a triangular mesh, with four neighbours each",
    pyg.PANConv: "it gives edges beside the nodes",
    pyg.HGTConv: "it is for graphs of several kinds of nodes, HeteroData",
    pyg.HANConv: "it is for graphs of several kinds of nodes, HeteroData",
    pyg.HeteroConv: "it is for graphs of several kinds of nodes, HeteroData",
}
"""Convolutions of PyG that are no ``(x, edge_index) -> x`` of one graph per frame, and why."""


class SpaceCall(NamedTuple):
    """A space stage with everything but the nodes.

    Attributes:
        space: the stage.
        taken: arguments of its ``forward`` by name.
        edges: the edges, for a stage that is given them by position.
        kept: the nodes that it is run on, :math:`(V)`, bool; ``None`` for all.
        empty: whether it is not run at all, since no node counts and it fails on none.
        keeps_channels: whether its output has to have the channels of its input.
    """

    space: nn.Module
    taken: Mapping[str, Any]
    edges: Tensor | None = None
    kept: Tensor | None = None
    empty: bool = False
    keeps_channels: bool = True

    def __call__(self, x: Tensor) -> Tensor:
        """The stage on nodes :math:`(B, T, N, C)`; nodes that it is not run on become zeros."""
        if self.empty:
            width = x.size(-1) if self.keeps_channels else _out_width(self.space, x.size(-1))
            zeros = x.masked_fill(torch.ones_like(x, dtype=torch.bool), 0.0)
            return F.pad(zeros[..., :width], (0, max(0, width - x.size(-1))))
        rows = x.flatten(0, 1 if is_dense(self.space) else 2)
        rows = rows if self.kept is None else rows[self.kept]
        y = self.space(rows, **self.taken) if self.edges is None else self.space(rows, self.edges, **self.taken)
        if not isinstance(y, Tensor) or not self._fits(y, rows) or not y.is_floating_point():
            got = f"{list(y.shape)} of {y.dtype}" if isinstance(y, Tensor) else type(y).__name__
            wanted = f"keeps {x.size(-1)} channels" if self.keeps_channels else f"gives {rows.size(0)} rows"
            raise ValueError(f"Expected a space stage that {wanted} (got {got} from {self.space})")
        if self.kept is not None:
            y = y.new_zeros(self.kept.size(0), y.size(-1)).index_put((self.kept,), y)
        return y.view(*x.shape[:-1], y.size(-1))

    def _fits(self, y: Tensor, rows: Tensor) -> bool:
        return y.shape == rows.shape if self.keeps_channels else y.shape[:-1] == rows.shape[:-1]


def is_dense(space: nn.Module) -> bool:
    """Whether a space stage works on matrices of pairs: PyG calls them ``adj``."""
    return "adj" in accepted_info(space)


def space_call(
    space: nn.Module, graph: VideoGraph, *, x_0: Tensor, frames: Frames | None = None, edge_index: Tensor | None = None
) -> SpaceCall:
    """Prepare the call of a space stage on the nodes of a graph.

    Args:
        space: the stage.
        graph: the graph whose attributes it may take.
        x_0: the nodes before the first iteration, :math:`(V, C)`, as PyG's layers with a residual to these call them.
        frames: what norms take for frames, and PyG for graphs; those of the graph by default.
        edge_index: the edges; those of the graph by default.

    Raises:
        ValueError: the stage keeps the edges of an earlier call, ignores what the graph has, or needs what it lacks.
    """
    frames = graph.node_frames if frames is None else frames
    present = graph.present
    present = None if present is None else present.flatten()
    accepted = _accepted(space)
    info = {**graph._store._mapping, "x_0": x_0, "frames": frames, "mask": present, "batch_size": frames.total}
    info["batch"] = frames.index_of(x_0.size(0), x_0.device) if "batch" in accepted.names else None
    names = accepted.names - {"x", "edge_index"}
    taken = {name: value for name, value in info.items() if name in names and value is not None}
    _check(space, graph, taken)
    if is_dense(space):
        return SpaceCall(space, {**_of_pairs(graph, taken), "adj": _adj(space, graph)})
    edges = graph.edge_index if edge_index is None else edge_index
    kept = None if "mask" in taken else present
    empty = kept is not None and _fails_on_none(space) and not bool(kept.any())
    if kept is not None:  # a stage that knows no mask sees the nodes that there are
        edges, taken = _of_kept(kept, edges, taken)
    if not torch.compiler.is_compiling():
        _check_explained(space, graph, edges, num_nodes=x_0.size(0) if kept is None else int(kept.sum()))
    taken = _with_edges(space, taken, edges, accepted)
    return SpaceCall(space, taken, None if accepted.order else edges, kept, empty)


def _accepted(space: nn.Module) -> Accepted:
    """What a stage takes: what its ``forward`` names, and where that takes any keyword, what the layers in it name."""
    if isinstance(space, pyg.Sequential):  # PyG's, which has its signature as data
        names = tuple(space.signature.param_dict)[1:]
        return Accepted(frozenset(names), False, names, names)
    accepted = _by_options(space)
    if not accepted.any_name or isinstance(space, SpaceParts):
        return accepted
    inner = [part for part in space.modules() if part is not space and "edge_index" in accepted_info(part)]
    without = isinstance(space, pyg.GPSConv) and space.conv is None
    inside = frozenset().union(*(_by_options(part).names for part in inner)) if inner or without else _FOR_ALL
    return accepted._replace(names=accepted.names | inside)


def _fails_on_none(space: nn.Module) -> bool:
    """Whether a stage fails on a graph without nodes; of no interest while compiling, which does not know of any."""
    return not torch.compiler.is_compiling() and any(isinstance(part, _NEEDS_NODES) for part in space.modules())


def _out_width(space: nn.Module, width: int) -> int:
    """Channels that a convolution of ``_NEEDS_NODES`` gives."""
    heads = space.heads if isinstance(space, pyg.SuperGATConv) and space.concat else 1
    return int(getattr(space, "out_channels", width)) * int(heads)


def _by_options(space: nn.Module) -> Accepted:
    """What a stage takes, without what layers of PyG name and then, as their options say, ignore or fail on."""
    accepted = signature_of(space)
    if isinstance(space, pyg.FAConv):  # which makes weights of its own, or else needs some
        if space.normalize:
            return accepted._replace(names=accepted.names - {"edge_weight"})
        return accepted._replace(required=(*accepted.required, "edge_weight"))
    ignored = [name for name in ("edge_weight", "edge_attr") if not getattr(space, f"supports_{name}", True)]
    return accepted._replace(names=accepted.names.difference(ignored))


def _check(space: nn.Module, graph: VideoGraph, taken: Mapping[str, Any]) -> None:
    for name in _NOT_TO_IGNORE:
        if name in graph._store._mapping and name not in taken:
            raise ValueError(
                f"Expected a space stage that takes '{name}', since the graph has one (got {type(space).__name__}); "
                f"use SpaceConv, or a graph without '{name}'"
            )
    if isinstance(space, SpaceParts):
        return
    for kind, reason in REFUSED.items():
        if isinstance(space, kind):
            raise ValueError(f"Expected a space stage (x, edge_index) -> x (got {type(space).__name__}: {reason})")
    for part in space.modules():
        if getattr(part, "cached", False):
            raise ValueError(
                "Expected a convolution that computes its edges for every graph (got "
                f"{type(part).__name__}(cached=True), which keeps those of the first); leave 'cached' out"
            )
        if "edge_attr" in taken:
            _check_edge_features(part, taken["edge_attr"], alone=part is space)


def _check_edge_features(part: nn.Module, edge_attr: Tensor, alone: bool) -> None:
    """Raise a :exc:`ValueError` if a convolution ignores features of edges, or is alone and was made for others."""
    given = edge_attr.size(-1) if edge_attr.dim() > 1 else 1
    known: int | None = getattr(part, "edge_dim", getattr(part, "in_edge_channels", given))
    if isinstance(part, pyg.CGConv):
        known = part.dim
    elif isinstance(part, pyg.GENConv):
        known = part.lin_edge.in_channels if hasattr(part, "lin_edge") else part.out_channels
    if known is None or (alone and known != given):
        expected = "that knows the size of 'edge_attr'" if known is None else f"for 'edge_attr' of size {given}"
        raise ValueError(
            f"Expected a convolution {expected} (got {type(part).__name__} {'without' if known is None else known}); "
            "give its edge_dim (GeneralConv: in_edge_channels, CGConv: dim), or use a graph without 'edge_attr'"
        )


def _with_edges(space: nn.Module, taken: Mapping[str, Any], edges: Tensor, accepted: Accepted) -> dict[str, Any]:
    """The arguments with the edges under the name that the stage gives them, once all that it needs is there."""
    taken = dict(taken)
    first = accepted.order[0] if accepted.order else None
    if "edge_index" in accepted.order:
        taken["edge_index"] = edges
    elif first is not None and first not in taken and first not in _FOR_ALL | {"pos", "x_0"}:
        taken[first] = edges  # under a name of the user's
    missing = [name for name in accepted.required if name not in taken]
    if missing:
        raise ValueError(
            f"Expected a graph with what {type(space).__name__} needs (got none of {', '.join(missing)}); set "
            f"graph.with_attr({missing[0]}=...), or use another convolution"
        )
    return taken


def _check_explained(space: nn.Module, graph: VideoGraph, edge_index: Tensor, num_nodes: int) -> None:
    """Refuse to run under an explainer of PyG that would match masks or attention with other edges."""
    parts = [space] if isinstance(space, SpaceParts) else space.modules()
    layers = [part for part in parts if isinstance(part, pyg.MessagePassing)]
    masked = any(layer.explain is True for layer in layers)
    if not masked and not any(layer._message_forward_hooks for layer in layers):
        return
    if edge_index.size(1) != graph.edge_index.size(1):
        raise ValueError(
            "Expected the edges of the graph alone under an explainer (got edges over time, or nodes that do not "
            "count); use RSTG, and clips without padding"
        )
    if isinstance(space, SpaceParts):  # which makes no self-loops
        return
    loops = int((edge_index[0] == edge_index[1]).sum())
    if loops == num_nodes and not torch.equal(loops_last(edge_index), torch.arange(edge_index.size(1)).to(edge_index)):
        raise ValueError(
            "Expected self-loops behind the other edges under an explainer, which matches edges by number (got them in "
            "between); use graph.loops_last()"
        )
    if not masked and 0 < loops < num_nodes:
        raise ValueError(
            "Expected self-loops of all nodes or of none where attention is explained (got some); add or remove them"
        )


def _of_kept(kept: Tensor, edge_index: Tensor, taken: Mapping[str, Any]) -> tuple[Tensor, dict[str, Any]]:
    """The edges and arguments of the nodes that are kept, as if there were no others."""
    inside = kept[edge_index].all(dim=0)
    number = kept.cumsum(0) - 1
    part: dict[str, Any] = {}
    for name, value in taken.items():
        if name == "frames":
            value = value.at(kept, kept.size(0))
        elif name in (*_EDGE_ATTRIBUTES, "edge_type") and value.size(0) == inside.size(0):
            value = value[inside]
        elif isinstance(value, Tensor) and value.dim() > 0 and value.size(0) == kept.size(0):
            value = value[kept]
        part[name] = value
    if "batch" in part:  # frames without a node are no graphs
        frames, part["batch"] = part["batch"].unique_consecutive(return_inverse=True)
        if "batch_size" in part:
            part["batch_size"] = frames.size(0)
    return number[edge_index[:, inside]], part


def _of_pairs(graph: VideoGraph, taken: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a stage on matrices of pairs."""
    dense = dict(taken)
    for name in dense.keys() & {*_EDGE_ATTRIBUTES}:
        value = dense[name][:, None] if name == "edge_attr" and dense[name].dim() == 1 else dense[name]
        dense[name] = graph.dense_edges(value).flatten(0, 1)
    for name in dense.keys() & {"position", "mask"}:
        dense[name] = graph.grid(dense[name]).flatten(0, 1)
    return dense


def _adj(space: nn.Module, graph: VideoGraph) -> Tensor | None:
    """The edges of every frame as a matrix :math:`(F, N, N)`, or ``None`` for a stage that takes them for complete."""
    complete = isinstance(space, DenseSpaceConv) and space.complete and graph.present is None
    if complete and not looks_free(graph.edge_index):
        return None
    adj = graph.dense_edges()
    if looks_free(adj) and (int(adj.sum()) != graph.num_edges or (complete and not bool(adj.all()))):
        raise ValueError(
            "Expected at most one edge from a node to another, and all pairs for a stage with complete=True "
            f"(got {graph.num_edges} edges of {int(adj.sum())} among {adj.numel()} pairs); use SpaceConv"
        )
    if complete:
        return None
    if graph.present is not None:
        adj = adj & graph.present[..., :, None] & graph.present[..., None, :]
    return adj.flatten(0, 1) if isinstance(space, DenseSpaceConv) else adj.flatten(0, 1).to(graph.x.dtype)
