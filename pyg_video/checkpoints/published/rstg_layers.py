"""The variables of RSTG's released code, of which each has to be used once, and our layers from them."""

import math
import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ...layers import BatchNorm, ClipNorm, DenseSpaceConv, FrameNorm, TemporalRNN
from ..weights import check_shape, wrong_names

EPS = 1e-12
"""Epsilon of the released layer norms."""


class Variables(dict[str, Tensor]):
    """Named tensors; errors name what is missing, left over or of another shape, and ``where`` they belong."""

    def __init__(self, values: Mapping[str, Tensor], where: str) -> None:
        super().__init__(values)
        self._left = set(values)
        self._where = where

    def __missing__(self, name: str) -> Tensor:
        raise wrong_names(self._where, missing=[name], known=self._left)

    def take(self, name: str, shape: Sequence[int] | None = None) -> Tensor:
        """A variable, marked as used."""
        if shape is not None:
            check_shape(name, self[name], [shape], self._where)
        self._left.discard(name)
        return self[name]

    def check_used(self) -> None:
        """Raise if a variable was not used."""
        if self._left:
            raise wrong_names(self._where, unexpected=self._left)


def linear_of(variables: Variables, scope: str) -> nn.Linear:
    """A dense layer or 1 x 1 convolution, whose kernel ``[..., in, out]`` is applied on the right."""
    kernel = variables.take(f"{scope}/kernel").flatten(0, -2)
    linear = nn.Linear(*kernel.shape)
    set_value(linear.weight, kernel.T)
    set_value(linear.bias, variables.take(f"{scope}/bias", linear.bias.shape))
    return linear


def space_of(
    variables: Variables, width: int, nodes_per_scale: Sequence[int], position_channels: int
) -> DenseSpaceConv:
    """The space stage, with as many heads, update layers and kinds of updates as there are variables for."""
    scalewise = any(name.startswith("update_node_mlp_/") for name in variables)
    scope = "update_node_mlp_" if scalewise else "update_node_mlp"
    heads = sum(bool(re.fullmatch(r"attention_head\d+/messages_proj/kernel", name)) for name in variables)
    additive = "my_attn/att_conv1/kernel" in variables
    space = DenseSpaceConv(
        width,
        complete=True,
        attention="additive" if additive else ("multi_head" if heads else "dot"),
        heads=max(heads, 1),
        update_layers=sum(bool(re.fullmatch(rf"{scope}/update_conv\d+(_type1)?/kernel", n)) for n in variables),
        update_groups=nodes_per_scale if scalewise else None,
        position_channels=position_channels,
        message_norm=_norm(variables, "send_messages_mlp/message", width),
        gather_norm=_norm(variables, "my_attn/att", width),
        update_norm=_norm(variables, f"{scope}/update", width),
    )
    _fill_send(variables, space)
    _fill_attention(variables, space, heads)
    kinds = space.update_mlp.kinds if scalewise else [space.update_mlp]
    for k, mlp in enumerate(kinds):  # type: ignore[arg-type]
        for layer in range(len(mlp) // 2):
            mlp[2 * layer] = linear_of(
                variables, f"{scope}/update_conv{layer + 1}" + (f"_type{k + 1}" if scalewise else "")
            )
    return space


def _fill_send(variables: Variables, space: DenseSpaceConv) -> None:
    ends = space.send.in_features
    kernel = variables.take("send_messages_mlp/send_conv1/kernel").flatten(0, -2)
    if kernel.size(0) != 2 * ends:
        raise ValueError(
            f"Expected send_conv1/kernel for both ends of {ends} values, position included "
            f"(got {kernel.size(0)} rows); is 'positional_emb' among the variables?"
        )
    assert space.receive is not None
    set_value(space.send.weight, kernel[:ends].T)  # the sender comes first
    set_value(space.receive.weight, kernel[ends:].T)
    set_value(space.send.bias, variables.take("send_messages_mlp/send_conv1/bias", space.send.bias.shape))
    space.send_mlp[1] = linear_of(variables, "send_messages_mlp/send_conv2")


def _fill_attention(variables: Variables, space: DenseSpaceConv, heads: int) -> None:
    scopes = [f"attention_head{h}/dot_product_attn" for h in range(heads)]
    if not scopes:
        scopes = ["my_attn" if "my_attn/att_conv1/kernel" in variables else "dot_product_attn"]
    receiver, sender = (
        _side_by_side([linear_of(variables, f"{s}/{name}") for s in scopes]) for name in ("att_conv1", "att_conv2")
    )
    names = ("receiver", "sender") if scopes == ["my_attn"] else ("query", "key")
    for name, linear in zip(names, (receiver, sender), strict=True):
        setattr(space.attention, name, linear)
    if heads:
        space.value = _side_by_side([linear_of(variables, f"attention_head{h}/messages_proj") for h in range(heads)])
    set_value(space.bias, torch.cat([variables.take(f"{scope}/att_bias/biases") for scope in scopes]))


def _side_by_side(parts: Sequence[nn.Linear]) -> nn.Linear:
    """Layers that read the same input as one."""
    linear = nn.Linear(parts[0].in_features, sum(part.out_features for part in parts))
    set_value(linear.weight, torch.cat([part.weight for part in parts]))
    set_value(linear.bias, torch.cat([part.bias for part in parts]))
    return linear


def lstm_of(variables: Variables, scope: str, width: int | None = None) -> TemporalRNN:
    """An LSTM from one flat vector, or from the kernel and bias that TensorFlow's saver writes."""
    saved = f"{scope}/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell"
    if width is not None:
        H = width
    elif f"{saved}/bias" in variables:
        H = variables[f"{saved}/bias"].numel() // 4
    else:
        H = math.isqrt(variables[f"{scope}/opaque_kernel"].numel() // 8)  # of 8 H H + 8 H numbers
    lstm = TemporalRNN(H, cell="lstm")
    if f"{saved}/kernel" in variables:  # [input | hidden, gates], gates i, g, f, o, one bias
        kernel = variables.take(f"{saved}/kernel", (2 * H, 4 * H)).unflatten(1, (4, H))[:, [0, 2, 1, 3]].flatten(1)
        bias = variables.take(f"{saved}/bias", (4 * H,)).unflatten(0, (4, H))[[0, 2, 1, 3]].flatten()
        values = (kernel[:H].T, kernel[H:].T, bias, torch.zeros_like(bias))
    else:  # one vector, gates i, f, g, o
        flat = variables.take(f"{scope}/opaque_kernel", (8 * H * H + 8 * H,))
        W, R, b_W, b_R = flat.split((4 * H * H, 4 * H * H, 4 * H, 4 * H))
        values = (W.view(4 * H, H), R.view(4 * H, H), b_W, b_R)
    for name, value in zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"), values, strict=True):
        set_value(lstm.get_parameter(name), value)
    return lstm


def _norm(variables: Variables, prefix: str, width: int) -> FrameNorm | BatchNorm | None:
    if f"{prefix}_ln/gamma" in variables:
        norm = FrameNorm(width, eps=EPS)
        _fill_norm(variables, f"{prefix}_ln", norm)
        return norm
    return _batch_norm(variables, f"{prefix}_bn", width, by_frame=True)


def norm_before_graph_of(variables: Variables, width: int) -> nn.Module:
    """The norms of the nodes before the graph: none, one, or SyncMNIST's batch norm and another."""
    scopes = ("batch_normalization", "before_graf_bn")
    norms: list[nn.Module] = [norm for scope in scopes if (norm := _batch_norm(variables, scope, width))]
    if "before_graf_ln/gamma" in variables:
        clip_norm = ClipNorm(width, eps=EPS)
        _fill_norm(variables, "before_graf_ln", clip_norm)
        norms.append(clip_norm)
    return norms[0] if len(norms) == 1 else nn.Sequential(*norms)


def _batch_norm(variables: Variables, scope: str, width: int, *, by_frame: bool = False) -> BatchNorm | None:
    if f"{scope}/gamma" not in variables:
        return None
    norm = BatchNorm(width, by_frame=by_frame)
    _fill_norm(variables, scope, norm)
    set_value(norm.running_mean, variables.take(f"{scope}/moving_mean", (width,)))
    set_value(norm.running_var, variables.take(f"{scope}/moving_variance", (width,)))
    return norm


def _fill_norm(variables: Variables, scope: str, norm: FrameNorm | ClipNorm | BatchNorm) -> None:
    set_value(norm.weight, variables.take(f"{scope}/gamma", norm.weight.shape))
    set_value(norm.bias, variables.take(f"{scope}/beta", norm.bias.shape))


def set_value(target: Tensor | None, value: Tensor) -> None:
    """Copy a value of the same shape into a parameter or buffer."""
    assert target is not None
    if target.shape != value.shape:
        raise ValueError(f"Expected a variable of shape {list(target.shape)} (got {list(value.shape)})")
    with torch.no_grad():
        target.copy_(value)
