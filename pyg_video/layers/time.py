"""The time stage: a recurrent network along time, for every node by itself."""

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from .._checks import check_option
from ..functional import frame_mask

_GATES = {"gru": 3, "lstm": 4}

State: TypeAlias = Tensor | tuple[Tensor, Tensor] | None
"""Hidden state of every node, ``[B, N, C]``; for an LSTM the pair of hidden and cell state; ``None`` at the start."""


class TemporalRNN(nn.Module):
    r"""GRU or LSTM along time, shared by all nodes, :math:`h_i^t = \mathrm{RNN}(v_i^t, h_i^{t-1})` (RSTG, algorithm 1).

    Parameters carry the names of :class:`torch.nn.GRU`, so that its state dict loads. They are the module's own
    because ``torch.compile`` cannot trace :class:`torch.nn.GRU`.

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
            lengths: frames of every clip that count. Later ones become zeros and do not change the state. Cannot be
                compiled into one graph: the packing depends on the values.
            mask: nodes that are present, :math:`(B, T, N)`. In other frames a node becomes zeros and keeps its state.
                Cannot be compiled into one graph, either.
        """
        if x.dim() != 4 or x.size(-1) != self.channels:
            raise ValueError(f"Expected 'x' of shape [B, T, N, {self.channels}] (got {list(x.shape)})")
        B, T, N, _ = x.shape
        sequence = x.transpose(0, 1).reshape(T, B * N, -1)
        hidden = self._hidden(state, x)
        if mask is not None:
            y, hidden = self._masked_rnn(sequence, hidden, _present(mask, lengths))
        elif lengths is None:
            y, *hidden = self._rnn(sequence, hidden)
        else:
            y, hidden = self._packed_rnn(sequence, hidden, lengths.repeat_interleave(N))
        grids = [h.view(B, N, -1) for h in hidden]
        return y.view(T, B, N, -1).transpose(0, 1), grids[0] if self.cell == "gru" else (grids[0], grids[1])

    def _hidden(self, state: State, x: Tensor) -> list[Tensor]:
        B, _, N, _ = x.shape
        count = 1 if self.cell == "gru" else 2
        if state is None:
            return [x.new_zeros(1, B * N, self.hidden_channels)] * count
        hidden = [state] if isinstance(state, Tensor) else list(state)
        if len(hidden) != count or any(h.shape != (B, N, self.hidden_channels) for h in hidden):
            raise ValueError(
                f"Expected 'state' as an earlier scan of the same {self.cell} gave it, {count} tensor(s) of shape "
                f"{[B, N, self.hidden_channels]} (got {[list(h.shape) for h in hidden]})"
            )
        return [h.reshape(1, B * N, -1) for h in hidden]

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

    def _rnn(self, sequence: Tensor, hidden: list[Tensor]) -> tuple[Tensor, ...]:
        if self.cell == "gru":
            return torch.gru(sequence, hidden[0], self._weights, True, 1, 0.0, self.training, False, False)
        return torch.lstm(sequence, hidden, self._weights, True, 1, 0.0, self.training, False, False)

    def _masked_rnn(self, sequence: Tensor, hidden: list[Tensor], mask: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Move the present frames of every node to the front, run over them, move the results back."""
        order = (~mask).sort(dim=0, stable=True).indices[..., None]  # [T, B*N, 1]
        count = mask.sum(dim=0)
        front = sequence.gather(0, order.expand_as(sequence))
        # A packed sequence has at least one frame; the result of one without is discarded.
        y, last = self._packed_rnn(front, hidden, count.clamp(min=1))
        y = torch.zeros_like(y).scatter(0, order.expand_as(y), y).masked_fill(~mask[..., None], 0.0)
        return y, [torch.where(count[:, None] > 0, new, old) for new, old in zip(last, hidden, strict=True)]

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _packed_rnn(self, sequence: Tensor, hidden: list[Tensor], lengths: Tensor) -> tuple[Tensor, list[Tensor]]:
        packed = pack_padded_sequence(sequence, lengths.cpu(), enforce_sorted=False)
        data, batch_sizes = packed.data, packed.batch_sizes
        hidden = [h[:, packed.sorted_indices] for h in hidden]
        if self.cell == "gru":
            y, *hidden = torch.gru(data, batch_sizes, hidden[0], self._weights, True, 1, 0.0, self.training, False)
        else:
            y, *hidden = torch.lstm(data, batch_sizes, hidden, self._weights, True, 1, 0.0, self.training, False)
        padded, _ = pad_packed_sequence(packed._replace(data=y), total_length=len(sequence))
        return padded, [h[:, packed.unsorted_indices] for h in hidden]

    def extra_repr(self) -> str:
        return f"{self.channels}, {self.hidden_channels}, cell='{self.cell}'"


def _present(mask: Tensor, lengths: Tensor | None) -> Tensor:
    """Frames in which each of the :math:`B N` nodes is present, :math:`(T, B N)`."""
    T = mask.size(1)
    if lengths is not None:
        mask = mask & frame_mask(lengths, T, device=mask.device)[..., None]
    return mask.transpose(0, 1).flatten(1)
