"""Trainings of a configuration by ``pyg-video fit``: stopped and gone on with, and what they have logged."""

import csv
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from pyg_video._config import merged_config
from pyg_video.cli.fit import run as pyg_video

ROOT = Path(__file__).parent.parent
CONFIGS = ROOT / "examples" / "configs"


class TrainingRun:
    """A training, which is in parts if it was stopped.

    Args:
        files: its configurations, merged in order; the last one has a timer among the callbacks.
        folder: for checkpoints and logs.
    """

    def __init__(self, files: Sequence[Path], folder: Path) -> None:
        self.files, self.folder, self.config = list(files), folder, merged_config(files)

    def versions(self) -> list[Path]:
        """Folders of the run's parts, in order."""
        return sorted(self.folder.glob("version_*"), key=lambda path: int(path.name.removeprefix("version_")))

    def last(self) -> Path | None:
        """The checkpoint to go on from."""
        found = [path for version in self.versions() if (path := version / "checkpoints" / "last.ckpt").is_file()]
        return found[-1] if found else None

    def trained(self) -> Path:
        """The last checkpoint; raises a :exc:`FileNotFoundError` if there is none."""
        last = self.last()
        if last is None:
            raise FileNotFoundError(f"Expected a checkpoint in {self.folder} (got none); let an epoch end")
        return last

    def callbacks(self) -> list[dict[str, Any]]:
        """States of the callbacks at the last checkpoint."""
        return list(torch.load(self.trained(), weights_only=True, map_location="cpu")["callbacks"].values())

    def best(self) -> Path:
        """The checkpoint with the best validation accuracy so far."""
        best = next(state["best_model_path"] for state in self.callbacks() if state.get("monitor") == "val/acc")
        return self.folder.joinpath(*Path(best).parts[-3:])  # version/checkpoints/file, wherever the folder was then

    def seconds(self) -> float:
        """Time spent in training, validation left out."""
        return next(state["time_elapsed"]["train"] for state in self.callbacks() if "time_elapsed" in state)

    def fit(self, options: Mapping[str, object]) -> int:
        """The command ``pyg-video fit`` with the configuration and options, from the last checkpoint if there is one.

        Returns:
            Its exit code: another than 0 if it was stopped.
        """
        options = {"trainer.default_root_dir": self.folder, **options}
        if (last := self.last()) is not None:
            options["ckpt_path"] = last
        configs = (f"--config={file}" for file in self.files)
        return pyg_video(["fit", *configs, *(f"--{key}={value}" for key, value in options.items())])

    def curve(self, num_train: int) -> list[dict[str, float]]:
        """What was logged after every epoch of ``num_train`` videos."""
        epochs: dict[int, dict[str, float]] = {}
        for version in self.versions():
            if (table := version / "metrics.csv").is_file():
                for row in csv.DictReader(table.read_text().splitlines()):
                    epochs.setdefault(int(row["epoch"]), {}).update({k: float(v) for k, v in row.items() if v})
        kept = ("train/acc", "train/loss", "val/acc", "val/loss")
        return [
            {"videos": (epoch + 1) * num_train}
            | {key: round(value, 5) for key, value in row.items() if key in kept or key.startswith("val/region")}
            for epoch, row in sorted(epochs.items())
            if "val/acc" in row
        ]


def commit() -> str:
    """The commit that is checked out, with a plus sign if files differ from it."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=False)
    return head.stdout.strip() + "+" * bool(changed.stdout.strip())
