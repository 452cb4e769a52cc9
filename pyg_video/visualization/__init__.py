"""Draw videos, regions, graphs and kernels, learning curves and confusion matrices."""

from .confusion import draw_confusion
from .curves import plot_curves
from .draw import PALETTE, caption, contact_sheet, draw_boxes
from .graph import plot_graph
from .kernels import draw_kernels
from .pictures import save_gif, save_mp4, save_png

__all__ = [
    "PALETTE",
    "caption",
    "contact_sheet",
    "draw_boxes",
    "draw_confusion",
    "draw_kernels",
    "plot_curves",
    "plot_graph",
    "save_gif",
    "save_mp4",
    "save_png",
]
