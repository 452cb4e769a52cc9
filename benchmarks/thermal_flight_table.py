"""The table of docs/thermal_flight.md, from the runs in benchmarks/results/thermal_flight."""

import json
import random
from collections.abc import Iterable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from reproduction import as_table, where

FOLDER = Path(__file__).parent / "results" / "thermal_flight"
ROWS = {
    "mean": "mean over pixels and frames",
    "cnn_lstm": "mean over pixels, LSTM over frames",
    "fixed": "Fixed",
    "static": "Static",
    "dyreg": "DyReg-GNN",
    "tracks": "salient points, tracked, with motion",
    "rstg": "RSTG Positional All-temp",
    "boxes": "boxes given (`BoxGraph`)",
}
Answer = tuple[str, int, int]  # place, true class, predicted class


def balanced_accuracy(answers: Iterable[Answer]) -> float:
    """Mean of the classes' recalls, over the classes that occur."""
    found: dict[int, list[bool]] = {}
    for _, target, label in answers:
        found.setdefault(target, []).append(target == label)
    return mean(map(mean, found.values()))


def bootstrap(answers: list[Answer], rounds: int = 1000) -> float:
    """Standard deviation of the balanced accuracy over samples of places, drawn with replacement; seeded."""
    by_place: dict[str, list[Answer]] = {}
    for answer in answers:
        by_place.setdefault(answer[0], []).append(answer)
    generator, places = random.Random(0), list(by_place)
    samples = (generator.choices(places, k=len(places)) for _ in range(rounds))
    return stdev(balanced_accuracy(answer for place in sample for answer in by_place[place]) for sample in samples)


def runs() -> dict[str, list[dict[str, Any]]]:
    """The recorded folds of every row, with one seed."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(FOLDER.glob("*_0.json")):
        run = json.loads(path.read_text())
        found.setdefault(run["model"], []).append(run)
    return found


def thermal_flight() -> str:
    """Pooled over the folds: accuracy, and the distance of objects from regions at both ends of the training."""
    head = [
        "row",
        "balanced accuracy, %",
        "accuracy in training, %",
        "distance after the first epoch",
        "after the last",
        "overlap after the last",
        "parameters",
        "minutes per fold",
    ]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    lines.append(["majority class", "25.0", *["-"] * (len(head) - 2)])
    found = runs()
    for row, title in ROWS.items():
        folds = found.get(row, [])
        if len(folds) < 5:
            lines.append([title, f"{len(folds)} of 5 folds", *["-"] * (len(head) - 2)])
            continue
        answers = [(place, target, label) for run in folds for _, place, target, label in run["clips"]]
        cells = [title, f"{100 * balanced_accuracy(answers):.1f} ± {100 * bootstrap(answers):.1f}"]
        cells.append(f"{100 * mean(run['curve'][-1]['train/acc'] for run in folds):.0f}")
        for key, end in (("val/region_distance", 0), ("val/region_distance", -1), ("val/region_iou", -1)):
            values = [run["curve"][end][key] for run in folds if key in run["curve"][end]]
            cells.append(f"{mean(values):.3f}" if values else "-")
        cells += [f"{folds[0]['parameters']:,}", f"{min(run['seconds'] for run in folds) / 60:.0f}"]
        lines.append(cells)
    return f"{where(found.values())}\n\n{as_table(lines)}"
