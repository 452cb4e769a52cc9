"""Train and test one row of the table of docs/thermal_flight.md on folds of thermal_flight.

    python benchmarks/thermal_flight.py --root thermal_flight --model dyreg --folds 0 1 2 3 4

The configuration is ``examples/configs/base_thermal_flight.yaml`` merged with that of the row,
``examples/configs/thermal_flight_MODEL.yaml``. Folds are the place folds of the data set: no place is in two of them. A
fold is tested by the net that the others have trained, as it is after the last epoch, so no checkpoint is chosen by it.
The videos are decoded once, to small frames in the folder ``cache``. A stopped run goes on where it was, and
``benchmarks/results/thermal_flight/MODEL_FOLD_SEED.json`` gets the prediction of every test clip with its place, the
curves, seconds, machine, versions and commit.
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
FOLDS = range(5)


def write_lists(root: Path, folder: Path) -> dict[str, str]:
    """Write ``fold_K.csv``, the list of videos for fold K, which is named its validation split, for every K.

    Args:
        root: folder of the data set.
        folder: of the lists.

    Returns:
        The place of every clip, by the clip's name.
    """
    with (root / "clips.csv").open(newline="") as file:
        clips = list(csv.DictReader(file))
    videos = os.path.relpath(root / "videos", folder)
    for fold in FOLDS:
        lines = ["path,label,group,split"]
        for clip in clips:
            split = "val" if int(clip["place_fold"]) == fold else "train"
            lines.append(f"{videos}/{clip['clip']}.mp4,{clip['class']},place {clip['place_group']},{split}")
        write_whole(folder / f"fold_{fold}.csv", "\n".join(lines) + "\n")
    return {clip["clip"]: clip["place_group"] for clip in clips}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder of thermal_flight")
    parser.add_argument(
        "--model", choices=rows(), help="a row of the table; without it, the lists of videos are written"
    )
    parser.add_argument("--folds", type=int, nargs="+", choices=FOLDS, default=FOLDS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "thermal_flight", help="for all that is written")
    args = parser.parse_args(argv)
    places = write_lists(args.root, args.folder)
    if args.model is None:
        print(f"wrote {args.folder}/fold_0.csv to fold_{FOLDS[-1]}.csv")
        return 0
    files = [CONFIGS / "base_thermal_flight.yaml", CONFIGS / f"{PREFIX}{args.model}.yaml"]
    for fold in args.folds:
        name = f"{args.model}_{fold}_{args.seed}"
        run = TrainingRun(files, args.folder / name)
        data = {
            "root": args.folder / f"fold_{fold}.csv",
            "boxes": args.root / "boxes.npz",
            "cache": args.folder / "cache",
            "seed": args.seed,
        }
        if code := run.fit({"seed_everything": args.seed, **{f"data.{key}": value for key, value in data.items()}}):
            return code
        print(f"wrote {record(run, name, places)}")
    return 0


def record(run: TrainingRun, name: str, places: dict[str, str]) -> Path:
    """Test the last checkpoint and write down what is known of the run."""
    model = load_trained(run.trained()).model
    clips = configured_clips(str(run.versions()[-1] / "config.yaml"))
    assert isinstance(clips, VideoSource)
    found = evaluate(model, clips, progress=True)
    clip_names = [Path(id_).stem for id_ in found.ids]
    answers = zip(clip_names, found.answers.target.tolist(), found.answers.label.tolist(), strict=True)
    row, fold, seed = name.rsplit("_", 2)
    path = RESULTS / f"{name}.json"
    write(
        path,
        {
            "model": row,
            "fold": int(fold),
            "seed": int(seed),
            "classes": list(clips.label_names),
            "clips": [[clip, places[clip], target, label] for clip, target, label in answers],
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
