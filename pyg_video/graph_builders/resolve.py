"""Every strategy by name."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from .._checks import check_option
from .base import GraphBuilder
from .box import BoxGraph
from .cluster import ClusterGraph
from .grid import GridGraph
from .region import RegionGraph
from .saliency import SaliencyGraph
from .semantic import SemanticGraph
from .slots import SlotGraph
from .superpixel import SuperpixelGraph
from .token_learner import TokenLearnerGraph


class _Frame(NamedTuple):
    size: tuple[int, int]
    arrangement: tuple[int, int]


def _numbered(cls: Callable[..., GraphBuilder], channels: int, frame: _Frame, **options: Any) -> GraphBuilder:
    return cls(channels, frame.arrangement[0] * frame.arrangement[1], **options)


def _grid(channels: int, frame: _Frame, **options: Any) -> GraphBuilder:  # noqa: ARG001 # a pyramid of its own
    return GridGraph(channels, **options)


def _fixed(channels: int, frame: _Frame, **options: Any) -> GraphBuilder:
    return GridGraph(channels, (frame.arrangement,), **{"connect": "complete", **options})


def _region(channels: int, frame: _Frame, **options: Any) -> GraphBuilder:
    return RegionGraph(channels, size=frame.size, arrangement=frame.arrangement, **options)


def _cluster(channels: int, frame: _Frame, **options: Any) -> GraphBuilder:
    return ClusterGraph(channels, frame.arrangement, **options)


_BUILDERS: dict[str, Callable[..., GraphBuilder]] = {
    "grid": _grid,
    "fixed": _fixed,
    "static": partial(_region, adapt="dataset"),
    "constant_time": partial(_region, adapt="clip"),
    "position_only": partial(_region, region_size="fixed"),
    "dyreg_lite": partial(_region, generator="pool"),
    "dyreg": _region,
    "semantic": partial(_numbered, SemanticGraph),
    "box": partial(_numbered, BoxGraph),
    "slots": partial(_numbered, SlotGraph),
    "token_learner": partial(_numbered, TokenLearnerGraph),
    "superpixel": partial(_numbered, SuperpixelGraph),
    "cluster": _cluster,
    "saliency": partial(_numbered, SaliencyGraph),
}

REGION_BUILDERS = ("static", "constant_time", "position_only", "dyreg_lite", "dyreg")
"""The names that stand for a :class:`RegionGraph`, and take its options."""


def list_builders() -> list[str]:
    """The names that :func:`resolve_builder` knows.

    Example:
        >>> list_builders()[:7]
        ['grid', 'fixed', 'static', 'constant_time', 'position_only', 'dyreg_lite', 'dyreg']
    """
    return list(_BUILDERS)


def resolve_builder(
    name: str, channels: int, *, size: tuple[int, int], arrangement: tuple[int, int] = (3, 3), **options: Any
) -> GraphBuilder:
    """The builder called ``name``.

    Args:
        name: ``"grid"`` (RSTG's three scales); DyReg-GNN's comparison: ``"fixed"``, ``"static"``, ``"constant_time"``,
            ``"position_only"``, ``"dyreg_lite"``, ``"dyreg"``, ``"semantic"``, ``"box"`` (Detector); ``"slots"``,
            ``"token_learner"``, ``"superpixel"``, ``"cluster"``, ``"saliency"``.
        channels: channels of the feature map.
        size: height and width of the map trained on.
        arrangement: rows and columns of regions; their product is the number of nodes, except for ``"grid"``.
        **options: further options of the builder's class, such as ``connect``.

    Raises:
        ValueError: the name is none of these.

    Example:
        >>> resolve_builder("semantic", 8, size=(7, 7), arrangement=(2, 3))
        SemanticGraph(
          8, num_nodes=6
          (attention): Conv2d(8, 6, kernel_size=(1, 1), stride=(1, 1), bias=False)
        )
    """
    check_option("builder", name, tuple(_BUILDERS))
    return _BUILDERS[name](channels, _Frame(size, arrangement), **options)
