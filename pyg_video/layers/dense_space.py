"""The space stage on frames that are matrices of pairs."""

from typing import Any

import torch
from torch import Tensor, nn

from .._checks import is_plain
from ..data import Frames
from .norm import FrameNorm, normalize
from .pair_messages import PairMessages, gather_pairs
from .space import SpaceConv
from .space_parts import SpaceParts

_PLAIN = (nn.Sequential, nn.ReLU, nn.Linear, nn.Identity, FrameNorm)


class DenseSpaceConv(SpaceParts):
    """:class:`SpaceConv` on frames of one size, whose messages lie in arrays of all pairs of nodes.

    Parameters and outputs are those of :class:`SpaceConv`. It is faster where most pairs of a frame are connected, as
    in DyReg-GNN, and follows the dense layers of :mod:`torch_geometric.nn.dense`. :class:`RSTG` takes either.

    Args:
        channels: node channels.
        complete: take the frames of graphs for complete ones, self loops included, without a matrix of their edges;
            :class:`RSTG` checks it where reading the edges costs nothing.
        **options: those of :class:`SpaceConv`.

    Shapes:
        - **x:** :math:`(*, N, C)`
        - **adj:** whether the first node receives from the second, :math:`(*, N, N)`, bool; by default all pairs, and
          every node from itself
        - **position:** :math:`(*, N, D)` with ``position_channels`` :math:`= D`
        - **adjacency:** strength of every pair, :math:`(*, N, N)` in [0, 1]; multiplies the logits, see
          :class:`ConnectAllPairs`
        - **edge_attr:** features of every pair, :math:`(*, N, N, D)` with ``edge_dim`` :math:`= D`; messages are then
          computed in an array of all pairs
        - **edge_weight:** factor of every pair's :math:`\\alpha`, :math:`(*, N, N)`
        - **frames:** number of clips and of frames per clip; by default one frame per leading index
        - **mask:** nodes that count, :math:`(*, N)`, bool; the norms leave the others out
        - **output:** like ``x``; with ``return_attention_weights=True`` also ``alpha`` :math:`(*, N, N, heads)`

    Example:
        >>> conv = DenseSpaceConv(16, attention="multi_head")
        >>> conv(torch.randn(2, 9, 16)).shape
        torch.Size([2, 9, 16])
    """

    def __init__(self, channels: int, *, complete: bool = False, **options: Any) -> None:
        super().__init__(channels, **options)
        self.complete = complete

    def forward(
        self,
        x: Tensor,
        adj: Tensor | None = None,
        *,
        position: Tensor | None = None,
        adjacency: Tensor | None = None,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
        frames: Frames | None = None,
        mask: Tensor | None = None,
        return_attention_weights: bool | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        sent, received = self._ends(x, position)
        alpha = self._alpha(x, adj, adjacency)
        if edge_weight is not None:
            alpha = alpha * edge_weight.to(alpha.dtype)[..., None]
        edge = self._edge(edge_attr)
        parameters = self._pair_messages() if edge is None else None
        if parameters is None:
            first = sent[..., None, :, :] + received[..., :, None, :]  # [*, N, N, C], receiver first
            m = self.send_mlp(first if edge is None else first + edge)
            pairs = m.flatten(-3, -2)
            pairs = normalize(self.message_norm, pairs, frames, None if adj is None else adj.flatten(-2))
            m = self.value(pairs.view_as(m)).unflatten(-1, (self.attention.heads, -1))
            gathered = torch.einsum("...ijh,...ijhc->...ihc", alpha, m).flatten(-2)
        else:
            ends = (_flat(sent), _flat(received))
            present = None if adj is None else _flat(adj)
            gathered = gather_pairs(*ends, _flat(alpha[..., 0]), present, parameters).view_as(sent)
        y = self._update(x, gathered, frames, mask)
        return (y, alpha) if return_attention_weights else y

    def sparse(self) -> SpaceConv:
        """The same stage on edges, sharing its parts and parameters."""
        with torch.device("meta"):  # its own parameters are not needed, nor are random numbers for them
            conv = SpaceConv(
                self.channels,
                combine=self.combine,
                position_channels=self.position_channels,
                edge_dim=self.edge_dim,
                plain_gather=self.bias is None,
            )
        conv.update_by_sum = self.update_by_sum
        conv._modules.update(self._modules)
        conv._parameters.update(self._parameters)
        return conv.train(self.training)

    def _pair_messages(self) -> PairMessages | None:
        """The parameters of the messages, if their norm is one that can be taken out of the sum over the neighbours."""
        norm, layers = self.message_norm, list(self.send_mlp)
        parts = [self.send_mlp, norm, *layers]
        if self.attention.heads > 1 or not all(is_plain(part, *_PLAIN) for part in parts):
            return None
        linear = layers[1] if len(layers) > 1 else None
        weight, bias = (linear.weight, linear.bias) if isinstance(linear, nn.Linear) else (None, None)
        if isinstance(norm, FrameNorm):
            return PairMessages(weight, bias, norm.weight, norm.bias, norm.eps)
        return PairMessages(weight, bias)

    def _alpha(self, x: Tensor, adj: Tensor | None, adjacency: Tensor | None) -> Tensor:
        query, key = self.attention.project(x)
        if adjacency is None:
            logits = self.attention.pair_logits(query, key)
        else:
            soft = adjacency.to(query.dtype)[..., None]
            logits = self.attention.soft_logits(query[..., :, None, :], key[..., None, :, :], soft)
        if adj is None:
            return logits.softmax(dim=-2)
        # A node without neighbours has a row of zeros.
        logits = logits.masked_fill(~adj[..., None], torch.finfo(logits.dtype).min)
        return logits.softmax(dim=-2).masked_fill(~adj[..., None], 0.0)


def _flat(x: Tensor) -> Tensor:
    """One leading dimension, the frames."""
    return x.reshape(-1, *x.shape[-2:])
