"""The options of a block in DyReg-GNN's released code, by its names."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from ..._checks import check_option

CHOICES: dict[str, tuple[str | int, ...]] = {
    "rnn": ("GRU", "LSTM"),
    "offset_generator": ("big", "small"),
    "init_regions": ("center", "grid"),
    "aggregation_type": ("dot", "sum"),
    "send_layers": (1, 2),
    "update_layers": (0, 1, 2),
}
_RECORDED = ("out_num_ch", "batch", "frames")  # told beside a block's options, but nothing about the block


class DyRegOptions(NamedTuple):
    """See :func:`~pyg_video.checkpoints.load_published_dyreg_block`; a size of 0 follows from the others."""

    backbone_dim: int
    H: int
    W: int = 0
    iH: int = 0  # noqa: N815 - the released code's name
    iW: int = 0  # noqa: N815
    node_dim: int = 0
    num_nodes: int = 0
    h: int = 0
    w: int = 0
    offset_dim: int = 128
    rnn: str = "GRU"
    offset_generator: str = "big"
    init_regions: str = "center"
    send_layers: int = 1
    update_layers: int = 0
    combine_by_sum: bool = True
    aggregation_type: str = "dot"
    project_i3d: bool = False
    full_res: bool = False

    @property
    def map_size(self) -> tuple[int, int]:
        """Height and width of the map that the block works on."""
        return self.H, self.W

    @property
    def trained_size(self) -> tuple[int, int]:
        """Height and width of the map trained on, to which ``full_res`` pools."""
        return (self.iH, self.iW) if self.full_res else (self.H, self.W)

    @property
    def gates(self) -> int:
        """Gates of the recurrent networks."""
        return {"GRU": 3, "LSTM": 4}[self.rnn]


def dyreg_options(config: Mapping[str, bool | int | str | None]) -> DyRegOptions:
    """The options of a block, checked and completed."""
    defaults, known = DyRegOptions._field_defaults, DyRegOptions._fields
    unknown = [name for name in config if name not in known + _RECORDED]
    if unknown:
        raise ValueError(
            f"Expected options of the released block, {', '.join(known + _RECORDED)} (got {', '.join(unknown)})"
        )
    given = {name: value for name, value in config.items() if name in known and value is not None}
    for name, value in given.items():
        kind = type(defaults.get(name, 0))
        if type(value) is not kind:  # not isinstance: True is no number here
            raise ValueError(f"Expected '{name}' of type {kind.__name__} (got {value!r})")
        if name in CHOICES:
            check_option(name, value, CHOICES[name])
        elif kind is int and int(value) < 1:
            raise ValueError(f"Expected '{name}' of at least 1 (got {value})")
    missing = [name for name in known if name not in given and name not in defaults]
    if missing:
        raise ValueError(f"Expected the options backbone_dim and H of the released block (got no {missing[0]})")
    return _checked(_completed(DyRegOptions(**given)))  # type: ignore[arg-type] # types checked above


def _completed(o: DyRegOptions) -> DyRegOptions:
    N = o.num_nodes or o.h * o.w or 9
    h, w = o.h or math.isqrt(N), o.w or math.isqrt(N)
    W = o.W or o.H
    return o._replace(
        W=W, iH=o.iH or o.H, iW=o.iW or o.iH or W, node_dim=o.node_dim or o.backbone_dim, num_nodes=N, h=h, w=w
    )


def _checked(o: DyRegOptions) -> DyRegOptions:
    if o.num_nodes != o.h * o.w:
        raise ValueError(
            f"Expected 'num_nodes' to be a square, or rows 'h' times columns 'w' (got {o.num_nodes} and {o.h} x {o.w})"
        )
    if not o.project_i3d and o.node_dim != o.backbone_dim:
        raise ValueError(
            f"Expected 'node_dim' to be backbone_dim = {o.backbone_dim} without project_i3d=True (got {o.node_dim})"
        )
    if not o.combine_by_sum and (o.send_layers, o.update_layers) != (2, 2):
        raise ValueError(
            "Expected 'send_layers' and 'update_layers' to be 2 with combine_by_sum=False, as the released code runs "
            f"with nothing else (got {o.send_layers} and {o.update_layers})"
        )
    return o
