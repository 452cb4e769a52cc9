"""GRU and LSTM over the frames of all nodes, as single operators: ``torch.compile`` does not unroll them over time.

Shapes: input :math:`(B T, N, D)`, frames clip by clip, states :math:`(B, N, C)`, weights and biases those of
:class:`torch.nn.GRU` and :class:`torch.nn.LSTM`, mask of the present nodes :math:`(B, T, N)`; an absent node keeps its
state. Products are in the type of the weights, everything else in that of the states. Second derivatives are refused.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, library
from torch.utils.flop_counter import register_flop_formula

from .precision import without_autocast

MANY_FRAMES = 16  # of a clip


@library.custom_op("pyg_video::gru", mutates_args=(), tags=(torch.Tag.flexible_layout,))
def gru(
    x: Tensor, hidden: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Gated recurrent unit, with :math:`a = W x + b` of the three gates computed for all frames at once.

    .. math::
        r &= \sigma(a_r + W_r h + b_r), \qquad z = \sigma(a_z + W_z h + b_z) \\
        n &= \tanh(a_n + r \odot (W_n h + b_n)), \qquad h' = (1 - z) \odot n + z \odot h

    Shapes:
        - **output:** states :math:`(B, T, N, C)`; for the gradient :math:`r, z, n`, :math:`(T, B N, 3 C)`, and
          :math:`W_n h + b_n`, :math:`(T, B N, C)`
    """
    R, C = hidden.shape[:2].numel(), hidden.size(-1)
    with without_autocast(x):
        gates = _input_gates(x, w_ih, torch.cat([b_ih[: 2 * C] + b_hh[: 2 * C], b_ih[2 * C :]]), hidden)
        T = len(gates)
        r_z, n = gates.split((2 * C, C), dim=-1)
        r, z = r_z.split(C, dim=-1)
        if mask is not None:
            z.masked_fill_(~_by_time(mask[..., None]), torch.inf)  # after the sigmoid 1: the state stays
        states, kept = gates.new_empty(T, R, C), gates.new_empty(T, R, C)
        h, product, bias = hidden.reshape(R, C), _Product(w_hh, 3, R, T), b_hh[2 * C :]
        for r_z_t, r_t, z_t, n_t, state, kept_t in _frames(r_z.unflatten(-1, (2, C)), r, z, n, states, kept):
            own = product(h)
            r_z_t.add_(own[:, :2]).sigmoid_()
            n_t.addcmul_(r_t, torch.add(own[:, 2], bias, out=kept_t)).tanh_()
            h = torch.lerp(n_t, h, z_t, out=state)
        return _by_clip(states, hidden), gates, kept


@gru.register_fake
def _(x: Tensor, hidden: Tensor, *_: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    states, by_time = _empty(x, hidden)
    T, R, C = by_time.shape
    return states, by_time.new_empty(T, R, 3 * C), by_time


@library.custom_op("pyg_video::gru_backward", mutates_args=(), tags=(torch.Tag.flexible_layout,))
def gru_backward(
    grad: Tensor, states: Tensor, gates: Tensor, kept: Tensor, x: Tensor, hidden: Tensor, w_ih: Tensor, w_hh: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of the first six arguments of :func:`gru`, from that of the states."""
    r, z, n = gates.chunk(3, dim=-1)
    before, grad = _before(hidden, states), _by_time(grad)
    T, R, C = before.shape
    with without_autocast(grad):
        d_gates, to_n = gates.new_empty(T, R, 3, C), (1 - z).mul_(1 - n * n)
        # First what the gradient of a state is multiplied with, for all frames at once.
        torch.mul(to_n, r, out=d_gates[..., 2, :])
        torch.mul(d_gates[..., 2, :], kept, out=d_gates[..., 0, :]).mul_(1 - r)
        torch.sub(before, n, out=d_gates[..., 1, :]).mul_(z).mul_(1 - z)
        d, d_states = torch.zeros_like(before[0]), torch.empty_like(before)
        for grad_t, d_t, factor, rows, z_t in _frames(grad, d_states, d_gates, d_gates.flatten(2), z, backward=True):
            torch.add(d, grad_t, out=d_t)
            factor.mul_(d_t[:, None])
            _add_rows(torch.mul(d_t, z_t, out=d), rows, w_hh)
        d_w_hh, d_b_hh = _weight_gradients(d_gates, before, w_hh)
        torch.mul(d_states, to_n, out=d_gates[..., 2, :])  # from W_n h + b_n to a_n
        d_w_ih, d_b_ih = _weight_gradients(d_gates, _by_time(_clips(x, hidden)), w_ih)
        return _input_gradient(d_gates, x, hidden, w_ih), d.view_as(hidden), d_w_ih, d_w_hh, d_b_ih, d_b_hh


@gru_backward.register_fake
def _(*args: Tensor) -> tuple[Tensor, ...]:
    return _empty_gradients(*args[-4:])


@library.custom_op("pyg_video::lstm", mutates_args=(), tags=(torch.Tag.flexible_layout,))
def lstm(
    x: Tensor, hidden: Tensor, cell: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Long short-term memory.

    .. math::
        (i, f, g, o) &= W x + W' h + b, \qquad c' = \sigma(f) \odot c + \sigma(i) \odot \tanh(g), \qquad
        h' = \sigma(o) \odot \tanh(c')

    Shapes:
        - **output:** hidden and cell states :math:`(B, T, N, C)`; for the gradient the gates :math:`i, f, g, o` after
          their functions, :math:`(T, B N, 4 C)`
    """
    R, C = hidden.shape[:2].numel(), hidden.size(-1)
    with without_autocast(x):
        gates = _input_gates(x, w_ih, b_ih + b_hh, hidden)
        T = len(gates)
        i, f, g, o = gates.split(C, dim=-1)
        absent = None if mask is None else ~_by_time(mask[..., None])
        if absent is not None:
            i.masked_fill_(absent, -torch.inf)  # after the sigmoid 0, and 1 for f: the cell stays
            f.masked_fill_(absent, torch.inf)
        states, cells = gates.new_empty(T, R, C), gates.new_empty(T, R, C)
        h, c, product = hidden.reshape(R, C), cell.reshape(R, C), _Product(w_hh, 4, R, T)
        frames = _frames(gates.unflatten(-1, (4, C)), gates[..., : 2 * C], i, f, g, o, states, cells)
        for t, (gates_t, i_f, i_t, f_t, g_t, o_t, state, cell_t) in enumerate(frames):
            gates_t.add_(product(h))
            i_f.sigmoid_(), g_t.tanh_(), o_t.sigmoid_()
            c = torch.mul(f_t, c, out=cell_t).addcmul_(i_t, g_t)
            before, h = h, torch.tanh(c, out=state).mul_(o_t)
            if absent is not None:
                torch.where(absent[t], before, h, out=h)
        return _by_clip(states, hidden), _by_clip(cells, hidden), gates


@lstm.register_fake
def _(x: Tensor, hidden: Tensor, *_: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    states, by_time = _empty(x, hidden)
    T, R, C = by_time.shape
    return states, torch.empty_like(states), by_time.new_empty(T, R, 4 * C)


@library.custom_op("pyg_video::lstm_backward", mutates_args=(), tags=(torch.Tag.flexible_layout,))
def lstm_backward(
    grad: Tensor,
    grad_cells: Tensor,
    states: Tensor,
    cells: Tensor,
    gates: Tensor,
    x: Tensor,
    hidden: Tensor,
    cell: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    mask: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of the first seven arguments of :func:`lstm`, from those of the states."""
    before, grad, grad_cells = _before(hidden, states), _by_time(grad), _by_time(grad_cells)
    T, R, C = before.shape
    absent = None if mask is None else ~_by_time(mask[..., None])
    with without_autocast(grad):
        d_gates, to_cell = _lstm_factors(gates, _before(cell, cells), _by_time(cells), absent)
        f = gates[..., C : 2 * C]
        d, d_cell = before.new_zeros(R, C), before.new_zeros(R, C)
        of_cell, of_state, rows = d_gates[:, :, :3], d_gates[:, :, 3], d_gates.flatten(2)
        frames = _frames(grad, grad_cells, to_cell, of_cell, of_state, rows, f, backward=True)
        for t, (grad_t, grad_cell, to_cell_t, cell_t, state, rows_t, f_t) in zip(
            reversed(range(T)), frames, strict=True
        ):
            d += grad_t
            d_cell.add_(grad_cell).addcmul_(d, to_cell_t)
            cell_t.mul_(d_cell[:, None])
            state.mul_(d)
            d = _add_rows(torch.zeros_like(d) if absent is None else d * absent[t], rows_t, w_hh)
            d_cell *= f_t
        (d_w_ih, d_b_ih), (d_w_hh, d_b_hh) = (
            _weight_gradients(d_gates, *of) for of in ((_by_time(_clips(x, hidden)), w_ih), (before, w_hh))
        )
        d_x = _input_gradient(d_gates, x, hidden, w_ih)
        return d_x, d.view_as(hidden), d_cell.view_as(cell), d_w_ih, d_w_hh, d_b_ih, d_b_hh


def _lstm_factors(gates: Tensor, before: Tensor, cells: Tensor, absent: Tensor | None) -> tuple[Tensor, Tensor]:
    """Factors of the gradients of cell (i, f, g) and hidden state (o), of all frames at once.

    The first, :math:`(T, B N, 4, C)`, lead to the gates before their functions, the second, :math:`(T, B N, C)`, from
    the hidden state to the cell.
    """
    i, f, g, o = gates.chunk(4, dim=-1)
    factors, squashed = torch.empty_like(gates).unflatten(-1, (4, -1)), cells.tanh()
    torch.mul(g, i, out=factors[..., 0, :]).mul_(1 - i)
    torch.mul(before, f, out=factors[..., 1, :]).mul_(1 - f)
    torch.mul(g, g, out=factors[..., 2, :]).neg_().add_(1).mul_(i)
    torch.mul(squashed, o, out=factors[..., 3, :]).mul_(1 - o)
    to_cell = squashed.square_().neg_().add_(1).mul_(o)
    if absent is not None:
        factors[..., 3, :].masked_fill_(absent, 0.0)
        to_cell.masked_fill_(absent, 0.0)
    return factors, to_cell


@lstm_backward.register_fake
def _(*args: Tensor) -> tuple[Tensor, ...]:
    x, hidden, cell, w_ih, w_hh, _ = args[-6:]
    d_x, d_hidden, *of_weights = _empty_gradients(x, hidden, w_ih, w_hh)
    return d_x, d_hidden, torch.empty_like(cell, memory_format=torch.contiguous_format), *of_weights


def _by_time(x: Tensor) -> Tensor:
    """From :math:`(B, T, N, D)` to :math:`(T, B N, D)`."""
    return x.transpose(0, 1).flatten(1, 2)


def _by_clip(x: Tensor, hidden: Tensor) -> Tensor:
    return x.unflatten(1, hidden.shape[:2]).transpose(0, 1).contiguous()


def _clips(x: Tensor, hidden: Tensor) -> Tensor:
    """From :math:`(B T, N, D)` to :math:`(B, T, N, D)`.

    The operators take the former since inductor fails on views with a variable number of frames that it has to keep.
    """
    return x.unflatten(0, (hidden.size(0), -1))


class _Product:
    """Products of the state with the weights of all gates, :math:`(R, G, C)`, one gate after the other.

    A gate's weights fit the cache where those of all gates do not. Laid out for rows from the left they are faster for
    few rows, which pays for many frames.
    """

    def __init__(self, weight: Tensor, num_gates: int, num_rows: int, num_frames: int) -> None:
        w = weight.unflatten(0, (num_gates, -1)).mT
        self.weight = w.contiguous() if num_frames >= MANY_FRAMES else w  # [G, C, C]
        self.y = weight.new_empty(num_gates, num_rows, w.size(-1))

    def __call__(self, h: Tensor) -> Tensor:
        rows = h.to(self.weight.dtype).expand(self.weight.size(0), -1, -1)
        return torch.bmm(rows, self.weight, out=self.y).transpose(0, 1)


def _frames(*parts: Tensor, backward: bool = False) -> Iterable[tuple[Tensor, ...]]:
    """The parts of one frame after the other."""
    step = -1 if backward else 1
    return zip(*(part.unbind()[::step] for part in parts), strict=True)


def _input_gates(x: Tensor, weight: Tensor, bias: Tensor, hidden: Tensor) -> Tensor:
    """:math:`W x + b` of every gate, :math:`(T, B N, G C)`."""
    return torch.nn.functional.linear(_by_time(_clips(x, hidden)).to(weight.dtype), weight, bias).to(hidden.dtype)


def _add_rows(y: Tensor, rows: Tensor, weight: Tensor) -> Tensor:
    return y.addmm_(rows, weight) if y.dtype == weight.dtype else y.add_(rows.to(weight.dtype) @ weight)


def _before(first: Tensor, states: Tensor) -> Tensor:
    """The states before every frame, :math:`(T, B N, C)`."""
    return torch.cat([first.flatten(0, 1)[None], _by_time(states[:, :-1])])


def _weight_gradients(d_gates: Tensor, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    rows = d_gates.flatten(2).flatten(0, 1)
    return rows.to(weight.dtype).mT @ x.flatten(0, 1).to(weight.dtype), rows.sum(dim=0).to(weight.dtype)


def _input_gradient(d_gates: Tensor, x: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
    return _by_clip(d_gates.flatten(2).to(weight.dtype) @ weight, hidden).view(x.shape).to(x.dtype)


def _empty(x: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
    B, N, C = hidden.shape
    T = x.size(0) // B
    return hidden.new_empty(B, T, N, C), hidden.new_empty(T, B * N, C)


def _empty_gradients(
    x: Tensor, hidden: Tensor, w_ih: Tensor, w_hh: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    like = (x, hidden, w_ih, w_hh, w_ih[:, 0], w_hh[:, 0])
    d_x, d_hidden, d_w_ih, d_w_hh, d_b_ih, d_b_hh = (y.new_empty(y.shape) for y in like)
    return d_x, d_hidden, d_w_ih, d_w_hh, d_b_ih, d_b_hh


def _keep_gru(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
    x, hidden, w_ih, w_hh, *_ = inputs
    ctx.save_for_backward(*output, x, hidden, w_ih, w_hh)
    ctx.mark_non_differentiable(*output[1:])
    ctx.set_materialize_grads(False)  # else autograd writes zeros for these as well


def _keep_lstm(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
    x, hidden, cell, w_ih, w_hh, _, _, mask = inputs
    ctx.save_for_backward(*output, x, hidden, cell, w_ih, w_hh, mask)
    ctx.mark_non_differentiable(output[2])
    ctx.set_materialize_grads(False)


def _gru_gradients(ctx: Any, grad: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
    return (None,) * 7 if grad is None else (*gru_backward(grad, *ctx.saved_tensors), None)


def _lstm_gradients(ctx: Any, grad: Tensor | None, grad_cells: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
    zero = torch.zeros_like(ctx.saved_tensors[0])
    return *lstm_backward(*(zero if y is None else y for y in (grad, grad_cells)), *ctx.saved_tensors), None


@register_flop_formula([torch.ops.pyg_video.gru, torch.ops.pyg_video.lstm])
def _flops(x: Sequence[int], *others: Sequence[int], out_shape: object = None) -> int:  # noqa: ARG001
    return 2 * math.prod(x[:2]) * _num_weights(others)


@register_flop_formula([torch.ops.pyg_video.gru_backward, torch.ops.pyg_video.lstm_backward])
def _backward_flops(grad: Sequence[int], *others: Sequence[int], out_shape: object = None) -> int:  # noqa: ARG001
    return 4 * math.prod(grad[:3]) * _num_weights(others)


def _num_weights(shapes: Iterable[Sequence[int] | None]) -> int:
    return sum(math.prod(shape) for shape in shapes if shape is not None and len(shape) == 2)


library.register_autograd(gru, _gru_gradients, setup_context=_keep_gru)
library.register_autograd(lstm, _lstm_gradients, setup_context=_keep_lstm)
