"""The variables of RSTG's released TensorFlow code as our modules."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..backbones import PlainCNN
from ..functional import grid_boxes, overlap_edges
from ..graph_builders import GridGraph
from ..layers import (
    RSTG,
    AllPairs,
    BatchNorm,
    ClipNorm,
    FrameNorm,
    GraphBlock,
    OnNodes,
    SpaceConv,
    TablePosition,
    TemporalRNN,
    ToVector,
)
from ..models import GraphHead, VideoClassifier
from .variables import Variables

_EPS = 1e-12  # of the released layer norms
_SCOPE = "whole_graph_model_"
_SLOTS = re.compile(r"/(Momentum|Adam(_1)?)$|^global_step$|(beta|gamma)[12]_power$|resize_filters__")


class PublishedRSTG(NamedTuple):
    """The released graph module in parts.

    Attributes:
        builder: feature map to graph.
        processor: graph to graph: projection, positions, the recurrent graph, projection back.
        norms: norms of the residual branches, by the place in the backbone that their names begin with.
    """

    builder: GridGraph
    processor: nn.Sequential
    norms: dict[str, nn.Module]

    def block(self, place: str) -> GraphBlock:
        """The graph as a residual block on a feature map (RSTG-to-map), with the norm named after ``place``."""
        if place not in self.norms:
            raise ValueError(f"Expected 'place' to be one of {', '.join(self.norms) or 'none'} (got '{place}')")
        norm = self.norms[place]
        assert isinstance(norm, (nn.GroupNorm, nn.BatchNorm3d))
        scale = norm.weight.detach().clone()
        block = GraphBlock(self.builder, self.processor, channels=self.builder.channels, norm=norm)
        with torch.no_grad():
            norm.weight.copy_(scale)
        return block


def load_published_rstg(
    weights: Mapping[str, npt.ArrayLike],
    *,
    place: str | None = None,
    scales: Sequence[int] = (3, 2, 1),
    num_stages: int = 3,
    frame: tuple[int, int] | None = None,
) -> PublishedRSTG:
    """Rebuild the graph module of RSTG's released TensorFlow code from its variables.

    Everything that the variables tell is read off them: widths, projections, positions, additive, dot or multi-head
    attention, layers of the update, one or one a scale, layer, batch or no norms. The modules compute what the
    released code does where it differs from the paper (``docs/paper_and_code.md``): all pairs in the softmax, and
    norms over whole clips before the graph. They are in evaluation mode; ``train()`` gives batch norms their batch's
    statistics.

    Args:
        weights: the variables, TensorFlow's names to arrays, of the graph or of a whole network. LSTMs as
            ``opaque_kernel`` or as TensorFlow's saver writes them. Optimizer slots and resize filters are ignored.
        place: which graph, where there are several: ``"res3"`` of ``whole_graph_model_res3``.
        scales: rows (and columns) of the grids, the released ``num_scales`` counted down.
        num_stages: the released ``num_process_iter``. Its code has time stages before the first three only.
        frame: the released ``dim_h`` and ``dim_w``, the frames' size in pixels. The code decides who is a neighbour by
            rectangles of whole pixels; only with five scales or more can that differ from exact fractions.

    Raises:
        ValueError: a variable is missing, left over or of another shape; names it.

    Shapes:
        - ``nn.Sequential(builder, processor)`` takes :math:`(B, T, C, H, W)`

    Example:
        >>> import numpy as np
        >>> weights = np.load("rstg_weights.npz")  # doctest: +SKIP
        >>> builder, processor, _ = load_published_rstg(weights)  # doctest: +SKIP
        >>> graph = processor(builder(torch.randn(2, 4, 16, 6, 6)))  # doctest: +SKIP
    """
    if not 0 <= num_stages <= 3:
        raise ValueError(
            "Expected 'num_stages' from 0 to 3, since the released code has no time stage after that "
            f"(got {num_stages})"
        )
    cleaned = _cleaned(weights)
    inside = _graph_variables(cleaned, place)
    width = inside.shape("send_messages_mlp/send_conv2/kernel")[-1]
    in_channels = inside.shape("project_i3d/kernel")[0] if "project_i3d/kernel" in inside else width
    edges = None if frame is None else _whole_pixel_edges(scales, frame)
    builder = GridGraph(in_channels, tuple(scales), edge_index=edges)
    table = _position(cleaned)

    parts: list[nn.Module] = [OnNodes(_linear(inside, "project_i3d"))] if "project_i3d/kernel" in inside else []
    if table is not None:
        parts.append(TablePosition(table))
    parts.append(AllPairs())
    norm = _before_graph(inside, width)
    space = _space(inside, width, builder.nodes_per_scale, 0 if table is None else table.size(1))
    time, final_time = (_lstm(inside, scope, width) for scope in ("cudnn_lstm", "time_update_extern/cudnn_lstm"))
    parts.append(RSTG(space, time, final_time, num_stages=num_stages, norm=norm))
    if "project_back_to_i3d/kernel" in inside:
        parts.append(OnNodes(_linear(inside, "project_back_to_i3d")))
    inside.check_used()
    return PublishedRSTG(builder.eval(), nn.Sequential(*parts).eval(), _residual_norms(cleaned))


def load_published_rstg_network(
    weights: Mapping[str, npt.ArrayLike],
    *,
    scales: Sequence[int] = (3, 2, 1),
    num_stages: int = 3,
    frame: tuple[int, int] | None = None,
    pixel_range: float = 255.0,
) -> VideoClassifier:
    """Rebuild the whole SyncMNIST network of RSTG's released code: convolutions, graph, mean over frames, scores.

    Args:
        weights: the variables of the network, as in :func:`load_published_rstg`.
        scales: as there.
        num_stages: as there.
        frame: as there.
        pixel_range: what white is in the frames that the network was trained on. The returned model takes frames from
            0 to 1; the factor goes into the first convolution.

    Raises:
        ValueError: as :func:`load_published_rstg`.

    Shapes:
        - **video:** :math:`(B, T, 1, H, W)`, in [0, 1]
        - **output:** :math:`(B, num\\_classes)`
    """
    cleaned = _cleaned(weights)
    names = [re.search(r"(?:^|/)(conv\d+/conv2d|pred)/(kernel|bias)$", name) for name in cleaned]
    around = Variables({found[0].lstrip("/"): cleaned[found.string] for found in names if found}, "the network")
    numbers = sorted({int(name[4:].split("/")[0]) for name in around.names() if name.startswith("conv")})
    if not numbers:
        raise ValueError("Expected the variables conv0/conv2d/kernel, ... of the SyncMNIST network (got none of them)")
    graph = load_published_rstg(weights, place="final", scales=scales, num_stages=num_stages, frame=frame)
    kernels = [around.take(f"conv{i}/conv2d/kernel") for i in numbers]
    backbone = PlainCNN(kernels[0].size(2), [kernel.size(3) for kernel in kernels])
    with torch.no_grad():
        for i, kernel, stage in zip(numbers, kernels, backbone.stages.values(), strict=True):
            conv = stage[0]  # type: ignore[index] # a Sequential
            conv.weight.copy_(kernel.permute(3, 2, 0, 1) * (pixel_range if i == numbers[0] else 1.0))
            conv.bias.copy_(around.take(f"conv{i}/conv2d/bias", conv.bias.shape))
    linear = _linear(around, "pred")
    around.check_used()
    head = GraphHead(
        graph.builder,
        graph.processor,
        channels=linear.in_features,
        num_classes=linear.out_features,
        readout=ToVector("mean"),
    )
    head.linear = linear
    return VideoClassifier(backbone, head).eval()


def _whole_pixel_edges(scales: Sequence[int], frame: tuple[int, int]) -> Tensor:
    """Neighbours among rectangles of ``int(H / s)`` by ``int(W / s)`` pixels from the upper left corner on."""
    H, W = frame
    boxes = []
    for s in scales:
        if s < 1 or min(H, W) < s or H // (H // s) != s or W // (W // s) != s:
            raise ValueError(f"Expected a 'frame' into which {s} x {s} rectangles of whole pixels fit (got {H} x {W})")
        boxes.append(grid_boxes(s, s, dtype=torch.float64) * torch.tensor([W // s * s / W, H // s * s / H] * 2))
    return overlap_edges(torch.cat(boxes))


def _cleaned(weights: Mapping[str, npt.ArrayLike]) -> dict[str, Tensor]:
    named = {name.removesuffix(":0"): value for name, value in weights.items()}
    return {
        name: torch.from_numpy(np.array(value, dtype=np.float32))
        for name, value in named.items()
        if not _SLOTS.search(name)
    }


def _graph_variables(cleaned: Mapping[str, Tensor], place: str | None) -> Variables:
    found = {name: re.search(rf"(?:^|/){_SCOPE}([^/]+)/(.+)$", name) for name in cleaned}
    places = sorted({match[1] for match in found.values() if match})
    if not places:
        raise ValueError(
            f"Expected variables under {_SCOPE}... (got {', '.join(list(cleaned)[:3]) or 'none'}); give the names that "
            "tf.train.list_variables shows"
        )
    if (len(places) > 1) if place is None else (place not in places):
        raise ValueError(f"Expected 'place' to be one of {', '.join(places)} (got {place})")
    chosen = place or places[0]
    inside = {match[2]: cleaned[name] for name, match in found.items() if match and match[1] == chosen}
    return Variables(inside, f"{_SCOPE}{chosen}")


def _position(cleaned: Mapping[str, Tensor]) -> Tensor | None:
    return next((value for name, value in cleaned.items() if name.split("/")[-1] == "positional_emb"), None)


def _linear(variables: Variables, scope: str) -> nn.Linear:
    """A dense layer or 1 x 1 convolution, whose kernel ``[..., in, out]`` is applied on the right."""
    kernel = variables.take(f"{scope}/kernel").flatten(0, -2)
    linear = nn.Linear(*kernel.shape)
    _set(linear.weight, kernel.T)
    _set(linear.bias, variables.take(f"{scope}/bias", linear.bias.shape))
    return linear


def _space(variables: Variables, width: int, nodes_per_scale: Sequence[int], position_channels: int) -> SpaceConv:
    scalewise = any(name.startswith("update_node_mlp_/") for name in variables.names())
    scope = "update_node_mlp_" if scalewise else "update_node_mlp"
    heads = sum(bool(re.fullmatch(r"attention_head\d+/messages_proj/kernel", name)) for name in variables.names())
    additive = "my_attn/att_conv1/kernel" in variables
    space = SpaceConv(
        width,
        attention="additive" if additive else ("multi_head" if heads else "dot"),
        heads=max(heads, 1),
        update_layers=sum(bool(re.fullmatch(rf"{scope}/update_conv\d+(_type1)?/kernel", n)) for n in variables.names()),
        update_groups=nodes_per_scale if scalewise else None,
        position_channels=position_channels,
    )
    # Set afterwards: the constructor would reset their weights.
    space.message_norm = _norm(variables, "send_messages_mlp/message", width)
    space.gather_norm = _norm(variables, "my_attn/att", width)
    space.update_norm = _norm(variables, f"{scope}/update", width)
    _fill_send(variables, space)
    _fill_attention(variables, space, heads)
    kinds = space.update_mlp.kinds if scalewise else [space.update_mlp]
    for k, mlp in enumerate(kinds):  # type: ignore[arg-type]
        for layer in range(len(mlp) // 2):
            mlp[2 * layer] = _linear(
                variables, f"{scope}/update_conv{layer + 1}" + (f"_type{k + 1}" if scalewise else "")
            )
    return space


def _fill_send(variables: Variables, space: SpaceConv) -> None:
    ends = space.send.in_features
    kernel = variables.take("send_messages_mlp/send_conv1/kernel").flatten(0, -2)
    if kernel.size(0) != 2 * ends:
        raise ValueError(
            f"Expected send_conv1/kernel for both ends of {ends} values, position included "
            f"(got {kernel.size(0)} rows); is 'positional_emb' among the variables?"
        )
    assert space.receive is not None
    _set(space.send.weight, kernel[:ends].T)  # the sender comes first
    _set(space.receive.weight, kernel[ends:].T)
    _set(space.send.bias, variables.take("send_messages_mlp/send_conv1/bias", space.send.bias.shape))
    space.send_mlp[1] = _linear(variables, "send_messages_mlp/send_conv2")


def _fill_attention(variables: Variables, space: SpaceConv, heads: int) -> None:
    scopes = [f"attention_head{h}/dot_product_attn" for h in range(heads)]
    if not scopes:
        scopes = ["my_attn" if "my_attn/att_conv1/kernel" in variables else "dot_product_attn"]
    receiver, sender = (
        _side_by_side([_linear(variables, f"{s}/{name}") for s in scopes]) for name in ("att_conv1", "att_conv2")
    )
    names = ("receiver", "sender") if scopes == ["my_attn"] else ("query", "key")
    for name, linear in zip(names, (receiver, sender), strict=True):
        setattr(space.attention, name, linear)
    if heads:
        space.value = _side_by_side([_linear(variables, f"attention_head{h}/messages_proj") for h in range(heads)])
    _set(space.bias, torch.cat([variables.take(f"{scope}/att_bias/biases") for scope in scopes]))


def _side_by_side(parts: Sequence[nn.Linear]) -> nn.Linear:
    """Layers that read the same input as one."""
    linear = nn.Linear(parts[0].in_features, sum(part.out_features for part in parts))
    _set(linear.weight, torch.cat([part.weight for part in parts]))
    _set(linear.bias, torch.cat([part.bias for part in parts]))
    return linear


def _lstm(variables: Variables, scope: str, width: int) -> TemporalRNN:
    lstm = TemporalRNN(width, cell="lstm")
    saved = f"{scope}/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell"
    H = width
    if f"{saved}/kernel" in variables:  # [input | hidden, gates], gates i, g, f, o, one bias
        kernel = variables.take(f"{saved}/kernel", (2 * H, 4 * H)).unflatten(1, (4, H))[:, [0, 2, 1, 3]].flatten(1)
        bias = variables.take(f"{saved}/bias", (4 * H,)).unflatten(0, (4, H))[[0, 2, 1, 3]].flatten()
        values = (kernel[:H].T, kernel[H:].T, bias, torch.zeros_like(bias))
    else:  # one vector, gates i, f, g, o
        flat = variables.take(f"{scope}/opaque_kernel", (8 * H * H + 8 * H,))
        W, R, b_W, b_R = flat.split((4 * H * H, 4 * H * H, 4 * H, 4 * H))
        values = (W.view(4 * H, H), R.view(4 * H, H), b_W, b_R)
    for parameter, value in zip(
        (lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0, lstm.bias_hh_l0), values, strict=True
    ):
        _set(parameter, value)
    return lstm


def _norm(variables: Variables, prefix: str, width: int) -> FrameNorm | BatchNorm | None:
    if f"{prefix}_ln/gamma" in variables:
        norm = FrameNorm(width, eps=_EPS)
        _fill_norm(variables, f"{prefix}_ln", norm)
        return norm
    return _batch_norm(variables, f"{prefix}_bn", width)


def _before_graph(variables: Variables, width: int) -> nn.Module:
    norms: list[nn.Module] = []
    for scope in ("batch_normalization", "before_graf_bn"):
        norm = _batch_norm(variables, scope, width)
        if norm is not None:
            norms.append(norm)
    if "before_graf_ln/gamma" in variables:
        clip_norm = ClipNorm(width, eps=_EPS)
        _fill_norm(variables, "before_graf_ln", clip_norm)
        norms.append(clip_norm)
    return norms[0] if len(norms) == 1 else nn.Sequential(*norms)


def _batch_norm(variables: Variables, scope: str, width: int) -> BatchNorm | None:
    if f"{scope}/gamma" not in variables:
        return None
    norm = BatchNorm(width)
    _fill_norm(variables, scope, norm)
    _set(norm.running_mean, variables.take(f"{scope}/moving_mean", (width,)))
    _set(norm.running_var, variables.take(f"{scope}/moving_variance", (width,)))
    return norm


def _fill_norm(variables: Variables, scope: str, norm: FrameNorm | ClipNorm | BatchNorm) -> None:
    _set(norm.weight, variables.take(f"{scope}/gamma", norm.weight.shape))
    _set(norm.bias, variables.take(f"{scope}/beta", norm.bias.shape))


def _residual_norms(cleaned: Mapping[str, Tensor]) -> dict[str, nn.Module]:
    """``scale * (LN(x) + beta)``, or a batch norm, of every place."""
    norms: dict[str, nn.Module] = {}
    for name, value in cleaned.items():
        stem = name.rsplit("/", 1)[0]
        found = re.fullmatch(r"(?:.*/)?([^/]+)_after_graph_(ln|bn)/beta", name)
        if not found:
            continue
        norm: nn.GroupNorm | nn.BatchNorm3d
        if found[2] == "ln":
            norm = nn.GroupNorm(1, value.numel(), eps=_EPS)
            scale = cleaned[f"{stem}_scale"]
            _set(norm.weight, scale)
            _set(norm.bias, scale * value)
        else:
            norm = nn.BatchNorm3d(value.numel(), eps=1e-3, momentum=0.01)
            _set(norm.weight, cleaned[f"{stem}/gamma"])
            _set(norm.bias, value)
            _set(norm.running_mean, cleaned[f"{stem}/moving_mean"])
            _set(norm.running_var, cleaned[f"{stem}/moving_variance"])
        norms[found[1]] = norm.eval()
    return norms


def _set(target: Tensor | None, value: Tensor) -> None:
    assert target is not None
    if target.shape != value.shape:
        raise ValueError(f"Expected a variable of shape {list(target.shape)} (got {list(value.shape)})")
    with torch.no_grad():
        target.copy_(value)
