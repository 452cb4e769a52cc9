"""Train, test and record one row of a table of the papers.

    make reproduce TABLE=sync_mnist MODEL=rstg_all_temp SCALE=small DIGITS=5 SEED=0

The configuration is that of the row, `examples/configs/TABLE_MODEL.yaml`, merged with that of the table at the scale,
`reproduce/TABLE_DIGITS_SCALE.yaml`, and with what the row needs at this scale, `reproduce/SCALE/TABLE_MODEL.yaml`, if
there is such a file. At the small and the half scale, the first stages learn from still frames before, once for all
rows of a seed.
A stopped run goes on where it was: the same command finds its last checkpoint. At the end, the checkpoint with the best
validation accuracy is tested, and `benchmarks/results/reproduction/` gets a file with the accuracy, the curves, videos
and seconds of training, machine, versions and commit.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from measuring import environment, write
from training_runs import CONFIGS, ROOT, TrainingRun, commit

from pyg_video.backbones import split_backbone
from pyg_video.checkpoints import save_model
from pyg_video.datasets import DigitClips, MultiSyncMNIST, SyncMNIST
from pyg_video.evaluation import DigitSource, evaluate
from pyg_video.models import create_model
from pyg_video.training import fit_stills, load_trained

RESULTS = ROOT / "benchmarks" / "results" / "reproduction"
TABLES: dict[str, type[DigitClips]] = {"sync_mnist": SyncMNIST, "multi_sync_mnist": MultiSyncMNIST}
SCALES = ("paper", "half", "small")
STILLS = {"small": 128_000, "half": 640_000}  # still frames that the frozen stages learn from
RADIUS = {"sync_mnist": 3.0, "multi_sync_mnist": 2.0}  # of the tents that these learn to draw, in pixels of the map


class Run(TrainingRun):
    """A row at a scale with a seed: its configuration, its folder, and what is in it.

    Args:
        table: ``"sync_mnist"`` or ``"multi_sync_mnist"``.
        model: the row.
        scale: ``"paper"``, ``"half"`` or ``"small"``.
        digits: digits per clip.
        seed: of weights and clips.
        folder: for checkpoints and logs.
    """

    def __init__(self, table: str, model: str, scale: str, digits: int, seed: int, folder: Path) -> None:
        self.table, self.model, self.scale, self.seed, self.digits = table, model, scale, seed, digits
        task = f"{table}_{digits}_{scale}"
        self.name = f"{task}_{model}_{seed}"
        change = CONFIGS / "reproduce" / scale / f"{table}_{model}.yaml"
        files = [CONFIGS / f"{table}_{model}.yaml", CONFIGS / "reproduce" / f"{task}.yaml"]
        super().__init__([*files, change] if change.is_file() else files, folder / self.name)
        self.stills: Path | None = None
        if "freeze_to" in self.config["model"]:
            # By what they learn from, so that a changed configuration does not take those of before.
            lesson = json.dumps([self.options, self.sizes, RADIUS[table], STILLS[scale]], sort_keys=True)
            digest = hashlib.sha256(lesson.encode()).hexdigest()[:8]
            self.stills = folder / f"{task}_stills_{seed}_{digest}.safetensors"

    @property
    def sizes(self) -> dict[str, Any]:
        """Channels and strides of the frozen stages, which the rows share, and of the next one."""
        model = self.config["model"]
        frozen = int(model["freeze_to"].removeprefix("stage"))
        return {name: model["model_options"][name][: frozen + 1] for name in ("channels", "strides")}

    @property
    def options(self) -> dict[str, Any]:
        """Options of the data set, as in the test."""
        data = self.config["data"]["init_args"]
        own = ("batch_size", "num_train", "num_val", "num_test", "num_workers", "seed", "curriculum")
        return {name: value for name, value in data.items() if name not in own}

    def clips(self, **options: Any) -> DigitClips:
        return TABLES[self.table](**self.options | options)


def learn_stills(run: Run) -> None:
    """Train the first stages on still frames and save them, unless another row has done so with this seed."""
    if run.stills is None or run.stills.is_file():
        return
    torch.manual_seed(run.seed)
    model = create_model("cnn_sync_mnist", frame_size=run.options["frame_size"], **run.sizes)
    net, _ = split_backbone(model.backbone, run.config["model"]["freeze_to"])
    stills = run.clips(num_frames=1, num_clips=None, seed=run.seed)
    count = STILLS[run.scale]
    for seen, loss in fit_stills(net, stills, num_frames=count, radius=RADIUS[run.table], every=count // 8):
        print(f"{seen:>10,d} still frames, squared error {loss:.5f}", flush=True)
    save_model(model, run.stills)


def train(run: Run) -> int:
    """The command ``pyg-video fit`` with the run's configuration, from its last checkpoint on if it has one.

    Returns:
        Its exit code: another than 0 if it was stopped.
    """
    options = {"seed_everything": run.seed, "data.seed": run.seed}
    if run.stills is not None:
        options["model.backbone_from"] = run.stills
    return run.fit(options)


def record(run: Run, trajectories: Path | None) -> Path:
    """Test the best checkpoint so far and write down what is known of the run."""
    model = load_trained(run.best()).model
    data = run.config["data"]["init_args"]
    digits = data.get("digits", "bundled")
    if trajectories is None:
        clips, origin = run.clips(split="test", num_clips=data["num_test"], seed=0), "generated, seed 0"
    else:
        clips, origin = SyncMNIST.from_trajectories(trajectories, digits=digits), trajectories.name
    score = evaluate(model, DigitSource(clips, origin, str(digits)), progress=True).top1
    points = run.curve(data["num_train"])
    row = {
        "table": run.table,
        "digits": run.digits,
        "model": run.model,
        "scale": run.scale,
        "seed": run.seed,
        "accuracy": score.share,
        "standard_error": score.standard_error,
        "clips": score.clips,
        "trajectories": origin,
        "parameters": sum(p.numel() for p in model.parameters()),
        "videos": points[-1]["videos"],
        "of_videos": data["num_train"] * run.config["trainer"]["max_epochs"],
        "seconds": round(run.seconds()),
        "commit": commit(),
        "environment": environment(),
        "curve": points,
    }
    path = RESULTS / f"{run.name}.json"
    write(path, row)
    return path


def rows(table: str) -> list[str]:
    """Names of the rows of a table."""
    return sorted(path.stem.removeprefix(f"{table}_") for path in CONFIGS.glob(f"{table}_*.yaml"))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", choices=TABLES, required=True)
    parser.add_argument("--model", required=True, help="a row of the table, such as rstg_all_temp")
    parser.add_argument("--scale", choices=SCALES, default="small")
    parser.add_argument("--digits", type=int, choices=(3, 5), default=5, help="digits per clip")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "reproduce", help="for checkpoints and logs")
    parser.add_argument("--trajectories", type=Path, help="file of the authors' test trajectories, for sync_mnist")
    parser.add_argument("--record", action="store_true", help="no training: record what a stopped run has reached")
    args = parser.parse_args(argv)
    if args.model not in rows(args.table):
        parser.error(f"Expected a model of {args.table}, one of {', '.join(rows(args.table))} (got {args.model})")
    run = Run(args.table, args.model, args.scale, args.digits, args.seed, args.folder)
    if not args.record:
        learn_stills(run)
        if code := train(run):
            return code
    print(f"wrote {record(run, args.trajectories)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
