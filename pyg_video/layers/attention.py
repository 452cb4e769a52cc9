"""Attention logits of every edge, which the space stage turns into weights."""

from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import resolve


class Attention(nn.Module):
    """Two projections of every node, and a logit for every edge from the projections of its ends."""

    heads: int = 1

    def reset_parameters(self) -> None:
        for part in self.children():
            if isinstance(part, nn.Linear):
                draw_linear(part)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Projections of every node as receiver and as sender: twice :math:`(*, N, D)`."""
        raise NotImplementedError

    def logits(self, receiver: Tensor, sender: Tensor) -> Tensor:
        """Projections of the edges' ends, :math:`(*, E, D)`, to logits :math:`(*, E, heads)`."""
        raise NotImplementedError

    def pair_logits(self, receiver: Tensor, sender: Tensor) -> Tensor:
        """:meth:`logits` of all pairs of :math:`N` nodes, :math:`(*, N, N, heads)`, receiver first."""
        return self.logits(receiver[..., :, None, :], sender[..., None, :, :])

    def soft_logits(self, receiver: Tensor, sender: Tensor, adjacency: Tensor) -> Tensor:
        """:meth:`logits` of edges with a strength, :math:`(E, 1)` from 0 to 1, as in RSTG's released code.

        Where all strengths are 1, the softmax over these is that over the plain ones.
        """
        return adjacency * self.logits(receiver, sender)


class DotAttention(Attention):
    r"""Dot product :math:`\langle W_q v_i, W_k v_j \rangle`, unscaled as in the released code of both papers.

    Args:
        channels: node channels.
        heads: number of heads, each with ``channels / heads`` of the channels.
    """

    def __init__(self, channels: int, heads: int = 1) -> None:
        super().__init__()
        if heads < 1 or channels % heads != 0:
            raise ValueError(f"Expected 'heads' to divide channels = {channels} (got {heads})")
        self.heads = heads
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.reset_parameters()

    def project(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.query(x), self.key(x)

    def logits(self, receiver: Tensor, sender: Tensor) -> Tensor:
        return (receiver * sender).unflatten(-1, (self.heads, -1)).sum(-1)

    def pair_logits(self, receiver: Tensor, sender: Tensor) -> Tensor:
        receiver, sender = (x.unflatten(-1, (self.heads, -1)).transpose(-2, -3) for x in (receiver, sender))
        return (receiver @ sender.mT).movedim(-3, -1)


class AdditiveAttention(Attention):
    r"""The attention of GAT, :math:`\mathrm{LeakyReLU}(w_1 \cdot v_i + w_2 \cdot v_j)`.

    Args:
        channels: node channels.
        heads: number of heads.
    """

    def __init__(self, channels: int, heads: int = 1) -> None:
        super().__init__()
        self.heads = heads
        self.receiver = nn.Linear(channels, heads)
        self.sender = nn.Linear(channels, heads)
        self.reset_parameters()

    def project(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.receiver(x), self.sender(x)

    def logits(self, receiver: Tensor, sender: Tensor) -> Tensor:
        return F.leaky_relu(receiver + sender, negative_slope=0.2)

    def soft_logits(self, receiver: Tensor, sender: Tensor, adjacency: Tensor) -> Tensor:
        return adjacency * self.logits(receiver, sender) + adjacency


class MeanAttention(Attention):
    """No attention: every neighbour has the same weight."""

    def project(self, x: Tensor) -> tuple[Tensor, Tensor]:
        zero = x.new_zeros(()).expand(*x.shape[:-1], 1)
        return zero, zero

    def logits(self, receiver: Tensor, sender: Tensor) -> Tensor:
        return receiver + sender


def resolve_attention(attention: str | Attention, channels: int, heads: int) -> Attention:
    """The attention called dot, multi_head, additive or mean, or the one given."""
    return resolve(
        "attention",
        attention,
        {
            "dot": lambda: DotAttention(channels),
            "multi_head": lambda: DotAttention(channels, heads),
            "additive": lambda: AdditiveAttention(channels),
            "mean": MeanAttention,
        },
    )


def draw_linear(linear: nn.Linear) -> None:
    """First values of the linear layers of a space stage: Glorot's, and biases of zero."""
    nn.init.xavier_uniform_(linear.weight)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)
