"""Class probabilities of a video or of a part of it, and the regions that the model used."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..visualization import contact_sheet, draw_boxes

_DRAWN = 224  # pixels at least, of the side of a frame on a contact sheet
_COLUMNS = 8  # of a contact sheet


class VideoPrediction(NamedTuple):
    """What a model made of a video or a part of it.

    Attributes:
        path: the video.
        names: names of the classes.
        start: start of the part in seconds.
        end: its end.
        size: height and width of the frames.
        place: where the square that the model saw lies in the frames, left, top, width and height as fractions of the
            frame; with several views, the middle one.

    Shapes:
        - **probability:** of each class, :math:`(K)`
        - **numbers:** of the frames that the model saw :math:`(T)`, int64
        - **times:** of these frames :math:`(T)`, float64, seconds
        - **frames:** the square in these frames, as the model saw it :math:`(T, 3, H, W)`, uint8
        - **regions:** boxes in this square :math:`(T, N, 4)`, ``cxcywh`` in [0, 1], NaN for missing nodes, by the name
          of the graph in the model; empty for a model without graph
        - **kernels:** weights of the nodes on the square :math:`(T, N, h, w)`, by the name of the graph
    """

    path: Path
    names: tuple[str, ...]
    probability: Tensor
    start: float
    end: float
    numbers: Tensor
    times: Tensor
    frames: Tensor
    regions: dict[str, Tensor]
    kernels: dict[str, Tensor]
    size: tuple[int, int]
    place: tuple[float, float, float, float]

    @property
    def part(self) -> tuple[float, float]:
        """Start and end in seconds."""
        return self.start, self.end

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """The most probable classes and their probabilities, best first."""
        share, label = self.probability.topk(min(k, len(self.probability)))
        return [(self.names[i], float(p)) for i, p in zip(label.tolist(), share, strict=True)]

    def on_frame(self, graph: str) -> Tensor:
        """Regions of a graph as fractions of the whole frames, :math:`(T, N, 4)`, ``cxcywh``; may reach beyond."""
        left, top, width, height = self.place
        return self.regions[graph] * torch.tensor([width, height] * 2) + torch.tensor([left, top, 0, 0])

    def sheet(self) -> Tensor:
        """A contact sheet of the frames as the model saw them, with the regions of each graph; up to eight in a row.

        Shapes:
            - **output:** :math:`(3, h, w)`, uint8
        """
        scale = -(-_DRAWN // min(self.frames.shape[-2:]))
        graphs = self.regions or {"": torch.empty(len(self.frames), 0, 4)}
        best = ", ".join(f"{100 * share:.1f} %  {name}" for name, share in self.top(3))
        rows, captions = list[Tensor](), list[str]()
        for name, box in graphs.items():
            few = draw_boxes(self.frames, box.nan_to_num(), scale=scale).split(_COLUMNS)
            rows += few
            captions += [f"{name}   {best}".strip(), *[""] * (len(few) - 1)]
        return contact_sheet(rows, captions)
