"""Messages of pairs of nodes in arrays: of all pairs of a frame, or of those that are connected in some frame."""

import torch
from torch import Tensor

_FEW_NODES = 32  # of a frame: there products with matrices of nodes by pairs take less time than indexing
_FEW_PAIRS = 0.7  # of all pairs: there it is worth it to leave the others out


class AllPairs:
    """Messages of all pairs of a frame, :math:`(F, N, N, C)`, receivers first."""

    def __init__(self, alpha: Tensor, adj: Tensor | None) -> None:
        self.alpha, self.adj = alpha, adj
        self.shape: tuple[int, ...] = tuple(alpha.shape[1:])

    def add(self, sent: Tensor, received: Tensor, out: Tensor) -> Tensor:
        """What both ends add to the messages."""
        return torch.add(sent[:, None], received[:, :, None], out=out)

    def gather(self, at: slice, m: Tensor, out: Tensor) -> None:
        """Sum the messages to every node, weighted by alpha."""
        torch.matmul(self.alpha[at, :, None], m, out=out[:, :, None])

    def only_present(self, at: slice, m: Tensor) -> Tensor:
        """Set messages of pairs that do not count to zero."""
        return m if self.adj is None else m.mul_(self.adj[at, ..., None])

    def spread(self, at: slice, grad: Tensor, m: Tensor) -> Tensor:
        """Add the adjoint of :meth:`gather`."""
        return m.addcmul_(self.alpha[at, ..., None], grad[:, :, None])

    def to_alpha(self, m: Tensor, grad: Tensor, out: Tensor) -> None:
        """The gradient of alpha."""
        torch.matmul(m, grad[..., None], out=out[..., None])

    def to_ends(self, m: Tensor, sent: Tensor, received: Tensor) -> None:
        """The adjoint of :meth:`add`."""
        torch.sum(m, dim=1, out=sent)
        torch.sum(m, dim=2, out=received)


class SomePairs(AllPairs):
    """Messages of the pairs that count in some frame, :math:`(F, E, C)`."""

    def __init__(self, alpha: Tensor, adj: Tensor, pairs: Tensor) -> None:
        N = alpha.size(-1)
        self.receiver, self.sender = pairs
        self.shape = (pairs.size(1),)
        self.present = adj[:, self.receiver, self.sender].to(alpha.dtype)[..., None]  # [F, E, 1]
        nodes = torch.arange(N, device=alpha.device)
        self.of_sender, self.of_receiver = (
            (nodes[:, None] == end).to(alpha.dtype) for end in (self.sender, self.receiver)
        )
        self.alpha = self.of_receiver * alpha[:, None, self.receiver, self.sender]  # [F, N, E]

    def add(self, sent: Tensor, received: Tensor, out: Tensor) -> Tensor:
        return torch.index_select(sent, 1, self.sender, out=out).add_(received[:, self.receiver])

    def gather(self, at: slice, m: Tensor, out: Tensor) -> None:
        torch.bmm(self.alpha[at], m, out=out)

    def only_present(self, at: slice, m: Tensor) -> Tensor:
        return m.mul_(self.present[at])

    def spread(self, at: slice, grad: Tensor, m: Tensor) -> Tensor:
        return m.baddbmm_(self.alpha[at].mT, grad)

    def to_alpha(self, m: Tensor, grad: Tensor, out: Tensor) -> None:
        of_pairs = (m @ grad.mT).gather(-1, self.receiver.expand(len(m), -1)[..., None])[..., 0]  # [F, E]
        out.zero_()[:, self.receiver, self.sender] = of_pairs

    def to_ends(self, m: Tensor, sent: Tensor, received: Tensor) -> None:
        torch.matmul(self.of_sender, m, out=sent)
        torch.matmul(self.of_receiver, m, out=received)


def pairs_of(alpha: Tensor, adj: Tensor | None) -> AllPairs:
    """Those that count where they are few, on a CPU: their number depends on the values."""
    if adj is not None and alpha.device.type == "cpu" and alpha.size(-1) <= _FEW_NODES:
        pairs = adj.any(dim=0).nonzero().mT
        if pairs.size(1) <= _FEW_PAIRS * adj[0].numel():
            return SomePairs(alpha, adj, pairs)
    return AllPairs(alpha, adj)
