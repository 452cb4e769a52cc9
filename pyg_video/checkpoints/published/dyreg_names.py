"""What a released DyReg-GNN block's state dict holds, and where it goes in ours."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from ...functional import grid_boxes
from ...graph_builders import HourGlass
from ...graph_builders.region_generators import sinusoidal_positions
from ...layers import GraphBlock
from .dyreg_options import CHOICES, DyRegOptions
from .translation import Entry, layer, rnn


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
    """The value of ``init_regions`` that the anchors among the weights belong to; ``None``: to none."""
    anchors = torch.cat([weights[f"{prefix}dynamic_graph.p{axis}_buf"].flatten() for axis in "hw"]).double()
    for init in (o.init_regions, *(str(other) for other in CHOICES["init_regions"])):
        for size in (o.map_size, o.trained_size):
            expected = _anchors(o, init, size)
            if anchors.shape == expected.shape and torch.allclose(anchors, expected, atol=1e-3):
                return init
    return None


def check_dyreg_constants(weights: Mapping[str, Tensor], o: DyRegOptions, prefix: str = "") -> None:
    """Raise a :exc:`ValueError` where a constant among the weights tells that they were trained with other options.

    The constants are not loaded; neither does the released code's evaluation load its anchors.
    """
    anchors = dyreg_anchors(weights, o, prefix)
    if anchors not in (None, o.init_regions):
        raise ValueError(
            f"Expected anchors of init_regions={o.init_regions!r} in '{prefix}dynamic_graph.ph_buf' and 'pw_buf' "
            f"(got those of {anchors!r}); give the option that the weights were trained with"
        )
    table = weights.get(f"{prefix}dynamic_graph.glore.pos_emb_buf")
    if table is not None:
        want = sinusoidal_positions(o.node_dim, (table.size(1), table.size(2)))
        if not torch.allclose(table.double(), want.double(), atol=1e-4):
            raise ValueError(
                f"Expected the sinusoidal table of {list(table.shape)} in '{prefix}dynamic_graph.glore.pos_emb_buf' "
                "(got other values)"
            )


def _anchors(o: DyRegOptions, init: str, size: tuple[int, int]) -> Tensor:
    """Rows, then columns, of the released code's anchors, in pixels."""
    H, W = size
    if init == "center":
        return torch.full((2 * o.num_nodes,), H / 2, dtype=torch.float64)
    cells = grid_boxes(o.h, o.w, dtype=torch.float64)
    return torch.cat([cells[:, 1] * H, cells[:, 0] * W])
