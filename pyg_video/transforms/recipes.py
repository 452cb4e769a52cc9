"""The transforms of the papers, composed."""

from collections.abc import Callable, Sequence

from torch import Generator

from .clip import AnyClip
from .crops import TSM_SCALES, CentreCrop, MultiScaleCrop, ShortSide, ThreeCrops
from .flip import HorizontalFlip
from .normalize import Normalize


class Compose:
    """Apply transforms in sequence with a common generator.

    Args:
        steps: callables ``(clip, generator) -> clip``.
    """

    def __init__(self, *steps: Callable[..., object]) -> None:
        self.steps = steps

    def __call__(self, clip: AnyClip, generator: Generator | None = None) -> AnyClip:
        for step in self.steps:
            clip = step(clip, generator)  # type: ignore[assignment]
        return clip

    def __repr__(self) -> str:
        return f"Compose({', '.join(map(repr, self.steps))})"


def train_recipe(
    size: int = 224,
    *,
    short_side: int | None = None,
    scales: Sequence[float] = TSM_SCALES,
    mirrored: Sequence[int] | None = None,
    flip: float = 0.5,
) -> Compose:
    """Training transforms of TSM: short side 256, multi-scale crop of 224, flip, normalisation.

    Args:
        size: side of the crop.
        short_side: shorter side of the frames before cropping; by default 8/7 of the crop, as 256 to 224.
        scales: sides of the crop, as fractions of the shorter side.
        mirrored: for each label, the label of the flipped clip.
        flip: probability of a flip; 0 in the published runs on Something-Something.

    Example:
        >>> train_recipe()
        Compose(ShortSide(256), MultiScaleCrop(224, scales=(1, 0.875, 0.75, 0.66)), HorizontalFlip(p=0.5), \
Normalize(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)))
    """
    short_side = short_side or round(size * 256 / 224)
    return Compose(ShortSide(short_side), MultiScaleCrop(size, scales), HorizontalFlip(mirrored, flip), Normalize())


def centre_recipe(size: int = 224, *, short_side: int | None = None) -> Compose:
    """One view: short side 256, centre crop of 224, normalisation."""
    return Compose(ShortSide(short_side or round(size * 256 / 224)), CentreCrop(size), Normalize())


def three_crop_recipe(size: int = 256) -> Compose:
    """Three views per clip: short side 256, three crops of 256, normalisation; the papers use two clips per video."""
    return Compose(ShortSide(size), ThreeCrops(size), Normalize())
