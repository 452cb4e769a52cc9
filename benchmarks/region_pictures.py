"""Draw the kernels of trained MultiSyncMNIST rows on the same three frames, as figure 2 of DyReg-GNN's paper does.

    python benchmarks/region_pictures.py

The rows must have been trained by make reproduce. Writes docs/images/kernels.png, and docs/images/tracks.png: the
regions of the shipped model whose regions follow the digits. "--rows" without a row draws only that.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from reproduce import ROOT, Run
from reproduction import MULTI_SYNC_MNIST
from torch import Tensor

from pyg_video.checkpoints import load_model
from pyg_video.inspection import capture_graphs, find_graphs
from pyg_video.training import load_trained
from pyg_video.visualization import contact_sheet, draw_kernels, draw_regions, save_png
from pyg_video.visualization.pictures import enlarge

ROWS = ("static", "constant_time", "semantic", "dyreg", "salient", "tracks")
FRAMES = slice(3, 6)
TRACKED = 3  # number of the test clip whose tracks are drawn


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="*", default=ROWS, choices=MULTI_SYNC_MNIST)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clip", type=int, default=0, help="number of the test clip")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "reproduce", help="of make reproduce")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "images", help="folder")
    args = parser.parse_args(argv)
    print(f"wrote {save_png(args.output / 'tracks.png', tracks())}")
    if not args.rows:
        return 0
    pictures = []
    for row in args.rows:
        run = Run("multi_sync_mnist", row, "small", 5, args.seed, args.folder)
        video = run.clips(split="test", seed=0, num_clips=args.clip + 1).batch([args.clip]).video
        model = load_trained(run.best()).model
        with torch.no_grad(), capture_graphs(model) as graphs:
            model(video)
        graph = list(graphs.values())[-1]
        pictures.append(draw_kernels(video[0, FRAMES], graph.grid(graph.need("kernel"))[0, FRAMES], scale=3))
    sheet = contact_sheet(pictures, [MULTI_SYNC_MNIST[row][0].split(" (")[0] for row in args.rows])
    print(f"wrote {save_png(args.output / 'kernels.png', sheet)}")
    return 0


def tracks() -> Tensor:
    """The regions of ``tracks_small`` on a test clip, each with the way it came since the frame before."""
    video = Run("multi_sync_mnist", "tracks", "small", 5, 0, Path()).clips(split="test", seed=0)[TRACKED].video
    (graph,) = find_graphs(load_model("tracks_small"), video[None]).values()
    present = graph.grid(graph.mask)[0, ..., None]
    box, frames = graph.grid(graph.box)[0].where(present, torch.nan), enlarge(video, 3)
    drawn = [draw_regions(frame, box[t], path=box[max(t - 1, 0) : t + 1, :, :2]) for t, frame in enumerate(frames)]
    half = len(drawn) // 2
    return contact_sheet([torch.stack(drawn[:half]), torch.stack(drawn[half:])])


if __name__ == "__main__":
    sys.exit(main())
