"""Tables and curves of docs/reproduction.md, from the runs in benchmarks/results/reproduction."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from pictures import pyplot, save_picture

Results = dict[str, Any]
FOLDER = Path(__file__).parent / "results" / "reproduction"

SYNC_MNIST: dict[str, tuple[str, dict[int, float]]] = {
    "mean_lstm": ("Mean+LSTM", {3: 77.0}),
    "conv_lstm": ("Conv+LSTM", {3: 95.0, 5: 39.7}),
    "i3d": ("I3D", {5: 90.6}),
    "non_local": ("Non-Local", {5: 93.5}),
    "rstg_space_only": ("RSTG Space-Only", {3: 61.3}),
    "rstg_time_only": ("RSTG Time-Only", {3: 89.7}),
    "rstg_homogeneous": ("RSTG Homogeneous", {3: 95.7, 5: 58.3}),
    "rstg_one_temp": ("RSTG 1-temp-stage", {3: 97.0, 5: 74.1}),
    "rstg_all_temp": ("RSTG All-temp-stages", {3: 98.9, 5: 94.5}),
    "rstg_positional_all_temp": ("RSTG Positional All-temp", {5: 97.2}),
    "rstg_residual": ("RSTG All-temp, residual updates (not in the paper)", {}),
}
MULTI_SYNC_MNIST: dict[str, tuple[str, dict[int, float]]] = {
    "no_graph": ("no graph", {5: 52.29}),
    "fixed": ("Fixed", {5: 78.85}),
    "static": ("Static", {5: 81.48}),
    "semantic": ("Semantic", {5: 82.41}),
    "constant_time": ("Constant-Time", {5: 86.77}),
    "dyreg_lite": ("DyReg-GNN-Lite", {5: 91.43}),
    "position_only": ("Position-Only", {5: 93.41}),
    "dyreg": ("DyReg-GNN", {5: 95.09}),
    "salient": ("DyReg-GNN, salient anchors (not in the paper)", {}),
    "tracks": ("salient points, tracked, with motion (not in the paper)", {}),
    "boxes": ("the digits' exact boxes (not in the paper)", {}),
    "boxes_motion": ("the digits' exact boxes, with motion (not in the paper)", {}),
}
"""Rows in the papers' order: title, and accuracy in the paper by number of digits."""

LABELS = {
    "val/acc": "validation accuracy",
    "val/region_distance": "distance of digits, fractions of the frame",
}


def runs(table: str, digits: int, scale: str) -> dict[str, list[Results]]:
    """The recorded runs of every row, by seed."""
    found: dict[str, list[Results]] = {}
    for path in sorted(FOLDER.glob(f"{table}_{digits}_{scale}_*.json")):
        run = json.loads(path.read_text())
        found.setdefault(run["model"], []).append(run)
    return found


def accuracy(of_row: list[Results]) -> str:
    """Mean and standard error over seeds, and their number; of one seed, the standard error over clips."""
    values = [100 * run["accuracy"] for run in of_row]
    error = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 100 * of_row[0]["standard_error"]
    seeds = f"{len(values)} seed{'s' * (len(values) > 1)}"
    early = {run["videos"] for run in of_row if run["videos"] < run["of_videos"]}
    return (
        f"{mean(values):.1f} ± {error:.1f} ({seeds}{''.join(f', stopped after {n:,} videos' for n in sorted(early))})"
    )


def where(of_rows: Iterable[list[Results]]) -> str:
    """When, by which commits, with which versions and on what the runs were made."""
    found = [run for of_row in of_rows for run in of_row]
    if not found:
        return "No run yet."
    kept = [run["environment"] for run in found]
    dates = sorted({e["date"] for e in kept})
    machines = sorted({_cores(e) if e["device"] == "cpu" else e["device"] for e in kept})
    versions = sorted({f"torch {e['torch']}, PyG {e['torch_geometric']}" for e in kept})
    commits = sorted({run["commit"] for run in found})
    period = " to ".join(dict.fromkeys((dates[0], dates[-1])))
    return f"{period}; {'; '.join(versions)}; {'; '.join(machines)}; commits {', '.join(commits)}."


def _cores(environment: Results) -> str:
    number = environment["cores"]
    return f"{number} core{'s' * (number > 1)} of an {environment['cpu']}"


def table(name: str, titles: dict[str, tuple[str, dict[int, float]]], scale: str) -> str:
    """The papers' accuracies beside ours at a scale."""
    digits = sorted({number for _, paper in titles.values() for number in paper})
    ours = {number: runs(name, number, scale) for number in digits}
    head = ["row"]
    for number in digits:
        head += [f"paper, {number} digits", f"ours, {number} digits"]
    lines = [[*head, "parameters", "minutes"], ["---", *["---:"] * (2 * len(digits) + 2)]]
    for row, (title, paper) in titles.items():
        cells = [title]
        for number in digits:
            cells += [str(paper.get(number, "-")), accuracy(ours[number][row]) if row in ours[number] else "-"]
        done = [run for number in digits for run in ours[number].get(row, [])]
        minutes = mean(run["seconds"] for run in done) / 60 if done else 0
        cells += [f"{done[-1]['parameters']:,}" if done else "-", f"{minutes:.0f}" if done else "-"]
        lines.append(cells)
    return f"{where(row for of_rows in ours.values() for row in of_rows.values())}\n\n{as_table(lines)}"


def as_table(lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def half() -> str:
    """Every run at the half scale: accuracy on the test clips, and how far it came."""
    head = ["task", "row", "paper", "ours", "test clips", "videos", "of", "hours", "parameters"]
    lines = [head, ["---", "---", *["---:"] * 2, "---", *["---:"] * 4]]
    tasks = {"sync_mnist": ("SyncMNIST", SYNC_MNIST), "multi_sync_mnist": ("MultiSyncMNIST", MULTI_SYNC_MNIST)}
    found = {name: runs(name, 5, "half") for name in tasks}
    for name, (task, titles) in tasks.items():
        for row, of_row in found[name].items():
            title, paper = titles[row]
            for run in of_row:
                ours = f"{100 * run['accuracy']:.1f} ± {100 * run['standard_error']:.1f}"
                clips = f"{run['clips']:,}, {run['trajectories']}"
                counts = [f"{run['videos']:,}", f"{run['of_videos']:,}", f"{run['seconds'] / 3600:.1f}"]
                lines.append([task, title, str(paper.get(5, "-")), ours, clips, *counts, f"{run['parameters']:,}"])
    return f"{where(row for of_rows in found.values() for row in of_rows.values())}\n\n{as_table(lines)}"


def curve(of_row: list[Results], key: str) -> tuple[list[int], list[float]]:
    """Videos seen, and a logged value's mean over the seeds that have it."""
    values: dict[int, list[float]] = {}
    for run in of_row:
        for point in run["curve"]:
            if key in point:
                values.setdefault(point["videos"], []).append(point[key])
    return list(values), [mean(found) for found in values.values()]


def draw_curves(path: Path) -> None:
    """Validation accuracy of every row over training, and the distance of digits from regions."""
    sync, multi = ("SyncMNIST", SYNC_MNIST, "sync_mnist"), ("MultiSyncMNIST", MULTI_SYNC_MNIST, "multi_sync_mnist")
    panels = [
        (*sync, 3, "small", "val/acc"),
        (*sync, 5, "small", "val/acc"),
        (*multi, 5, "small", "val/acc"),
        (*multi, 5, "small", "val/region_distance"),
        (*sync, 5, "half", "val/acc"),
        (*multi, 5, "half", "val/acc"),
    ]
    figure, axes = pyplot().subplots(3, 2, figsize=(12, 12), layout="constrained")
    for ax, (task, rows, name, digits, scale, key) in zip(axes.flat, panels, strict=True):
        found = runs(name, digits, scale)
        for color, (row, (label, _)) in enumerate(rows.items()):
            if row in found:
                videos, values = curve(found[row], key)
                line = {"color": f"C{color % 10}", "ls": "-" if color < 10 else "--", "label": label.split(" (")[0]}
                ax.plot([n / 1000 for n in videos], values, "o", ms=3, lw=1.2, **line)
        ax.set(title=f"{task}, {digits} digits, {scale} scale", xlabel="thousand videos", ylabel=LABELS[key])
        ax.set_ylim(bottom=0)
        ax.grid(alpha=0.3)
    for ax in axes[:2, 1]:
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    for ax in axes[2]:
        ax.legend(loc="lower right", fontsize=8)
    save_picture(figure, path)


def sync_mnist_small() -> str:
    return table("sync_mnist", SYNC_MNIST, "small")


def multi_sync_mnist_small() -> str:
    return table("multi_sync_mnist", MULTI_SYNC_MNIST, "small")
