"""Which node of a frame is which node of the frames before."""

from typing import TypeAlias

import torch
from torch import Tensor, nn

Tracks: TypeAlias = tuple[Tensor, Tensor, Tensor]

# Above the costs of pairs, which are at most about the number of pairs; float32 still counts by ones there.
_UNSEEN, _MISSING = 1e6, 1e7


class TrackNodes(nn.Module):
    r"""Number the nodes of every frame so that a number stays with one object.

    Builders that look at each frame by itself, such as :class:`SaliencyGraph`, or the boxes of a detector number nodes
    by rank. Here node :math:`j` of a frame continues track :math:`i` where they are alike and close to each other,

    .. math:: c_{ij} = \frac{\lVert a_i - v_j \rVert^2}{\mathrm{mean}_{kl} \lVert a_k - v_l \rVert^2}
        + w \, \lVert p_i - p_j \rVert^2 ,

    with the features :math:`v` and centres :math:`p` of nodes that are there, and tracks' running mean of features
    :math:`a` and last centres. Pairs are taken one by one, the best of all that are left first, and a node that no
    track is left for takes the lowest number without one: a new object may take the number of one that was lost. The
    nodes of the first frame keep their order. The choice has no gradient, and looks at no later frame. It takes a step
    per frame and node, and compiled and exported programs unroll these.

    Args:
        distance_weight: :math:`w`, with centres as fractions of the frame: 0 where objects may jump anywhere.
        momentum: share of what is kept of a track's features in every frame.

    Shapes:
        - **x:** node features :math:`(B, T, N, C)`
        - **pos:** centres :math:`(B, T, N, 2)`
        - **mask:** nodes that are there, :math:`(B, T, N)`, bool; by default all
        - **output:** the node of the frame that gets each number, :math:`(B, T, N)`

    Example:
        >>> x = torch.eye(3)[torch.tensor([[[0, 1, 2], [2, 0, 1]]])]
        >>> TrackNodes()(x, torch.zeros(1, 2, 3, 2))
        tensor([[[0, 1, 2],
                 [1, 2, 0]]])
    """

    def __init__(self, *, distance_weight: float = 1.0, momentum: float = 0.5) -> None:
        super().__init__()
        if distance_weight < 0 or not 0 <= momentum < 1:
            raise ValueError(
                "Expected 'distance_weight' of at least 0 and 'momentum' in [0, 1) "
                f"(got {distance_weight} and {momentum})"
            )
        self.distance_weight = distance_weight
        self.momentum = momentum

    def forward(self, x: Tensor, pos: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.scan(x, pos, mask)[0]

    @torch.no_grad()
    def scan(
        self, x: Tensor, pos: Tensor, mask: Tensor | None = None, state: Tracks | None = None
    ) -> tuple[Tensor, Tracks]:
        """Go on with the tracks of an earlier call; also return those after the last frame."""
        if x.dim() != 4 or pos.shape != (*x.shape[:3], 2):
            raise ValueError(
                f"Expected 'x' of shape [B, T, N, C] and 'pos' [B, T, N, 2] (got {list(x.shape)}, {list(pos.shape)})"
            )
        B, T, N, C = x.shape
        dtype = torch.promote_types(x.dtype, torch.float32)
        x, pos = x.to(dtype), pos.to(dtype)
        there = x.new_ones(B, T, N, dtype=torch.bool) if mask is None else mask
        feature, place, seen = state or (x.new_zeros(B, N, C), pos.new_zeros(B, N, 2), x.new_zeros(B, N))
        number, orders = torch.arange(N, device=x.device, dtype=dtype), []
        for t in range(T):
            cost = self._cost(feature, place, x[:, t], pos[:, t], seen[..., None] * there[:, t, None])
            cost = torch.where(seen[..., None] > 0, cost, _UNSEEN + number[:, None])
            cost = torch.where(there[:, t, None], cost, _MISSING + number[:, None] + number)
            order = _best_first(cost)
            orders.append(order)
            now, at, found = (y.gather(1, _like(order, y)) for y in (x[:, t], pos[:, t], there[:, t]))
            kept = (self.momentum * seen)[..., None]
            feature = torch.where(found[..., None], now.lerp(feature, kept), feature)
            place = torch.where(found[..., None], at, place)
            seen = torch.where(found, 1.0, seen)
        return torch.stack(orders, dim=1), (feature, place, seen)

    def _cost(self, feature: Tensor, place: Tensor, x: Tensor, pos: Tensor, counts: Tensor) -> Tensor:
        """The costs of all pairs, :math:`(B, N, N)`; features are scaled by those of the pairs that count."""
        alike = torch.cdist(feature, x).square()
        total = alike.masked_fill(counts == 0, 0.0).sum(dim=(1, 2), keepdim=True)
        mean = (total / counts.sum(dim=(1, 2), keepdim=True).clamp(min=1)).clamp(min=torch.finfo(alike.dtype).tiny)
        return alike / mean + self.distance_weight * torch.cdist(place, pos).square()

    def extra_repr(self) -> str:
        return f"distance_weight={self.distance_weight}, momentum={self.momentum}"


def in_order(value: Tensor, order: Tensor) -> Tensor:
    """A node attribute :math:`(B, T, N, *)` in the order of :class:`TrackNodes`."""
    return value.gather(2, _like(order, value))


def _like(order: Tensor, value: Tensor) -> Tensor:
    """The order as an index for ``gather`` in ``value``."""
    return order.view(*order.shape, *(1,) * (value.dim() - order.dim())).expand(
        *order.shape, *value.shape[order.dim() :]
    )


def _best_first(cost: Tensor) -> Tensor:
    """A one-to-one choice of columns for the rows, :math:`(B, N, N)` to :math:`(B, N)`: the lowest cost first."""
    B, N, _ = cost.shape
    order = torch.zeros(B, N, dtype=torch.long, device=cost.device)
    for _ in range(N):
        best = cost.flatten(1).argmin(dim=1, keepdim=True)
        row, column = best // N, best % N
        order = order.scatter(1, row, column)
        cost = cost.scatter(1, row[..., None].expand(B, 1, N), torch.inf)
        cost = cost.scatter(2, column[..., None].expand(B, N, 1), torch.inf)
    return order
