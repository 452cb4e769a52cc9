"""Graph blocks behind the modules of any model, and feature maps of frozen models."""

from .blocks import BlockAttachment, attach_blocks, detach_blocks
from .frozen_features import FrozenFeatures
from .layouts import Layout

__all__ = ["BlockAttachment", "FrozenFeatures", "Layout", "attach_blocks", "detach_blocks"]
