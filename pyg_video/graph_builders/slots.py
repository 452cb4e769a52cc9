"""Nodes by slot attention."""

import math
from typing import Unpack

import torch
from torch import Tensor, nn
from torch_geometric.nn.inits import reset

from ..data import Regions
from ..functional import grid_boxes, kernel_boxes
from ..layers import State
from .base import BuilderOptions, GraphBuilder


class SlotAttention(nn.Module):
    r"""Iterative attention in which slots compete for inputs (Locatello et al., NeurIPS 2020, algorithm 1).

    .. math::
        A_{np} &= \mathrm{softmax}_n \frac{\langle W_q s_n, W_k x_p \rangle}{\sqrt{D}} \\
        u_n &= \frac{\sum_p A_{np} W_v x_p}{\sum_p A_{np}}, \qquad
        s_n \leftarrow \mathrm{GRU}(u_n, s_n), \qquad s_n \leftarrow s_n + \mathrm{MLP}(s_n)

    with layer norms on the inputs, on the slots and before the MLP.

    Args:
        channels: size :math:`D` of slots and inputs.
        iterations: number of iterations.
        hidden_channels: width of the MLP; twice ``channels`` by default.

    Shapes:
        - **slots:** :math:`(F, N, D)`
        - **x:** :math:`(F, P, D)`
        - **output:** slots :math:`(F, N, D)` and the attention of the last iteration, :math:`(F, N, P)`, which sums
          to 1 over the slots for every input
    """

    def __init__(self, channels: int, iterations: int = 3, *, hidden_channels: int | None = None) -> None:
        super().__init__()
        hidden = hidden_channels or 2 * channels
        self.iterations = iterations
        self.input_norm = nn.LayerNorm(channels)
        self.slot_norm = nn.LayerNorm(channels)
        self.query = nn.Linear(channels, channels, bias=False)
        self.key = nn.Linear(channels, channels, bias=False)
        self.value = nn.Linear(channels, channels, bias=False)
        self.gru = nn.GRUCell(channels, channels)
        self.mlp = nn.Sequential(
            nn.LayerNorm(channels), nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels)
        )

    def reset_parameters(self) -> None:
        for part in self.children():
            reset(part)

    def forward(self, slots: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.input_norm(x)
        key, value = self.key(x), self.value(x)
        attention = x.new_empty(0)
        for _ in range(self.iterations):
            logits = self.query(self.slot_norm(slots)) @ key.mT / math.sqrt(key.size(-1))
            attention = logits.softmax(dim=-2, dtype=torch.promote_types(logits.dtype, torch.float32))
            share = attention + 1e-8  # [code]
            update = (share / share.sum(dim=-1, keepdim=True)).to(value.dtype) @ value
            slots = self.gru(update.flatten(0, 1), slots.flatten(0, 1).to(update.dtype)).view_as(slots)
            slots = slots + self.mlp(slots)
        return slots, attention


class SlotGraph(GraphBuilder):
    r"""Regions by slot attention, carried over time (Locatello et al., NeurIPS 2020).

    :class:`SlotAttention` distributes the pixels, with an encoding of their position added, among the slots. The
    attention is the node's kernel. Every slot starts from a learned vector instead of a random draw. With ``carry``,
    the slots of a frame start from those of the previous frame, as in SAVi (Kipf et al., ICLR 2022; without its
    predictor, since the graph follows), so that frames are processed sequentially. The state is the slots of the last
    frame and which clips go on from them, :math:`(B)`; the others start from the learned vectors.

    Args:
        channels: number of channels of the feature map.
        num_nodes: number of slots, or (rows, columns).
        slot_channels: size :math:`D` of a slot.
        iterations: number of iterations per frame.
        carry: whether slots start from those of the previous frame. Otherwise every frame starts from the learned
            vectors and needs at least two iterations, since the update of the last one is not used.
        **options: ``edge_index``, ``connect`` and ``track`` of :class:`GraphBuilder`.

    Example:
        >>> graph = SlotGraph(8, num_nodes=4)(torch.randn(1, 2, 8, 7, 5))
        >>> share = graph.grid(graph.kernel).sum(dim=2)  # of every pixel, over the slots
        >>> torch.allclose(share, torch.ones(1, 2, 7, 5))
        True
    """

    def __init__(
        self,
        channels: int,
        num_nodes: int | tuple[int, int] = 9,
        *,
        slot_channels: int = 64,
        iterations: int = 3,
        carry: bool = True,
        **options: Unpack[BuilderOptions],
    ) -> None:
        super().__init__(channels, num_nodes, **options)
        if iterations < (1 if carry else 2):
            raise ValueError(f"Expected 'iterations' of at least 1, or 2 with carry=False (got {iterations})")
        self.carry = carry
        self.position = nn.Linear(4, channels)
        D = slot_channels
        self.encode = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, D), nn.ReLU(), nn.Linear(D, D))
        self.attention = SlotAttention(D, iterations)
        self.slots = nn.Parameter(torch.empty(self.num_nodes, D))
        nn.init.normal_(self.slots)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        nn.init.normal_(self.slots)

    def scan_regions(self, x: Tensor, state: State = None, lengths: Tensor | None = None) -> tuple[Regions, State]:
        B, T, _, H, W = x.shape
        pixels = x.movedim(2, -1) + self.position(_places(x))
        pixels = self.encode(pixels.flatten(2, 3))  # [B, T, H*W, D]
        if self.carry:
            attention, state = self._frame_by_frame(pixels, state, lengths)
        else:
            attention = self.attention(self.slots.expand(B * T, -1, -1), pixels.flatten(0, 1))[1]
        kernel = attention.view(B, T, self.num_nodes, H, W)
        return Regions(kernel_boxes(kernel), kernel), state

    def _frame_by_frame(self, pixels: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State]:
        B, T = pixels.shape[:2]
        slots, going = self._first(B, state), pixels.new_ones(B, dtype=torch.bool)
        frames = []
        for t in range(T):  # frame t starts from the slots of t - 1
            slots, attention = self.attention(slots, pixels[:, t])
            frames.append((slots, attention))
        after, attentions = (torch.stack(part, dim=1) for part in zip(*frames, strict=True))
        if lengths is not None:
            slots = after[torch.arange(B, device=after.device), lengths.to(after.device) - 1]
        return attentions, (slots, going)

    def _first(self, num_clips: int, state: State) -> Tensor:
        shape = (num_clips, *self.slots.shape)
        if state is None:
            return self.slots.expand(shape)
        if not isinstance(state, tuple) or [part.shape for part in state] != [shape, (num_clips,)]:
            got = [list(part.shape) for part in state] if isinstance(state, tuple) else type(state).__name__
            raise ValueError(
                f"Expected 'state' as an earlier scan gave it, slots of shape {list(shape)} and which clips go on, "
                f"{[num_clips]} (got {got})"
            )
        slots, going = state
        return torch.where(going[:, None, None], slots, self.slots)

    def extra_repr(self) -> str:
        return f"{self.channels}, num_nodes={self.num_nodes}, carry={self.carry}"


def _places(x: Tensor) -> Tensor:
    """Distance of every pixel from the four sides, as fractions of the frame: :math:`(H, W, 4)`."""
    H, W = x.shape[-2:]
    center = grid_boxes(H, W, dtype=torch.promote_types(x.dtype, torch.float32), device=x.device)[:, :2]
    return torch.cat([center, 1 - center], dim=-1).unflatten(0, (H, W)).to(x.dtype)
