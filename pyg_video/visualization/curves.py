"""Learning curves of several models."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from .._extras import need
from .._files import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curves = Mapping[str, tuple[Sequence[float], Sequence[float]]]
_COLUMNS = ("model", "videos_seen", "accuracy")


def plot_curves(
    curves: Curves | str | os.PathLike[str], path: str | os.PathLike[str], *, lines: Mapping[str, float] | None = None
) -> Path:
    """Draw accuracy against the number of videos seen, a curve per model.

    Args:
        curves: ``{model: (videos seen, accuracy)}``, or a CSV file with the columns ``model,videos_seen,accuracy``.
        path: file to write; its suffix selects the format (``.png``, ``.svg``, ``.pdf``).
        lines: reference levels such as ``{"chance": 0.1}``, drawn dashed.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
        ValueError: there is no curve, its two lists differ in length, or the CSV file lacks a column.

    Example:
        >>> from tempfile import mkdtemp
        >>> two_points = {"graph": ([1000, 2000], [0.4, 0.7])}
        >>> plot_curves(two_points, Path(mkdtemp()) / "curves.png", lines={"chance": 0.1}).name
        'curves.png'
    """
    curves = curves if isinstance(curves, Mapping) else _read(Path(curves))
    lengths = {model: (len(seen), len(accuracy)) for model, (seen, accuracy) in curves.items()}
    if not lengths or any(seen != accuracy for seen, accuracy in lengths.values()):
        raise ValueError(f"Expected 'curves' to have a model or more, with one accuracy per point (got {lengths})")
    axes = new_axes(6, 4)
    for model, (seen, accuracy) in curves.items():
        axes.plot(seen, accuracy, label=model, marker="o", markersize=3)
    for (name, level), dash in zip((lines or {}).items(), cycle(("--", ":", "-.")), strict=False):
        axes.axhline(level, label=f"{name} ({level:.0%})", color="0.4", linestyle=dash, linewidth=1)
    axes.set(xlabel="videos seen", ylabel="accuracy", ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend()
    kind = Path(path).suffix.removeprefix(".") or "png"
    with whole_file(path) as draft:
        axes.figure.savefig(draft, format=kind, dpi=150)  # type: ignore[union-attr]
    return Path(path)


def new_axes(width: float, height: float) -> Axes:
    """Axes of a new figure, in inches; without pyplot, so that nothing is shown or kept globally."""
    need("matplotlib", "plots")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained").add_subplot()


def _read(path: Path) -> dict[str, tuple[list[float], list[float]]]:
    with path.open(newline="") as file:
        table = csv.DictReader(file)
        if missing := [name for name in _COLUMNS if name not in (table.fieldnames or ())]:
            raise ValueError(f"Expected {path} to have the columns {_COLUMNS} (got {table.fieldnames}); add {missing}")
        curves: dict[str, tuple[list[float], list[float]]] = {}
        for row in table:
            seen, accuracy = curves.setdefault(row["model"], ([], []))
            seen.append(float(row["videos_seen"]))
            accuracy.append(float(row["accuracy"]))
    return curves
