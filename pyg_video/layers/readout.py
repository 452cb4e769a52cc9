"""From the graph to a map or a vector."""

from typing import TypeAlias

import torch
from torch import Tensor, nn

from .._checks import check_lengths, check_option
from ..data import VideoGraph
from ..functional import frame_mask, remap

READOUTS = ("last", "mean")

Running: TypeAlias = tuple[Tensor, Tensor] | None


class ToMap(nn.Module):
    r"""Send every node back to its own region, :math:`Y_p = \sum_n A_{np} v_n` (RSTG-to-map; DyReg-GNN, eq. 10).

    Shapes:
        - **graph:** node features :math:`(V, C)` and ``kernel`` :math:`(V, H, W)`
        - **output:** :math:`(B, T, C, H, W)`; zeros beyond the frames of a shorter clip
    """

    def forward(self, graph: VideoGraph) -> Tensor:
        graph = graph.padded()
        return remap(graph.frames, graph.grid(graph.need("kernel")))


class ToVector(nn.Module):
    r"""One vector per clip: the sum over nodes, of the last frame (RSTG, the paper) or of the mean over frames [code].

    Frames beyond a clip's ``lengths`` and nodes out of the graph's ``mask`` do not count.

    Args:
        time: ``"last"`` or ``"mean"``.

    Shapes:
        - **graph:** node features :math:`(V, C)`
        - **output:** :math:`(B, C)`
    """

    def __init__(self, time: str = "last") -> None:
        super().__init__()
        check_option("time", time, READOUTS)
        self.time = time

    def forward(self, graph: VideoGraph) -> Tensor:
        return self.scan(graph)[0]

    def scan(self, graph: VideoGraph, state: Running = None) -> tuple[Tensor, Running]:
        """The vector of the frames so far, given the state of the call for the frames before."""
        graph = graph.padded()
        return running_vector(_sum_of_nodes(graph), self.time, state, graph._store.get("lengths"))

    def extra_repr(self) -> str:
        return f"time='{self.time}'"


def _sum_of_nodes(graph: VideoGraph) -> Tensor:
    present = graph.present
    nodes = graph.frames if present is None else graph.frames.masked_fill(~present[..., None], 0.0)
    return nodes.sum(dim=2)  # [B, T, C]


def clip_vector(x: Tensor, time: str, lengths: Tensor | None = None) -> Tensor:
    """The last frame, or the mean over frames, of a sequence in which only ``lengths`` frames count.

    Shapes:
        - **x:** :math:`(B, T, C)`
        - **lengths:** :math:`(B)`
        - **output:** :math:`(B, C)`
    """
    return running_vector(x, time, None, lengths)[0]


def running_vector(
    x: Tensor, time: str, state: Running = None, lengths: Tensor | None = None
) -> tuple[Tensor, Running]:
    """:func:`clip_vector` of a sequence that comes in chunks; the state is the sum and number of frames so far."""
    B, T, _ = x.shape
    if lengths is not None:
        check_lengths(lengths, B, T)
    if time == "last":
        return (x[:, -1] if lengths is None else x[torch.arange(B, device=x.device), lengths.to(x.device) - 1]), None
    if lengths is not None:
        x = x.masked_fill(~frame_mask(lengths, T, device=x.device)[..., None], 0.0)
    total = x.sum(dim=1, dtype=torch.promote_types(x.dtype, torch.float32))  # bfloat16 counts to 256 only
    count = total.new_full((B, 1), T) if lengths is None else lengths.to(total)[:, None]
    if state is not None:
        total, count = total + state[0], count + state[1]
    return (total / count).to(x.dtype), (total, count)
