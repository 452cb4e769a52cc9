"""Transforms of clips, their boxes and labels, equal for all frames; random ones use a given generator."""

from .clip import Clip, crop, resize
from .crops import CentreCrop, MultiScaleCrop, ShortSide, ThreeCrops
from .flip import HorizontalFlip
from .normalize import IMAGENET_MEAN, IMAGENET_STD, Normalize
from .recipes import Compose, centre_recipe, three_crop_recipe, train_recipe

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "CentreCrop",
    "Clip",
    "Compose",
    "HorizontalFlip",
    "MultiScaleCrop",
    "Normalize",
    "ShortSide",
    "ThreeCrops",
    "centre_recipe",
    "crop",
    "resize",
    "three_crop_recipe",
    "train_recipe",
]
