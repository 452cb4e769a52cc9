"""Look at videos, at regions and graphs drawn over them, at learning curves and at confusions."""

from pyg_video.visualization.confusion import draw_confusion
from pyg_video.visualization.curves import plot_curves
from pyg_video.visualization.draw import PALETTE, contact_sheet, draw_boxes
from pyg_video.visualization.graph import plot_graph
from pyg_video.visualization.kernels import draw_kernels
from pyg_video.visualization.pictures import save_gif, save_png
from pyg_video.visualization.videos import caption, save_mp4

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
