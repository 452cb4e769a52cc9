"""Pure functions on tensors: kernels, boxes, edges, lengths."""

from .boxes import box_edges, boxes_touch, grid_boxes, pairwise_iou
from .edges import between_frames, complete_edges, knn_edges, loops_last, overlap_edges, repeat_edges
from .kernels import box_kernel, kernel_boxes, normalize_kernel, pool, remap, tent_kernel
from .lengths import frame_mask

__all__ = [
    "between_frames",
    "box_edges",
    "box_kernel",
    "boxes_touch",
    "complete_edges",
    "frame_mask",
    "grid_boxes",
    "kernel_boxes",
    "knn_edges",
    "loops_last",
    "normalize_kernel",
    "overlap_edges",
    "pairwise_iou",
    "pool",
    "remap",
    "repeat_edges",
    "tent_kernel",
]
