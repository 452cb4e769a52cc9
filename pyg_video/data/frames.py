"""Which frame every row of a flat tensor is in, and whether edges stay in theirs."""

from typing import NamedTuple

import torch
from torch import Tensor

from .._checks import looks_free
from ..functional import between_frames


class Frames(NamedTuple):
    """The frame of every row of a flat tensor of nodes or edges, as the norms of a graph take it.

    Attributes:
        num_clips: clips :math:`B`.
        num_frames: frames per clip :math:`T`.
        frame: frame of every row, counted over all clips, :math:`(R)`; ``None`` where rows lie frame by frame, equally
            many in each.

    Example:
        >>> frames = Frames(num_clips=1, num_frames=2)
        >>> frames.index_of(4)
        tensor([0, 0, 1, 1])
        >>> frames.at(torch.tensor([3, 0]), num_rows=4).frame  # of two edges, by the node that receives
        tensor([1, 0])
    """

    num_clips: int
    num_frames: int
    frame: Tensor | None = None

    @classmethod
    def of_grid(cls, x: Tensor) -> "Frames":
        """The frames of a grid :math:`(B, T, N, C)`, or of :math:`(*, N, C)`, whose leading indices are frames."""
        if x.dim() == 4:
            return cls(x.size(0), x.size(1))
        return cls(x.shape[:-2].numel(), 1)

    @property
    def total(self) -> int:
        """Frames of all clips together, :math:`B \\cdot T`."""
        return self.num_clips * self.num_frames

    def index_of(self, num_rows: int, device: torch.device | None = None) -> Tensor:
        """The frame of each of ``num_rows`` rows, :math:`(R)`."""
        if self.frame is not None:
            return self.frame
        return torch.arange(self.total, device=device).repeat_interleave(num_rows // self.total)

    def at(self, rows: Tensor, num_rows: int) -> "Frames":
        """The frames of some of ``num_rows`` rows, given by number, repeated or not, or by a mask."""
        return self._replace(frame=self.index_of(num_rows, rows.device)[rows])

    def per_clip(self) -> "Frames":
        """The same rows with every clip taken as one frame."""
        return Frames(self.num_clips, 1, None if self.frame is None else self.frame // self.num_frames)


def check_within_frames(edge_index: Tensor, num_nodes: int) -> None:
    """Raise a :exc:`ValueError` if edges join nodes of different frames."""
    if looks_free(edge_index) and bool(between_frames(edge_index, num_nodes).any()):
        raise ValueError(
            "Expected edges within frames (got some between nodes of different frames); use SpaceTimeConv, or a graph "
            "from before connect_in_time"
        )
