"""Weights of released code, in our modules."""

from .dyreg import load_published_dyreg
from .dyreg_block import load_published_dyreg_block
from .rstg import PublishedRSTG, load_published_rstg, load_published_rstg_network
from .tsm import load_published_tsm

__all__ = [
    "PublishedRSTG",
    "load_published_dyreg",
    "load_published_dyreg_block",
    "load_published_rstg",
    "load_published_rstg_network",
    "load_published_tsm",
]
