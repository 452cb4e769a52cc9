"""From the graph to a map or a vector."""

import torch
from torch import Tensor, nn

from ..data import VideoGraph
from ..functional import remap


class ToMap(nn.Module):
    r"""Send every node back to its own region, :math:`Y_p = \sum_n A_{np} v_n` (RSTG-to-map; DyReg-GNN, eq. 10).

    Shapes:
        - **graph:** node features :math:`(V, C)` and ``kernel`` :math:`(V, H, W)`
        - **output:** :math:`(B, T, C, H, W)`
    """

    def forward(self, graph: VideoGraph) -> Tensor:
        return remap(graph.frames, graph.grid(graph.kernel))


class ToVector(nn.Module):
    r"""One vector a clip: the sum over nodes, of the last frame (RSTG, the paper) or of the mean over frames [code].

    Frames beyond a clip's ``lengths``, where the graph has them, do not count.

    Args:
        time: ``"last"`` or ``"mean"``.

    Shapes:
        - **graph:** node features :math:`(V, C)`
        - **output:** :math:`(B, C)`
    """

    def __init__(self, time: str = "last") -> None:
        super().__init__()
        if time not in ("last", "mean"):
            raise ValueError(f"Expected 'time' to be 'last' or 'mean' (got {time!r})")
        self.time = time

    def forward(self, graph: VideoGraph) -> Tensor:
        return clip_vector(graph.frames.sum(dim=2), self.time, graph._store.get("lengths"))

    def extra_repr(self) -> str:
        return f"time='{self.time}'"


def clip_vector(x: Tensor, time: str, lengths: Tensor | None = None) -> Tensor:
    """The last frame, or the mean over frames, of a sequence in which only ``lengths`` frames count.

    Shapes:
        - **x:** :math:`(B, T, C)`
        - **lengths:** :math:`(B)`
        - **output:** :math:`(B, C)`
    """
    if lengths is None:
        return x[:, -1] if time == "last" else x.mean(dim=1)
    index = lengths.to(x.device)[:, None]
    if time == "last":
        return x.take_along_dim((index - 1)[..., None], dim=1)[:, 0]
    counts = torch.arange(x.size(1), device=x.device) < index  # [B, T]
    return (x * counts[..., None]).sum(dim=1) / index
