"""The space stage: one round of messages within every frame."""

from collections.abc import Sequence
from typing import Optional, TypeAlias

import torch
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing
from torch_geometric.typing import OptTensor
from torch_geometric.utils import softmax

from .._checks import check_option, looks_free
from ..functional import complete_size
from .attention import Attention, resolve_attention
from .norm import FrameNorm, GraphNorm, norm_rows

_Frames: TypeAlias = tuple[Tensor | None, int | None, int | None]
"""Frame of every message, frames of all clips together, frames a clip."""


class SpaceConv(MessagePassing):
    r"""The space stage of RSTG (Nicolicioiu et al., NeurIPS 2019) and DyReg-GNN (Duta et al., NeurIPS 2021).

    .. math::
        m_{ji} &= \mathrm{MLP}_s([v_j \, | \, v_i]) & \text{send} \\
        g_i &= \mathrm{ReLU}\Big(b + \sum_{j \in \mathcal{N}(i)} \alpha_{ji} \, m_{ji}\Big) & \text{gather} \\
        v_i' &= \mathrm{MLP}_u([v_i \, | \, g_i]) & \text{update}

    where :math:`\alpha` is a softmax over the neighbours of :math:`i`. The defaults are RSTG's; DyReg-GNN's released
    models use ``combine="sum", send_layers=1, update_layers=0``. The first layer of :math:`\mathrm{MLP}_s` is linear
    in both ends, so it is computed once a node, not once an edge. On complete graphs, messages lie in arrays of all
    pairs, which saves collecting them along the edges; the numbers are the same.

    Args:
        channels: node channels.
        combine: what both MLPs see of two vectors: ``"concat"`` or ``"sum"``.
        send_layers: 1 or 2 layers in the message MLP, a ReLU after each.
        attention: ``"dot"``, ``"multi_head"``, ``"additive"``, ``"mean"``, or an :class:`Attention`.
        heads: heads of ``"multi_head"``; each weighs its own linear reading of the messages.
        plain_gather: leave out the bias and the ReLU of the gathered message, as DyReg-GNN's released code does where
            it takes the mean.
        update_layers: layers in the update MLP, a ReLU after each; 0 for the plain sum :math:`v_i + g_i`.
        position_channels: size of the node positions that the messages see; 0 for none.
        update_groups: nodes of every kind in a frame, in order, such as ``GridGraph.nodes_per_scale``; each kind gets
            an update MLP of its own (RSTG's "scale-wise" update). ``None`` for one that all share.
        message_norm: norm of the messages, :class:`FrameNorm`, :class:`BatchNorm` or ``None``.
        gather_norm: norm of what is gathered, before the ReLU; likewise.
        update_norm: norm of the updated nodes; likewise.

    Shapes:
        - **x:** :math:`(V, C)` for a flat batch of graphs, or :math:`(*, N, C)` for graphs that share their edges
        - **edge_index:** :math:`(2, E)`
        - **position:** :math:`(*, N, D)` with ``position_channels`` :math:`= D`
        - **adjacency:** how much of an edge is there, :math:`(E)` in [0, 1]; multiplies the logits, see
          :class:`ConnectAllPairs`
        - **batch:** frame of every node, :math:`(V)`; the norms need it when ``x`` is flat
        - **mask:** nodes that are there, :math:`(V)`, bool, with a flat ``x``; the norms leave the others out
        - **edge_weight:** factor of every edge's :math:`\alpha`, :math:`(E)`
        - **output:** like ``x``; with ``return_attention_weights=True`` also ``(edge_index, alpha)`` with ``alpha``
          of shape :math:`(*, E, heads)`

    Example:
        >>> from pyg_video.functional import complete_edges
        >>> conv = SpaceConv(16, attention="multi_head")
        >>> conv(torch.randn(9, 16), complete_edges(9)).shape
        torch.Size([9, 16])
    """

    def __init__(
        self,
        channels: int,
        *,
        combine: str = "concat",
        send_layers: int = 2,
        attention: str | Attention = "dot",
        heads: int = 8,
        plain_gather: bool = False,
        update_layers: int = 2,
        update_groups: Sequence[int] | None = None,
        position_channels: int = 0,
        message_norm: GraphNorm | None = None,
        gather_norm: GraphNorm | None = None,
        update_norm: GraphNorm | None = None,
    ) -> None:
        super().__init__(aggr="sum", node_dim=-2)
        check_option("combine", combine, ("concat", "sum"))
        check_option("send_layers", send_layers, (1, 2))
        if plain_gather and gather_norm is not None:
            raise ValueError("Expected no 'gather_norm' with plain_gather=True, which leaves it out (got one)")
        self.channels = channels
        self.combine = combine
        self.position_channels = position_channels
        self.attention = (
            attention if isinstance(attention, Attention) else resolve_attention(attention, channels, heads)
        )
        self.send = nn.Linear(channels + position_channels, channels)
        # The receiver's half of the first layer; on a sum both ends share one half.
        self.receive = nn.Linear(channels + position_channels, channels, bias=False) if combine == "concat" else None
        self.send_mlp = nn.Sequential(nn.ReLU(), *_layers(channels, channels, send_layers - 1))
        self.value = nn.Linear(channels, channels) if self.attention.heads > 1 else nn.Identity()
        self.bias = None if plain_gather else nn.Parameter(torch.empty(channels))
        ends = channels if combine == "sum" else 2 * channels
        self.update_mlp = _update_mlp(ends, channels, update_layers, update_groups)
        self.update_by_sum = combine == "sum" or update_layers == 0
        self.message_norm = message_norm
        self.gather_norm = gather_norm
        self.update_norm = update_norm
        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, GraphNorm):
                module.reset_parameters()
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        *,
        position: Tensor | None = None,
        adjacency: Tensor | None = None,
        batch: Tensor | None = None,
        batch_size: int | None = None,
        num_steps: int | None = None,
        mask: Tensor | None = None,
        edge_weight: Tensor | None = None,
        return_attention_weights: bool | None = None,
    ) -> Tensor | tuple[Tensor, tuple[Tensor, Tensor]]:
        self._check(x, position, batch)
        ends = x if position is None else torch.cat([x, position.to(x.dtype)], dim=-1)
        sent = self.send(ends)
        received = sent - self.send.bias if self.receive is None else self.receive(ends)
        query, key = self.attention.project(x)
        frame = None if batch is None else batch[edge_index[1]]
        frames = (frame, batch_size, num_steps)
        size = self._complete_size(x, edge_index)
        if size is not None and edge_weight is None:
            gathered, alpha = self._all_pairs(size, (sent, received, query, key), adjacency, frames)
        else:
            alpha = self.edge_updater(edge_index, query=query, key=key, adjacency=adjacency)
            if edge_weight is not None:
                alpha = alpha * edge_weight.to(alpha.dtype)[:, None]
            gathered = self.propagate(edge_index, sent=sent, received=received, alpha=alpha, frames=frames)
        if self.bias is not None:
            gathered = gathered + self.bias
            gathered = norm_rows(self.gather_norm, gathered, batch, batch_size, num_steps, mask).relu()

        y = self.update_mlp(x + gathered if self.update_by_sum else torch.cat([x, gathered], dim=-1))
        y = norm_rows(self.update_norm, y, batch, batch_size, num_steps, mask)
        return (y, (edge_index, alpha)) if return_attention_weights else y

    def edge_update(
        self, query_i: Tensor, key_j: Tensor, adjacency: OptTensor, index: Tensor, dim_size: Optional[int]
    ) -> Tensor:
        if adjacency is None:
            logits = self.attention.logits(query_i, key_j)
        else:
            logits = self.attention.soft_logits(query_i, key_j, adjacency.to(query_i.dtype)[:, None])
        return softmax(logits, index, num_nodes=dim_size, dim=self.node_dim)  # [*, E, heads]

    def message(self, sent_j: Tensor, received_i: Tensor, alpha: Tensor, frames: _Frames) -> Tensor:
        return (alpha[..., None] * self._messages(sent_j + received_i, frames)).flatten(-2)  # [*, E, C]

    def _messages(self, ends: Tensor, frames: _Frames) -> Tensor:
        m = norm_rows(self.message_norm, self.send_mlp(ends), *frames)
        return self.value(m).unflatten(-1, (self.attention.heads, -1))  # [*, E, heads, C / heads]

    def _complete_size(self, x: Tensor, edge_index: Tensor) -> int | None:
        """Nodes of every frame if frames are complete graphs, and nobody watches or replaces single steps."""
        watched = self.explain or any(
            getattr(self, f"_{step}_forward_{when}hooks")
            for step in ("propagate", "edge_update", "message", "aggregate")
            for when in ("", "pre_")
        )
        if watched or type(self) is not SpaceConv or not looks_free(edge_index):
            return None
        return complete_size(edge_index, x.size(-2))

    def _all_pairs(
        self, size: int, nodes: tuple[Tensor, ...], adjacency: Tensor | None, frames: _Frames
    ) -> tuple[Tensor, Tensor]:
        """What ``propagate`` and ``edge_updater`` give, on complete graphs."""
        sent, received, query, key = (x.unflatten(-2, (-1, size)) for x in nodes)  # [*, F, N, C]
        if adjacency is None:
            logits = self.attention.pair_logits(query, key)
        else:
            soft = adjacency.to(query.dtype).view(-1, size, size, 1)
            logits = self.attention.soft_logits(query[..., :, None, :], key[..., None, :, :], soft)
        alpha = logits.softmax(dim=-2)  # [*, F, N, N, heads], receiver first
        ends = sent[..., None, :, :] + received[..., :, None, :]
        m = self._messages(ends.flatten(-4, -2), frames).unflatten(-3, (-1, size, size))
        gathered = torch.einsum("...ijh,...ijhc->...ihc", alpha, m).flatten(-2)  # [*, F, N, C]
        return gathered.flatten(-3, -2), alpha.flatten(-4, -2)

    def _check(self, x: Tensor, position: Tensor | None, batch: Tensor | None) -> None:
        if x.dim() < 2 or x.size(-1) != self.channels:
            raise ValueError(f"Expected 'x' of shape [*, N, {self.channels}] (got {list(x.shape)})")
        given = 0 if position is None else position.size(-1)
        if given != self.position_channels:
            raise ValueError(
                f"Expected node positions with position_channels = {self.position_channels} values (got {given}); "
                "put a GaussianPosition before the space stage, or set 'position_channels' to what it gives"
            )

        norms = (self.message_norm, self.gather_norm, self.update_norm)
        if any(isinstance(norm, FrameNorm) for norm in norms) and x.dim() == 2 and batch is None:
            raise ValueError(
                "Expected 'batch', the frame of every node, since the norms work frame by frame (got none); "
                "for a single frame give 'x' as [1, N, C]"
            )

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.channels}, combine='{self.combine}', attention={self.attention})"


class GroupwiseMLP(nn.Module):
    """The update MLP with weights of its own for every kind of nodes.

    Args:
        in_channels: channels of the input.
        channels: channels of the output and in between.
        num_layers: layers, a ReLU after each.
        groups: nodes of every kind in a frame, in order.

    Shapes:
        - **x:** :math:`(V, C)` frame by frame, or :math:`(*, N, C)`
        - **output:** likewise
    """

    def __init__(self, in_channels: int, channels: int, num_layers: int, groups: Sequence[int]) -> None:
        super().__init__()
        if not groups or min(groups) < 1:
            raise ValueError(f"Expected 'update_groups' with at least one node of every kind (got {list(groups)})")
        self.groups = tuple(groups)
        self.kinds = nn.ModuleList(nn.Sequential(*_layers(in_channels, channels, num_layers)) for _ in groups)

    def forward(self, x: Tensor) -> Tensor:
        num_nodes = sum(self.groups)
        if x.size(-2) % num_nodes != 0:
            raise ValueError(
                f"Expected frames of {num_nodes} nodes, the sum of update_groups = {list(self.groups)} "
                f"(got {x.size(-2)} nodes)"
            )
        parts = x.unflatten(-2, (-1, num_nodes)).split(self.groups, dim=-2)
        return torch.cat([mlp(part) for mlp, part in zip(self.kinds, parts, strict=True)], dim=-2).flatten(-3, -2)


def _update_mlp(in_channels: int, channels: int, num_layers: int, groups: Sequence[int] | None) -> nn.Module:
    if num_layers < 0:
        raise ValueError(f"Expected 'update_layers' of at least 0 (got {num_layers})")
    if groups is not None:
        return GroupwiseMLP(in_channels, channels, num_layers, groups)
    return nn.Sequential(*_layers(in_channels, channels, num_layers))


def _layers(in_channels: int, channels: int, num_layers: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for _ in range(num_layers):
        layers += [nn.Linear(in_channels, channels), nn.ReLU()]
        in_channels = channels
    return layers
