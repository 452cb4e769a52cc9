"""Draw the regions of a row of docs/thermal_flight.md on clips that its nets have not seen.

    python benchmarks/thermal_flight_picture.py --root thermal_flight

benchmarks/thermal_flight.py must have trained the row. Writes docs/images/thermal_flight.jpg, and whole films beside
the runs.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from thermal_flight import rows
from training_runs import ROOT, TrainingRun

from pyg_video.datasets import iter_frames
from pyg_video.evaluation import draw_video, predict_video
from pyg_video.visualization import contact_sheet
from pyg_video.visualization.pictures import to_image

CLIPS = ("IR_DRONE_056", "IR_AIRPLANE_024", "IR_BIRD_010")
FRAMES = (60, 110, 160)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder of thermal_flight")
    parser.add_argument("--model", choices=rows(), default="tracks")
    parser.add_argument("--clips", nargs="+", default=CLIPS, help="names, without .mp4")
    parser.add_argument("--frames", type=int, nargs="+", default=FRAMES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "thermal_flight", help="of the runs")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "images" / "thermal_flight.jpg")
    args = parser.parse_args(argv)
    with (args.root / "clips.csv").open(newline="") as file:
        folds = {clip["clip"]: clip["place_fold"] for clip in csv.DictReader(file)}
    pictures = []
    for clip in args.clips:
        trained = TrainingRun([], args.folder / f"{args.model}_{folds[clip]}_{args.seed}").trained()
        film = args.folder / f"{clip}_regions.mp4"
        draw_video(predict_video(trained, args.root / "videos" / f"{clip}.mp4", views=1), film)
        pictures.append(torch.stack([frame for number, frame in iter_frames(film) if number in args.frames]))
    to_image(contact_sheet(pictures)).save(args.output, quality=85)
    print(f"wrote {args.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
