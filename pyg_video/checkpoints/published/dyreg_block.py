"""The block of DyReg-GNN's released code: its options, the names in its state dict, and the block in our layers."""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..._checks import check_option
from ...functional import grid_boxes
from ...graph_builders import HourGlass, RegionGraph
from ...graph_builders.region_generators import sinusoidal_positions
from ...layers import RSTG, DenseSpaceConv, FrameNorm, GraphBlock, KernelEmbedding, TemporalRNN
from .translation import Entry, layer, rnn, translate

CHOICES: dict[str, tuple[str | int, ...]] = {
    "rnn": ("GRU", "LSTM"),
    "offset_generator": ("big", "small"),
    "init_regions": ("center", "grid"),
    "aggregation_type": ("dot", "sum"),
    "send_layers": (1, 2),
    "update_layers": (0, 1, 2),
}
_RECORDED = ("out_num_ch", "batch", "frames")  # recorded beside a block's options, without effect on it


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
        return self.H, self.W

    @property
    def trained_size(self) -> tuple[int, int]:
        """Height and width of the map trained on, to which ``full_res`` pools."""
        return (self.iH, self.iW) if self.full_res else self.map_size

    @property
    def gates(self) -> int:
        return {"GRU": 3, "LSTM": 4}[self.rnn]


def load_published_dyreg_block(weights: Mapping[str, Tensor], **config: bool | int | str | None) -> GraphBlock:
    """A :class:`~pyg_video.layers.GraphBlock` with the weights of one block of DyReg-GNN's released code.

    Outputs equal those of the released code. It differs from the paper: ``aggregation_type="sum"`` is a plain mean
    without bias and ReLU, and the centre of the frame lies half the height from the left.

    Args:
        weights: state dict of the released wrapper, ``dynamic_graph.*`` and ``norm_dict.residual_norm.*``; the block
            takes its dtype.
        **config: the released code's options.

            - ``backbone_dim``, ``H`` (needed), ``W``: channels, height and width of the map; square by default.
            - ``node_dim``: channels of the nodes; ``project_i3d=True`` projects to them and back.
            - ``full_res=True``: evaluation on a larger map than the one trained on, ``iH`` x ``iW``.
            - ``num_nodes`` (9), or rows ``h`` and columns ``w`` of regions; ``offset_dim`` (128) of their vectors.
            - ``rnn``: ``"GRU"``, ``"LSTM"``; ``offset_generator``: ``"big"``, ``"small"``; ``init_regions``:
              ``"center"``, ``"grid"``; ``aggregation_type``: ``"dot"``, ``"sum"``.
            - ``send_layers``: 1, 2; ``update_layers``: 0, 1, 2; ``combine_by_sum``: ``True``, ``False``.
            - ``out_num_ch``, ``batch``, ``frames`` are ignored.

    Raises:
        ValueError: an option is unknown, of a wrong type or value, or impossible with the others; a weight is
            missing, unexpected or of a wrong shape, or the anchors are those of other options.
    """
    options = dyreg_options(config)
    block = build_dyreg_block(options)
    what = f"a released DyReg-GNN block with {', '.join(f'{k}={v!r}' for k, v in options._asdict().items())}"
    entries = list(dyreg_entries(options, block))
    block.load_state_dict(translate(weights, entries, block.state_dict(), what))
    check_dyreg_constants(weights, options)
    return block.to(weights["norm_dict.residual_norm.scale"].dtype)


def build_dyreg_block(o: DyRegOptions) -> GraphBlock:
    """The block with fresh weights."""
    C, cell = o.node_dim, o.rnn.lower()
    anchors: str | Tensor = o.init_regions
    if anchors == "center" and o.H != o.W:
        anchors = torch.tensor([[o.H / (2 * o.W), 0.5]]).expand(o.num_nodes, 2)
    builder = RegionGraph(
        C,
        (o.h, o.w),
        size=o.trained_size,
        anchors=anchors,
        generator={"big": "fc", "small": "pool"}[o.offset_generator],
        region_channels=o.offset_dim,
        cell=cell,
    )
    space = DenseSpaceConv(
        C,
        complete=True,
        combine="sum" if o.combine_by_sum else "concat",
        send_layers=o.send_layers,
        attention="dot" if o.aggregation_type == "dot" else "mean",
        plain_gather=o.aggregation_type == "sum",
        update_layers=o.update_layers,
        message_norm=FrameNorm(C),
        update_norm=FrameNorm(C),
    )
    rstg = RSTG(space, TemporalRNN(C, cell=cell), TemporalRNN(C, cell=cell), norm=FrameNorm(C))
    processor = nn.Sequential(KernelEmbedding(C, o.trained_size), rstg)
    return GraphBlock(o.backbone_dim, builder, processor, node_channels=C if o.project_i3d else None)


def dyreg_options(config: Mapping[str, bool | int | str | None]) -> DyRegOptions:
    """The options of a block, checked and completed."""
    defaults, known = DyRegOptions._field_defaults, DyRegOptions._fields
    if unknown := [name for name in config if name not in known + _RECORDED]:
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
    if missing := [name for name in known if name not in given and name not in defaults]:
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


def dyreg_entries(o: DyRegOptions, block: GraphBlock, prefix: str = "", ours: str = "") -> Iterator[Entry]:
    """Everything in a released block's state dict, with where it goes in ours."""
    C, D, graph = o.node_dim, o.offset_dim, f"{prefix}dynamic_graph."
    if o.offset_generator == "big":
        yield from _big(o, block, graph, f"{ours}builder.generator.")
    else:
        yield from _small(o, f"{graph}glore.", f"{ours}builder.generator.")
    yield from _norm(f"{graph}norm_dict.offset_ln_feats_coords", f"{ours}builder.input_norm", (D,))
    yield from rnn(f"{graph}offset_lstm", f"{ours}builder.time", D, o.gates)
    yield from _norm(f"{graph}norm_dict.offset_ln_lstm", f"{ours}builder.time_norm", (D,))
    yield from layer(f"{graph}offset_pred", f"{ours}builder.offset", (4, D))
    yield Entry(f"{graph}offset_alpha", ((4,),), (f"{ours}builder.gain",))
    for axis, buffer in enumerate(("h", "w")):
        yield Entry(f"{graph}p{buffer}_buf", ((1, o.num_nodes, 1),))
        yield Entry(f"{graph}arange_{buffer}_buf", tuple((1, 1, s[axis]) for s in (o.map_size, o.trained_size)))
    pixels = o.trained_size[0] * o.trained_size[1]
    yield from layer(f"{graph}kernel_projection1", f"{ours}processor.0.linear", (C, pixels))
    yield from _rstg(o, f"{graph}rstg.", f"{ours}processor.1.")
    if o.project_i3d:
        yield from layer(f"{graph}project_i3d_linear", f"{ours}project.0", (C, o.backbone_dim, 1, 1))
        yield from _norm(f"{graph}norm_dict.dynamic_graph_projection", f"{ours}project.1", (1, C, 1, 1))
        yield from layer(f"{graph}project_back_i3d_linear", f"{ours}project_back", (o.backbone_dim, C, 1, 1))
    yield from _norm(f"{prefix}norm_dict.residual_norm", f"{ours}norm", (1, o.backbone_dim, 1, 1))


def _big(o: DyRegOptions, block: GraphBlock, graph: str, ours: str) -> Iterator[Entry]:
    net, glass = f"{graph}fishnet.", f"{ours}saliency."
    yield from layer(f"{net}conv1", f"{glass}reduce", (32, o.node_dim, 1, 1))
    yield from layer(f"{net}tail_conv.0", f"{glass}down", (32, 32, 3, 3))
    yield from layer(f"{net}tail_conv.1", f"{glass}deep", (16, 32, 3, 3))
    yield from layer(f"{net}body_trans_conv.0", f"{glass}up", (16, 32, 3, 3), out=32)
    yield from layer(f"{net}head_conv.0", f"{glass}head", (16, 32, 3, 3))
    names = ("norm1", "tail_norm_0", "tail_norm_1", "body_trans_norm_0", "head_norm_0")
    for i, (name, channels) in enumerate(zip(names, (32, 32, 16, 32, 16), strict=True)):
        yield from _norm(f"{net}norm_dict.{name}", f"{glass}norms.{i}", (1, channels, 1, 1))
    saliency = block.builder.get_submodule("generator.saliency")
    assert isinstance(saliency, HourGlass)
    yield from layer(f"{graph}global_conv.0", f"{ours}linear", (o.num_nodes * o.offset_dim, 16, *saliency.out_size))


def _small(o: DyRegOptions, net: str, ours: str) -> Iterator[Entry]:
    C = o.node_dim
    yield from layer(f"{net}mask_conv", f"{ours}choose", (o.num_nodes, C, 1, 1))
    yield from layer(f"{net}sin_pos_emb_proj", f"{ours}position", (C, C, 1, 1))
    yield from layer(f"{net}update", f"{ours}linear", (o.offset_dim, C, 1))
    yield Entry(f"{net}pos_emb_buf", ((C, *o.trained_size), (C, *o.map_size)))
    for kind in ("scale", "bias"):  # of a norm that the released code makes and does not use
        yield Entry(f"{net}norm_dict.offset_location_emb.{kind}", ((1, C, 1, 1),))


def _rstg(o: DyRegOptions, net: str, ours: str) -> Iterator[Entry]:
    C = o.node_dim
    space = f"{ours}space."
    yield from rnn(f"{net}internal_lstm", f"{ours}time", C, o.gates)
    yield from rnn(f"{net}external_lstm", f"{ours}final_time", C, o.gates)
    yield from _norm(f"{net}norm_dict.before_graph_norm", f"{ours}norm", (C,))
    yield from _norm(f"{net}norm_dict.send_message_norm", f"{space}message_norm", (C,))
    yield from _norm(f"{net}norm_dict.update_norm", f"{space}update_norm", (C,))
    if o.combine_by_sum:
        yield from layer(f"{net}send_mlp.0", f"{space}send", (C, C))
    else:  # columns: the sender's half, then the receiver's
        yield Entry(f"{net}send_mlp.0.weight", ((C, 2 * C),), (f"{space}send.weight", f"{space}receive.weight"))
        yield Entry(f"{net}send_mlp.0.bias", ((C,),), (f"{space}send.bias",))
    if o.send_layers == 2:
        yield from layer(f"{net}send_mlp.2", f"{space}send_mlp.1", (C, C))
    if o.aggregation_type == "dot":
        yield from layer(f"{net}att_q", f"{space}attention.query", (C, C))
        yield from layer(f"{net}att_k", f"{space}attention.key", (C, C))
        yield Entry(f"{net}att_bias", ((1, 1, 1, C),), (f"{space}bias",))
    for i in range(o.update_layers):
        width = C if o.combine_by_sum or i > 0 else 2 * C
        yield from layer(f"{net}update_mlp.{2 * i}", f"{space}update_mlp.{2 * i}", (C, width))


def _norm(name: str, ours: str, shape: tuple[int, ...]) -> Iterator[Entry]:
    yield Entry(f"{name}.scale", (shape,), (f"{ours}.weight",))
    yield Entry(f"{name}.bias", (shape,), (f"{ours}.bias",))


def dyreg_anchors(weights: Mapping[str, Tensor], o: DyRegOptions, prefix: str = "") -> str | None:
    """The value of ``init_regions`` that the anchors among the weights belong to, or ``None``."""
    anchors = torch.cat([weights[f"{prefix}dynamic_graph.p{axis}_buf"].flatten() for axis in "hw"]).double()
    for init in (o.init_regions, *(str(other) for other in CHOICES["init_regions"])):
        for size in (o.map_size, o.trained_size):
            expected = _anchors(o, init, size)
            if anchors.shape == expected.shape and torch.allclose(anchors, expected, atol=1e-3):
                return init
    return None


def check_dyreg_constants(weights: Mapping[str, Tensor], o: DyRegOptions, prefix: str = "") -> None:
    """Raise a :exc:`ValueError` if a constant among the weights, which are not loaded, belongs to other options."""
    anchors = dyreg_anchors(weights, o, prefix)
    if anchors not in (None, o.init_regions):
        raise ValueError(
            f"Expected anchors of init_regions={o.init_regions!r} in '{prefix}dynamic_graph.ph_buf' and 'pw_buf' "
            f"(got those of {anchors!r}); give the option that the weights were trained with"
        )
    name = f"{prefix}dynamic_graph.glore.pos_emb_buf"
    if name in weights:
        table = weights[name].double()
        want = sinusoidal_positions(o.node_dim, (table.size(1), table.size(2))).double()
        if not torch.allclose(table, want, atol=1e-4):
            raise ValueError(f"Expected the sinusoidal table of {list(table.shape)} in '{name}' (got other values)")


def _anchors(o: DyRegOptions, init: str, size: tuple[int, int]) -> Tensor:
    """Rows, then columns, of the released code's anchors, in pixels."""
    H, W = size
    if init == "center":
        return torch.full((2 * o.num_nodes,), H / 2, dtype=torch.float64)
    cells = grid_boxes(o.h, o.w, dtype=torch.float64)
    return torch.cat([cells[:, 1] * H, cells[:, 0] * W])
