"""The space stage: one round of messages within every frame."""

from typing import Optional

from torch import Tensor, nn
from torch_geometric.nn import MessagePassing
from torch_geometric.typing import OptTensor
from torch_geometric.utils import softmax

from ..data import Frames
from .norm import normalize
from .space_parts import SpaceParts


class SpaceConv(SpaceParts, MessagePassing):
    r"""The space stage of RSTG (Nicolicioiu et al., NeurIPS 2019) and DyReg-GNN (Duta et al., NeurIPS 2021).

    .. math::
        m_{ji} &= \mathrm{MLP}_s([v_j \, | \, v_i]) & \text{send} \\
        g_i &= \mathrm{ReLU}\Big(b + \sum_{j \in \mathcal{N}(i)} \alpha_{ji} \, m_{ji}\Big) & \text{gather} \\
        v_i' &= \mathrm{MLP}_u([v_i \, | \, g_i]) & \text{update}

    where :math:`\alpha` is a softmax over the neighbours of :math:`i`. The defaults are RSTG's; DyReg-GNN's released
    models use ``combine="sum", send_layers=1, update_layers=0``. The first layer of :math:`\mathrm{MLP}_s` is linear
    in both ends, so it is computed once per node, not once per edge. :class:`DenseSpaceConv` has the same parameters
    and outputs, and is faster where most pairs of a frame are connected.

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
        edge_dim: features of every edge that the messages see, as ``edge_attr``; 0 for none.
        update_groups: number of nodes of every kind in a frame, in order; each kind has its own update MLP (RSTG's
            "scale-wise" update). ``None`` for one that all share.
        message_norm: norm of the messages: :class:`FrameNorm`, :class:`BatchNorm`, one of PyG's, or ``None``.
        gather_norm: norm of what is gathered, before the ReLU; likewise.
        update_norm: norm of the updated nodes; likewise.

    Given parts (an attention, norms) keep their parameters; ``reset_parameters`` resets them as well.

    Shapes:
        - **x:** :math:`(V, C)` for a flat batch of graphs, or :math:`(*, N, C)` for graphs that share their edges
        - **edge_index:** :math:`(2, E)`
        - **position:** :math:`(*, N, D)` with ``position_channels`` :math:`= D`
        - **adjacency:** strength of every edge, :math:`(E)` in [0, 1]; multiplies the logits, see
          :class:`ConnectAllPairs`
        - **frames:** the frame of every node, :class:`~pyg_video.data.Frames`; the norms need it when ``x`` is flat
        - **mask:** nodes that count, :math:`(V)`, bool, with a flat ``x``; the norms leave the others out
        - **edge_attr:** features of every edge, :math:`(E, D)` with ``edge_dim`` :math:`= D`; the first layer of
          :math:`\mathrm{MLP}_s` sees them beside both ends
        - **edge_weight:** factor of every edge's :math:`\alpha`, :math:`(E)`
        - **output:** like ``x``; with ``return_attention_weights=True`` also ``(edge_index, alpha)`` with ``alpha``
          of shape :math:`(*, E, heads)`

    Example:
        >>> import torch
        >>> from pyg_video.functional import complete_edges
        >>> conv = SpaceConv(16, attention="multi_head")
        >>> conv(torch.randn(9, 16), complete_edges(9)).shape
        torch.Size([9, 16])
    """

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        *,
        position: Tensor | None = None,
        adjacency: Tensor | None = None,
        frames: Frames | None = None,
        mask: Tensor | None = None,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
        return_attention_weights: bool | None = None,
        **unknown: object,  # a wrapper that hands everything on hands PyG's words on as well
    ) -> Tensor | tuple[Tensor, tuple[Tensor, Tensor]]:
        self._check_frames(x, frames, unknown)
        sent, received = self._ends(x, position)
        edge = self._edge(edge_attr)
        query, key = self.attention.project(x)
        alpha = self.edge_updater(edge_index, query=query, key=key, adjacency=adjacency)  # type: ignore[operator] # untyped
        if edge_weight is not None:
            alpha = alpha * edge_weight.to(alpha.dtype)[:, None]
        sender, receiver = edge_index
        edge_frames = None if frames is None or x.dim() > 2 else frames.at(receiver, x.size(0))
        edge_mask = None if mask is None else mask[sender] & mask[receiver]
        gathered = self.propagate(  # type: ignore[operator] # untyped
            edge_index,
            sent=sent,
            received=received,
            edge=edge,
            alpha=alpha,
            edge_frames=edge_frames,
            edge_mask=edge_mask,
        )
        y = self._update(x, gathered, frames, mask)
        return (y, (edge_index, alpha)) if return_attention_weights else y

    def edge_update(
        self, query_i: Tensor, key_j: Tensor, adjacency: OptTensor, index: Tensor, dim_size: Optional[int]
    ) -> Tensor:
        if adjacency is None:
            logits = self.attention.logits(query_i, key_j)
        else:
            logits = self.attention.soft_logits(query_i, key_j, adjacency.to(query_i.dtype)[:, None])
        return softmax(logits, index, num_nodes=dim_size, dim=self.node_dim)  # [*, E, heads]

    def message(
        self,
        sent_j: Tensor,
        received_i: Tensor,
        edge: OptTensor,
        alpha: Tensor,
        edge_frames: Optional[Frames],
        edge_mask: OptTensor,
    ) -> Tensor:
        ends = sent_j + received_i
        m = self.send_mlp(ends if edge is None else ends + edge)
        m = normalize(self.message_norm, m, edge_frames, edge_mask)
        m = self.value(m).unflatten(-1, (self.attention.heads, -1))  # [*, E, heads, C / heads]
        return (alpha[..., None] * m).flatten(-2)  # [*, E, C]

    def _check_frames(self, x: Tensor, frames: Frames | None, unknown: dict[str, object]) -> None:
        if unknown and (frames is None or unknown.keys() - {"batch", "batch_size"}):
            raise TypeError(
                f"Expected 'frames', the frame of every node (got {', '.join(map(repr, unknown))}); PyG's 'batch' is "
                "the clip of every node, but the norms here work frame by frame: give frames=graph.node_frames"
            )
        norms = (self.message_norm, self.gather_norm, self.update_norm)
        if x.dim() == 2 and frames is None and not all(isinstance(norm, nn.Identity) for norm in norms):
            raise ValueError(
                "Expected 'frames', the frame of every node, since the norms work frame by frame (got none); "
                "give frames=graph.node_frames, or a single frame as 'x' of shape [1, N, C]"
            )
