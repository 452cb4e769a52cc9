"""Train and test one row of the table of docs/thermal_flight.md on folds of thermal_flight.

    python benchmarks/thermal_flight.py --root thermal_flight --model dyreg --folds 0 1 2 3 4

The configuration is ``examples/configs/base_thermal_flight.yaml`` merged with that of the row,
``examples/configs/thermal_flight_MODEL.yaml``. Folds are the place folds of the data set: no place is in two of them.
The videos are decoded once, to small frames in the folder ``cache``. A stopped run goes on where it was. The checkpoint
with the best validation accuracy is tested, and ``benchmarks/results/thermal_flight/MODEL_FOLD_SEED.json`` gets the
prediction of every test clip with its place, the curves, seconds, machine, versions and commit.
"""

import argparse
import csv
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from measuring import environment, write
from training_runs import CONFIGS, ROOT, TrainingRun, commit

from pyg_video._files import write_whole
from pyg_video.evaluation import VideoSource, configured_clips, evaluate
from pyg_video.training import load_trained

RESULTS = ROOT / "benchmarks" / "results" / "thermal_flight"
PREFIX = "thermal_flight_"


def write_list(root: Path, path: Path) -> dict[str, str]:
    """Write the list of videos that :class:`~pyg_video.datasets.VideoFolder` reads.

    Args:
        root: folder of the data set.
        path: file to write.

    Returns:
        The place of every clip, by the clip's name.
    """
    with (root / "clips.csv").open(newline="") as file:
        clips = list(csv.DictReader(file))
    videos = os.path.relpath(root / "videos", path.parent)
    lines = ["path,label,group,fold"]
    lines += [f"{videos}/{c['clip']}.mp4,{c['class']},place {c['place_group']},{c['place_fold']}" for c in clips]
    write_whole(path, "\n".join(lines) + "\n")
    return {clip["clip"]: clip["place_group"] for clip in clips}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder of thermal_flight")
    parser.add_argument("--model", choices=rows(), help="a row of the table; without it, the list of videos is written")
    parser.add_argument("--folds", type=int, nargs="+", choices=range(5), default=range(5))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "thermal_flight", help="for all that is written")
    args = parser.parse_args(argv)
    videos = args.folder / "thermal_flight.csv"
    places = write_list(args.root, videos)
    if args.model is None:
        print(f"wrote {videos}")
        return 0
    files = [CONFIGS / "base_thermal_flight.yaml", CONFIGS / f"{PREFIX}{args.model}.yaml"]
    for fold in args.folds:
        name = f"{args.model}_{fold}_{args.seed}"
        run = TrainingRun(files, args.folder / name)
        data = {"root": videos, "boxes": args.root / "boxes.npz", "cache": args.folder / "cache", "fold": fold}
        options = {f"data.{key}": value for key, value in data.items()}
        if code := run.fit({"seed_everything": args.seed, "data.seed": args.seed, **options}):
            return code
        print(f"wrote {record(run, name, places)}")
    return 0


def record(run: TrainingRun, name: str, places: dict[str, str]) -> Path:
    """Test the best checkpoint so far and write down what is known of the run."""
    model = load_trained(run.best()).model
    clips = configured_clips(str(run.versions()[-1] / "config.yaml"))
    assert isinstance(clips, VideoSource)
    found = evaluate(model, clips, progress=True)
    answers = zip(found.ids, found.answers.target.tolist(), found.answers.label.tolist(), strict=True)
    row, fold, seed = name.rsplit("_", 2)
    path = RESULTS / f"{name}.json"
    write(
        path,
        {
            "model": row,
            "fold": int(fold),
            "seed": int(seed),
            "classes": list(clips.label_names),
            "clips": [[id_, places[Path(id_).stem], target, label] for id_, target, label in answers],
            "parameters": sum(p.numel() for p in model.parameters()),
            "seconds": round(run.seconds()),
            "commit": commit(),
            "environment": environment(),
            "curve": run.curve(clips.data.num_train),
        },
    )
    return path


def rows() -> list[str]:
    """Names of the rows of the table."""
    return sorted(path.stem.removeprefix(PREFIX) for path in CONFIGS.glob(f"{PREFIX}*.yaml"))


if __name__ == "__main__":
    sys.exit(main())
