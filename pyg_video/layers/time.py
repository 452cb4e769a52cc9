"""The time stage: a recurrent network along time, for every node by itself."""

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn

from .._checks import check_lengths, check_option
from ..functional import frame_mask
from .precision import autocast_dtype
from .recurrence import MANY_FRAMES, gru, lstm

_GATES = {"gru": 3, "lstm": 4}

State: TypeAlias = Tensor | tuple[Tensor, Tensor] | None
"""Hidden state of every node, ``[B, N, C]``; for an LSTM the pair of hidden and cell state; ``None`` at the start."""


class TemporalRNN(nn.Module):
    r"""GRU or LSTM along time, shared by all nodes, :math:`h_i^t = \mathrm{RNN}(v_i^t, h_i^{t-1})` (RSTG, algorithm 1).

    Parameters carry the names of :class:`torch.nn.GRU`, so that its state dict loads. torch's function runs on a GPU,
    and on a CPU where it is faster; elsewhere, and where nodes are missing, an operator of this package, which
    ``torch.compile`` does not unroll, and which has no second derivatives, forward mode or ``torch.func``.

    Args:
        channels: size of the input.
        hidden_channels: size of the output; the input's by default.
        cell: ``"gru"`` (DyReg-GNN) or ``"lstm"`` (RSTG).

    Shapes:
        - **x:** :math:`(B, T, N, C)`
        - **output:** :math:`(B, T, N, C')`

    Example:
        >>> rnn = TemporalRNN(8, cell="lstm")
        >>> x = torch.randn(2, 6, 9, 8)
        >>> first, state = rnn.scan(x[:, :4])
        >>> second, state = rnn.scan(x[:, 4:], state)
        >>> torch.allclose(torch.cat([first, second], dim=1), rnn(x), atol=1e-6)
        True
    """

    def __init__(self, channels: int, hidden_channels: int | None = None, *, cell: str = "gru") -> None:
        super().__init__()
        check_option("cell", cell, tuple(_GATES))
        self.channels = channels
        self.hidden_channels = channels if hidden_channels is None else hidden_channels
        self.cell = cell
        rows = _GATES[cell] * self.hidden_channels
        self.weight_ih_l0 = nn.Parameter(torch.empty(rows, channels))
        self.weight_hh_l0 = nn.Parameter(torch.empty(rows, self.hidden_channels))
        self.bias_ih_l0 = nn.Parameter(torch.empty(rows))
        self.bias_hh_l0 = nn.Parameter(torch.empty(rows))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.hidden_channels)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, x: Tensor, lengths: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        return self.scan(x, None, lengths, mask)[0]

    def scan(
        self, x: Tensor, state: State = None, lengths: Tensor | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Run over the frames of ``x`` from ``state`` on; also return the state after the last frame.

        Args:
            x: nodes of consecutive frames.
            state: the state of an earlier call; ``None`` at the start of a clip.
            lengths: frames of every clip that count. Later ones become zeros and do not change the state.
            mask: nodes that are present, :math:`(B, T, N)`. In other frames a node becomes zeros and keeps its state.
        """
        if x.dim() != 4 or x.size(-1) != self.channels:
            raise ValueError(f"Expected 'x' of shape [B, T, N, {self.channels}] (got {list(x.shape)})")
        if lengths is not None:
            check_lengths(lengths, x.size(0), x.size(1))
        if x.dtype != self.weight_ih_l0.dtype and autocast_dtype(x) is None:
            raise TypeError(f"Expected 'x' of type {self.weight_ih_l0.dtype}, that of the weights (got {x.dtype})")
        present = _present(x, lengths, mask)
        x = x if present is None else x.masked_fill(~present[..., None], 0.0)
        y, state = self._run(x, self._hidden(state, x), present)
        return (y if present is None else y.masked_fill(~present[..., None], 0.0)), state

    def _hidden(self, state: State, x: Tensor) -> list[Tensor]:
        B, _, N, _ = x.shape
        count = 1 if self.cell == "gru" else 2
        dtype = torch.promote_types(x.dtype, torch.float32)  # rounding errors of a recurrence add up
        if state is None:
            return [x.new_zeros(B, N, self.hidden_channels, dtype=dtype)] * count
        hidden = [state] if isinstance(state, Tensor) else list(state)
        if len(hidden) != count or any(h.shape != (B, N, self.hidden_channels) for h in hidden):
            raise ValueError(
                f"Expected 'state' as an earlier scan of the same {self.cell} gave it, {count} tensor(s) of shape "
                f"{[B, N, self.hidden_channels]} (got {[list(h.shape) for h in hidden]})"
            )
        return [h.to(dtype) for h in hidden]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "TemporalRNN":
        """Move or convert the parameters; on a GPU also lay them out in one piece, as cuDNN requires."""
        super()._apply(fn, recurse)
        if self.weight_ih_l0.is_cuda:
            torchs = (nn.GRU if self.cell == "gru" else nn.LSTM)(1, 1, device="meta")
            torchs.input_size, torchs.hidden_size = self.channels, self.hidden_channels
            torchs._parameters.update(self._parameters)
            torchs._flat_weights = list(self._weights)
            torchs.flatten_parameters()
        return self

    @property
    def _weights(self) -> list[Tensor]:
        return [self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0]

    def _run(self, x: Tensor, hidden: list[Tensor], present: Tensor | None) -> tuple[Tensor, State]:
        dtype = autocast_dtype(x)
        if torch.compiler.is_exporting():  # for programs that run without this package
            y, last = self._run_torchs(x, hidden) if present is None else self._frame_by_frame(x, hidden, present)
        elif present is None and (x.is_cuda or (dtype is None and self._is_faster_by_torch(x, hidden))):
            y, last = self._run_torchs(x, hidden)
        else:
            operator = gru if self.cell == "gru" else lstm
            weights = [weight if dtype is None else weight.to(dtype) for weight in self._weights]
            kept = operator(x.flatten(0, 1), *hidden, *weights, present)
            y, last = _own(kept[0], x), [states[:, -1].clone() for states in kept[: len(hidden)]]
        return y, last[0] if self.cell == "gru" else (last[0], last[1])

    def _is_faster_by_torch(self, x: Tensor, hidden: list[Tensor]) -> bool:
        """Whether torch's function takes less time on a CPU: it has an LSTM by oneDNN, but none for a GRU."""
        if torch.compiler.is_compiling() or x.dtype != hidden[0].dtype:  # torch's is unrolled, and has no float32 state
            return False
        learns = torch.is_grad_enabled() and any(y.requires_grad for y in (x, *hidden, *self._weights))
        if self.cell == "lstm":
            return not learns or self.hidden_channels < 512
        return not learns and (self.hidden_channels < 256 or x.size(1) < MANY_FRAMES)

    def _run_torchs(self, x: Tensor, hidden: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        B, T, N, _ = x.shape
        sequence = x.transpose(0, 1).reshape(T, B * N, -1)
        hidden = [h.to(x.dtype).reshape(1, B * N, -1) for h in hidden]
        if self.cell == "gru":
            y, *last = torch.gru(sequence, hidden[0], self._weights, True, 1, 0.0, self.training, False, False)
        else:
            y, *last = torch.lstm(sequence, hidden, self._weights, True, 1, 0.0, self.training, False, False)
        return y.view(T, B, N, -1).transpose(0, 1), [h.view(B, N, -1) for h in last]

    def _frame_by_frame(self, x: Tensor, hidden: list[Tensor], present: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The function of torch, which knows no absent nodes, on one frame after the other."""
        hidden, states = [h.to(x.dtype) for h in hidden], []
        for frame, there in zip(x.split(1, dim=1), present[..., None].unbind(1), strict=True):
            _, after = self._run_torchs(frame, hidden)
            hidden = [torch.where(there, new, old) for new, old in zip(after, hidden, strict=True)]
            states.append(hidden[0])
        return torch.stack(states, dim=1), hidden

    def extra_repr(self) -> str:
        return f"{self.channels}, {self.hidden_channels}, cell='{self.cell}'"


def _own(states: Tensor, x: Tensor) -> Tensor:
    """The states in the type of the input, in memory of their own where the operator keeps them for the gradient."""
    return states.to(x.dtype, copy=states.requires_grad)


def _present(x: Tensor, lengths: Tensor | None, mask: Tensor | None) -> Tensor | None:
    """Frames in which each node is present, :math:`(B, T, N)`; ``None`` for all."""
    if lengths is None:
        return mask
    frames = frame_mask(lengths, x.size(1), device=x.device)[..., None]
    return frames.expand(x.shape[:3]) if mask is None else frames & mask
