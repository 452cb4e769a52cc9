"""Plots of the pages."""

from io import BytesIO
from pathlib import Path
from typing import Any


def pyplot() -> Any:
    """Matplotlib's pyplot, without a window."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    return plt


def save_picture(figure: Any, path: Path) -> None:
    """Save a PNG of few colours, which is small."""
    from PIL import Image

    buffer = BytesIO()
    figure.savefig(buffer, dpi=100)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.open(buffer).convert("P", palette=Image.Palette.ADAPTIVE, colors=32).save(path, optimize=True)
