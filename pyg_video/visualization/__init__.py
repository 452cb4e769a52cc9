"""Draw videos, regions, graphs, explanations and kernels, learning curves and confusion matrices."""

from .confusion import draw_confusion
from .curves import plot_curves
from .draw import PALETTE, caption, contact_sheet, draw_boxes
from .explanation import plot_explanation
from .film import save_mp4
from .graph import plot_graph
from .kernels import draw_kernels
from .overlay import draw_regions
from .pictures import save_gif, save_png

__all__ = [
    "PALETTE",
    "caption",
    "contact_sheet",
    "draw_boxes",
    "draw_confusion",
    "draw_kernels",
    "draw_regions",
    "plot_curves",
    "plot_explanation",
    "plot_graph",
    "save_gif",
    "save_mp4",
    "save_png",
]
