"""Pictures of the demo: learning curves, and regions before and after the training."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..datasets import SyncClip
from ..inspection import find_graphs
from ..models import VideoClassifier
from ..visualization import contact_sheet, draw_boxes, plot_curves, save_gif, save_png

_GREY = 40


def draw_learning(path: Path, seen: Sequence[int], accuracy: Mapping[str, Sequence[float]], chance: float) -> Path:
    """The models' accuracies over the number of videos seen, from chance at the start."""
    curves = {name: ([0, *seen], [chance, *shares]) for name, shares in accuracy.items()}
    return plot_curves(curves, path, lines={"chance": chance})


def draw_regions(
    output: Path, before: VideoClassifier, after: VideoClassifier, batch: SyncClip, label_names: Sequence[str]
) -> list[Path]:
    """The same clips with a model's regions before and after its training, as a picture and as an animation."""
    rows, captions = [], []
    for when, model in (("before training", before), ("after training", after)):
        with torch.inference_mode():
            said = [label_names[label] for label in model(batch.video).argmax(-1).tolist()]
        rows.append(
            [draw_boxes(v, box, scale=3) for v, box in zip(batch.video, _regions(model, batch.video), strict=True)]
        )
        truth = [label_names[label] for label in batch.label.tolist()]
        captions.append([f"{when}, says: {a}   (truth: {b})" for a, b in zip(said, truth, strict=True)])
    paired = [row for clip in zip(*rows, strict=True) for row in clip]  # a clip's two rows, then the next clip's
    lines = [line for clip in zip(*captions, strict=True) for line in clip]
    moving = torch.cat([torch.cat([pad(clip, (3, 3, 3, 3), value=_GREY) for clip in row], dim=-1) for row in rows], -2)
    return [
        save_png(output / "regions.png", contact_sheet(paired, lines)),
        save_gif(output / "regions.gif", moving, fps=4),
    ]


def _regions(model: VideoClassifier, video: Tensor) -> Tensor:
    """Boxes where the tents have fallen to half their height, ``[B, T, N, 4]``."""
    (graph,) = find_graphs(model, video).values()
    return graph.grid(graph.need("box")).detach() * torch.tensor([1, 1, 0.5, 0.5])
