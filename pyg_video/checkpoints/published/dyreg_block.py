"""The block of DyReg-GNN's released code, rebuilt from its state dict."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ...graph_builders import RegionGraph
from ...layers import RSTG, FrameNorm, GraphBlock, KernelEmbedding, SpaceConv, TemporalRNN
from .dyreg_names import check_dyreg_constants, dyreg_entries
from .dyreg_options import DyRegOptions, dyreg_options
from .translation import translate


def load_published_dyreg_block(weights: Mapping[str, Tensor], **config: bool | int | str | None) -> GraphBlock:
    """A :class:`~pyg_video.layers.GraphBlock` with the weights of one block of DyReg-GNN's released code.

    Any combination of the options with which the released code runs. It gives the released code's numbers; where that
    differs from the paper: ``aggregation_type="sum"`` is a plain mean without bias and ReLU, and the centre of the
    frame is taken half the height from the left.

    Args:
        weights: state dict of the released wrapper, ``dynamic_graph.*`` and ``norm_dict.residual_norm.*``. The block
            gets its floating type.
        **config: the released code's options.

            - ``backbone_dim``, ``H`` (needed), ``W``: channels, height and width of the map; square by default.
            - ``node_dim``: channels of the nodes; ``project_i3d=True`` projects to them and back.
            - ``full_res=True``: evaluation on a larger map than the one trained on, ``iH`` x ``iW``.
            - ``num_nodes`` (9), or rows ``h`` and columns ``w`` of regions; ``offset_dim`` (128) of their vectors.
            - ``rnn``: ``"GRU"``, ``"LSTM"``; ``offset_generator``: ``"big"``, ``"small"``; ``init_regions``:
              ``"center"``, ``"grid"``; ``aggregation_type``: ``"dot"``, ``"sum"``.
            - ``send_layers``: 1, 2; ``update_layers``: 0, 1, 2; ``combine_by_sum``: ``True``, ``False``.
            - ``out_num_ch``, ``batch``, ``frames``, as recordings of the block tell them, change nothing.

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
    space = SpaceConv(
        C,
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
