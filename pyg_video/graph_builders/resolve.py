"""Builders by name."""

from inspect import Parameter, signature
from typing import Any

from .._checks import check_option
from .base import BuilderOptions, GraphBuilder
from .box import BoxGraph
from .cluster import ClusterGraph
from .grid import GridGraph
from .region import RegionGraph
from .saliency import SaliencyGraph
from .semantic import SemanticGraph
from .slots import SlotGraph
from .superpixel import SuperpixelGraph
from .token_learner import TokenLearnerGraph

_BUILDERS: dict[str, tuple[type[GraphBuilder], dict[str, str | int]]] = {
    "grid": (GridGraph, {}),
    "fixed": (GridGraph, {"num_nodes": 9, "connect": "complete"}),
    "static": (RegionGraph, {"adapt": "dataset"}),
    "constant_time": (RegionGraph, {"adapt": "clip"}),
    "position_only": (RegionGraph, {"region_size": "fixed"}),
    "dyreg_lite": (RegionGraph, {"generator": "pool"}),
    "dyreg": (RegionGraph, {}),
    "semantic": (SemanticGraph, {}),
    "box": (BoxGraph, {}),
    "slots": (SlotGraph, {}),
    "token_learner": (TokenLearnerGraph, {}),
    "superpixel": (SuperpixelGraph, {}),
    "cluster": (ClusterGraph, {}),
    "saliency": (SaliencyGraph, {}),
}

REGION_BUILDERS = tuple(name for name, (cls, _) in _BUILDERS.items() if cls is RegionGraph)
"""The names that stand for a :class:`RegionGraph`, and take its options."""


def list_builders() -> list[str]:
    """The names that :func:`resolve_builder` knows.

    Example:
        >>> list_builders()[:7]
        ['grid', 'fixed', 'static', 'constant_time', 'position_only', 'dyreg_lite', 'dyreg']
    """
    return list(_BUILDERS)


def resolve_builder(
    name: str,
    channels: int,
    num_nodes: int | tuple[int, int] | None = None,
    *,
    size: tuple[int, int] | None = None,
    **options: Any,
) -> GraphBuilder:
    """The builder called ``name``.

    Args:
        name: one of :func:`list_builders`; ``"grid"`` is RSTG's pyramid of three grids, ``"fixed"`` to ``"box"`` are
            the builders of DyReg-GNN's comparison.
        channels: number of channels of the feature map.
        num_nodes: number of nodes per frame, or (rows, columns); by default 9, or 14 for ``"grid"``.
        size: height and width of the map; only :class:`RegionGraph` uses it, and can do without.
        **options: options of the builder's class.

    Raises:
        ValueError: the name or an option is unknown.

    Example:
        >>> resolve_builder("semantic", 8, (2, 3))
        SemanticGraph(
          8, num_nodes=6
          (attention): Conv2d(8, 6, kernel_size=(1, 1), stride=(1, 1), bias=False)
        )
    """
    check_option("builder", name, tuple(_BUILDERS))
    cls, preset = _BUILDERS[name]
    own = [p.name for p in signature(cls).parameters.values() if p.kind is Parameter.KEYWORD_ONLY]
    known = [*own, *BuilderOptions.__annotations__]
    if unknown := [option for option in options if option not in known]:
        raise ValueError(
            f"Expected options of builder '{name}' to be among {', '.join(map(repr, known))} "
            f"(got {', '.join(map(repr, unknown))})"
        )
    given: dict[str, Any] = {**preset, **options}
    if num_nodes is not None:
        given["num_nodes"] = num_nodes
    if "size" in known:
        given["size"] = size
    if "edge_index" in options and "connect" not in options:
        given.pop("connect", None)
    return cls(channels, **given)
