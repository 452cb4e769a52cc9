"""The space stage: one round of messages within every frame."""

from typing import Optional

import torch
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing
from torch_geometric.typing import OptTensor
from torch_geometric.utils import softmax

from ..functional import check_option
from .attention import Attention, resolve_attention
from .norm import FrameNorm


class SpaceConv(MessagePassing):
    r"""The space stage of RSTG (Nicolicioiu et al., NeurIPS 2019) and DyReg-GNN (Duta et al., NeurIPS 2021).

    .. math::
        m_{ji} &= \mathrm{MLP}_s([v_j \, | \, v_i]) & \text{send} \\
        g_i &= \mathrm{ReLU}\Big(b + \sum_{j \in \mathcal{N}(i)} \alpha_{ji} \, m_{ji}\Big) & \text{gather} \\
        v_i' &= \mathrm{MLP}_u([v_i \, | \, g_i]) & \text{update}

    where :math:`\alpha` is a softmax over the neighbours of :math:`i`. The defaults are RSTG's; DyReg-GNN's released
    models use ``combine="sum", send_layers=1, update_layers=0``. The first layer of :math:`\mathrm{MLP}_s` is linear
    in both ends, so it is computed once a node, not once an edge.

    Args:
        channels: node channels.
        combine: what both MLPs see of two vectors: ``"concat"`` or ``"sum"``.
        send_layers: 1 or 2 layers in the message MLP, a ReLU after each.
        attention: ``"dot"``, ``"multi_head"``, ``"additive"``, ``"mean"``, or an :class:`Attention`.
        heads: heads of ``"multi_head"``; each weighs its own linear reading of the messages.
        update_layers: 1 or 2 layers in the update MLP, a ReLU after each; 0 for the plain sum :math:`v_i + g_i`.
        position_channels: size of the node positions that the messages see; 0 for none.
        message_norm: norm of the messages, :class:`FrameNorm` or ``None``.
        update_norm: norm of the updated nodes, :class:`FrameNorm` or ``None``.

    Shapes:
        - **x:** :math:`(V, C)` for a flat batch of graphs, or :math:`(*, N, C)` for graphs that share their edges
        - **edge_index:** :math:`(2, E)`
        - **position:** :math:`(*, N, D)` with ``position_channels`` :math:`= D`
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
        update_layers: int = 2,
        position_channels: int = 0,
        message_norm: FrameNorm | None = None,
        update_norm: FrameNorm | None = None,
    ) -> None:
        super().__init__(aggr="sum", node_dim=-2)
        check_option("combine", combine, ("concat", "sum"))
        check_option("send_layers", send_layers, (1, 2))
        check_option("update_layers", update_layers, (0, 1, 2))
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
        self.bias = nn.Parameter(torch.empty(channels))
        self.update_mlp = nn.Sequential(
            *_layers(channels if combine == "sum" else 2 * channels, channels, update_layers)
        )
        self.update_by_sum = combine == "sum" or update_layers == 0
        self.message_norm = message_norm
        self.update_norm = update_norm
        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, FrameNorm):
                module.reset_parameters()
        nn.init.zeros_(self.bias)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        *,
        position: Tensor | None = None,
        batch: Tensor | None = None,
        batch_size: int | None = None,
        mask: Tensor | None = None,
        edge_weight: Tensor | None = None,
        return_attention_weights: bool | None = None,
    ) -> Tensor | tuple[Tensor, tuple[Tensor, Tensor]]:
        self._check(x, position, batch)
        ends = x if position is None else torch.cat([x, position.to(x.dtype)], dim=-1)
        sent = self.send(ends)
        received = sent - self.send.bias if self.receive is None else self.receive(ends)
        query, key = self.attention.project(x)
        alpha = self.edge_updater(edge_index, query=query, key=key)
        if edge_weight is not None:
            alpha = alpha * edge_weight.to(alpha.dtype)[:, None]

        frame = None if batch is None else batch[edge_index[1]]
        gathered = self.propagate(
            edge_index, sent=sent, received=received, alpha=alpha, frame=frame, num_frames=batch_size
        )
        gathered = (gathered + self.bias).relu()

        y = self.update_mlp(x + gathered if self.update_by_sum else torch.cat([x, gathered], dim=-1))
        if self.update_norm is not None:
            y = self.update_norm(y, batch, batch_size, mask)
        return (y, (edge_index, alpha)) if return_attention_weights else y

    def edge_update(self, query_i: Tensor, key_j: Tensor, index: Tensor, dim_size: Optional[int]) -> Tensor:
        logits = self.attention.logits(query_i, key_j)
        return softmax(logits, index, num_nodes=dim_size, dim=self.node_dim)  # [*, E, heads]

    def message(
        self, sent_j: Tensor, received_i: Tensor, alpha: Tensor, frame: OptTensor, num_frames: Optional[int]
    ) -> Tensor:
        m = self.send_mlp(sent_j + received_i)
        if self.message_norm is not None:
            m = self.message_norm(m, frame, num_frames)
        m = self.value(m).unflatten(-1, (self.attention.heads, -1))
        return (alpha[..., None] * m).flatten(-2)  # [*, E, C]

    def _check(self, x: Tensor, position: Tensor | None, batch: Tensor | None) -> None:
        if x.dim() < 2 or x.size(-1) != self.channels:
            raise ValueError(f"Expected 'x' of shape [*, N, {self.channels}] (got {list(x.shape)})")
        given = 0 if position is None else position.size(-1)
        if given != self.position_channels:
            raise ValueError(
                f"Expected node positions with position_channels = {self.position_channels} values (got {given}); "
                "put a GaussianPosition before the space stage, or set 'position_channels' to what it gives"
            )

        normed = self.message_norm is not None or self.update_norm is not None
        if normed and x.dim() == 2 and batch is None:
            raise ValueError(
                "Expected 'batch', the frame of every node, since the norms work frame by frame (got none); "
                "for a single frame give 'x' as [1, N, C]"
            )

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.channels}, combine='{self.combine}', attention={self.attention})"


def _layers(in_channels: int, channels: int, num_layers: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for _ in range(num_layers):
        layers += [nn.Linear(in_channels, channels), nn.ReLU()]
        in_channels = channels
    return layers
