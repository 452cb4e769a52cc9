"""Agreement of regions with objects, chance levels and the shipped model: the table in docs/regions.md.

Regions that do not depend on the clip, the regions of the trained model, and the boxes of the digits, on test clips of
the small task. About ten seconds on one core.

    python benchmarks/region_agreement.py
"""

import argparse
from collections.abc import Callable

import torch
from torch import Tensor

from pyg_video.checkpoints import SHIPPED_TASK, load_model, shipped_checkpoint
from pyg_video.datasets import SyncClip, SyncMNIST
from pyg_video.functional import grid_boxes
from pyg_video.inspection import find_graphs
from pyg_video.metrics import RegionObjectDistance
from pyg_video.models import create_model
from pyg_video.training.region_agreement import agreement

BATCH = 100
COLUMNS = ("distance", "both ways", "coverage", "iou", "identity", "motion")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=500)
    args = parser.parse_args()
    clips = SyncMNIST(split="test", num_clips=args.clips, seed=0, **SHIPPED_TASK)
    torch.manual_seed(0)
    print(f"| regions | {' | '.join(COLUMNS)} |")
    print("|---" * (1 + len(COLUMNS)) + "|")
    for name, regions in rows().items():
        print(f"| {name} | {' | '.join(f'{value:.3f}' for value in score(regions, clips))} |", flush=True)


def rows() -> dict[str, Callable[[SyncClip], Tensor]]:
    """Functions from clips to regions [B, T, N, 4], by name of the row."""
    trained = load_model(shipped_checkpoint("dyreg_gnn_small"))
    start = create_model(trained.recipe.name, **trained.recipe.options).eval()
    cells = grid_boxes(3, 3)

    def everywhere(box: Tensor) -> Callable[[SyncClip], Tensor]:
        return lambda clip: box.expand(*clip.box.shape[:2], -1, -1)

    def random(clip: SyncClip) -> Tensor:
        B, T = clip.box.shape[:2]
        return torch.cat([torch.rand(B, T, 9, 2), torch.full((B, T, 9, 2), 1 / 3)], dim=-1)

    def of(net: torch.nn.Module) -> Callable[[SyncClip], Tensor]:
        def regions(clip: SyncClip) -> Tensor:
            (graph,) = find_graphs(net, clip.video).values()
            return graph.grid(graph.box) * torch.tensor([1, 1, 0.5, 0.5])  # where the tents are half as high

        return regions

    return {
        "the centre of the frame, a third of its side": everywhere(torch.tensor([[0.5, 0.5, 1 / 3, 1 / 3]])),
        "nine at random, in every frame anew": random,
        "3 x 3 cells": everywhere(cells),
        "DyReg-GNN before training (gain 0.3)": of(start),
        "DyReg-GNN, shipped": of(trained),
        "the digits' own boxes": lambda clip: clip.box,
    }


def score(regions: Callable[[SyncClip], Tensor], clips: SyncMNIST) -> list[float]:
    """The measures, in the order of the columns."""
    metrics, both = agreement(), RegionObjectDistance("both")
    for i in range(0, len(clips), BATCH):
        clip = clips.batch(range(i, min(i + BATCH, len(clips))))
        box = regions(clip)
        metrics.update(box, clip.box)
        both.update(box, clip.box)
    values = metrics.compute() | {"both ways": both.compute()}
    return [float(values[column]) for column in COLUMNS]


if __name__ == "__main__":
    main()
