"""Draw the kernels of trained MultiSyncMNIST rows on the same three frames, as figure 2 of DyReg-GNN's paper does.

    python benchmarks/region_pictures.py

The rows must have been trained by make reproduce. Writes docs/images/kernels.png.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from reproduce import ROOT, Run
from reproduction import MULTI_SYNC_MNIST

from pyg_video.inspection import capture_graphs
from pyg_video.training import load_trained
from pyg_video.visualization import contact_sheet, draw_kernels, save_png

ROWS = ("static", "constant_time", "semantic", "dyreg", "salient", "tracks")
FRAMES = slice(3, 6)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", default=ROWS, choices=MULTI_SYNC_MNIST)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clip", type=int, default=0, help="number of the test clip")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "reproduce", help="of make reproduce")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "images" / "kernels.png")
    args = parser.parse_args(argv)
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
    print(f"wrote {save_png(args.output, sheet)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
