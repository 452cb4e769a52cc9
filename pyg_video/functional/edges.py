"""Edges as PyG's ``edge_index``: senders in row 0, receivers in row 1, sorted by receiver."""

import torch
from torch import Tensor

from .._checks import looks_free
from .boxes import boxes_touch


def _check_finite(name: str, value: Tensor) -> None:
    if looks_free(value) and not bool(value.isfinite().all()):
        raise ValueError(f"Expected '{name}' without NaN and infinity (got {value.tolist()})")


def complete_edges(num_nodes: int, *, self_loops: bool = True, device: torch.device | None = None) -> Tensor:
    """All ordered pairs of nodes, each node with itself included (as in DyReg-GNN's released code).

    Shapes:
        - **output:** :math:`(2, E)`

    Example:
        >>> complete_edges(2, self_loops=False)
        tensor([[1, 0],
                [0, 1]])
    """
    # Not nonzero(), which would synchronise with a GPU.
    receiver = torch.arange(num_nodes, device=device)[:, None]
    sender = torch.arange(num_nodes if self_loops else max(num_nodes - 1, 0), device=device)[None]
    if not self_loops:
        sender = sender + (sender >= receiver)  # skip the node itself
    return torch.stack(torch.broadcast_tensors(sender, receiver)).flatten(1)


def overlap_edges(box: Tensor) -> Tensor:
    """Pairs of boxes that overlap or share a border of positive length (RSTG), without self-loops.

    Shapes:
        - **box:** :math:`(*, N, 4)`
        - **output:** :math:`(2, E)`, block-diagonal over the leading dimensions

    Example:
        >>> from pyg_video.functional import grid_boxes
        >>> overlap_edges(grid_boxes(2, 2)).size(1)  # the four sides inside, both ways; no diagonal
        8
    """
    _check_finite("box", box)
    N = box.size(-2)
    frames = box.reshape(-1, N, 4)
    touch = boxes_touch(frames, frames)
    touch = touch & ~torch.eye(N, dtype=torch.bool, device=box.device)
    frame, receiver, sender = touch.nonzero(as_tuple=True)
    return torch.stack([frame * N + sender, frame * N + receiver])


def knn_edges(pos: Tensor, k: int) -> Tensor:
    """Edges to each node from the ``k`` nearest other nodes of its frame.

    Args:
        pos: node positions.
        k: number of neighbours, at least 1 and below the number of nodes.

    Shapes:
        - **pos:** :math:`(*, N, 2)`
        - **output:** :math:`(2, E)`, block-diagonal over the leading dimensions

    Example:
        >>> knn_edges(torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.9, 0.0]]), k=1)
        tensor([[1, 0, 1],
                [0, 1, 2]])
    """
    N = pos.size(-2)
    if not 1 <= k < N:
        raise ValueError(f"Expected 'k' between 1 and the number of nodes - 1 = {N - 1} (got {k})")
    _check_finite("pos", pos)
    frames = pos.detach().reshape(-1, N, pos.size(-1))
    distance = (frames[:, :, None] - frames[:, None]).square().sum(-1)
    distance.diagonal(dim1=1, dim2=2).fill_(float("inf"))
    sender = distance.topk(k, largest=False, sorted=True).indices  # [F, N, k]
    offset = N * torch.arange(frames.size(0), device=pos.device)[:, None, None]
    receiver = torch.arange(N, device=pos.device)[:, None].expand_as(sender)
    return torch.stack([sender + offset, receiver + offset]).flatten(1)


def repeat_edges(edge_index: Tensor, num_nodes: int, num_graphs: int) -> Tensor:
    """The same edges in ``num_graphs`` consecutive graphs of ``num_nodes`` nodes.

    Shapes:
        - **edge_index:** :math:`(2, E)`
        - **output:** :math:`(2, E \\cdot num\\_graphs)`

    Example:
        >>> repeat_edges(torch.tensor([[0], [1]]), num_nodes=2, num_graphs=3)
        tensor([[0, 2, 4],
                [1, 3, 5]])
    """
    offset = num_nodes * torch.arange(num_graphs, device=edge_index.device)
    return (edge_index[:, None] + offset[:, None]).flatten(1)


def between_frames(edge_index: Tensor, num_nodes: int) -> Tensor:
    """Which edges join nodes of different frames.

    Args:
        edge_index: edges of consecutive frames together.
        num_nodes: nodes per frame :math:`N`.

    Shapes:
        - **edge_index:** :math:`(2, E)`
        - **output:** :math:`(E)`, bool

    Example:
        >>> between_frames(torch.tensor([[0, 1, 2], [1, 3, 3]]), num_nodes=2)
        tensor([False,  True, False])
    """
    sender, receiver = edge_index // num_nodes
    return sender != receiver


def loops_last(edge_index: Tensor) -> Tensor:
    """The order of edges in which self-loops stand at the end, by node, and the others as they are.

    Convolutions of PyG that make their own self-loops put them there, and its explainers match masks and attention with
    edges by number: so edges in this order are matched right, whatever a convolution does about self-loops.

    Shapes:
        - **edge_index:** :math:`(2, E)`
        - **output:** :math:`(E)`, the edges in order, by number

    Example:
        >>> edges = complete_edges(2)
        >>> edges[:, loops_last(edges)]
        tensor([[1, 0, 0, 1],
                [0, 1, 0, 1]])
    """
    (sender, receiver), E = edge_index, edge_index.size(1)
    place = torch.where(sender == receiver, receiver + 1, 0)
    return (place * E + torch.arange(E, device=place.device)).argsort()  # not stable=True, which ONNX does not have
