"""Blocks on anybody's model: where they go, how features lie there, and features of frozen models."""

from .blocks import BlockInsertion, insert_blocks, remove_blocks
from .frozen_features import FrozenFeatures
from .layouts import Layout

__all__ = ["BlockInsertion", "FrozenFeatures", "Layout", "insert_blocks", "remove_blocks"]
