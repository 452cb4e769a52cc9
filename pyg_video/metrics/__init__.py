"""Agreement of regions with objects, as torchmetrics metrics; torchmetrics is imported when one is first used."""

from typing import TYPE_CHECKING

from .._lazy import lazy_names

if TYPE_CHECKING:
    from .base import RegionMetric
    from .consistency import TemporalConsistency
    from .coverage import RegionCoverage
    from .distance import RegionObjectDistance
    from .overlap import BestBoxIoU

_HOMES = {
    "BestBoxIoU": "overlap",
    "RegionCoverage": "coverage",
    "RegionMetric": "base",
    "RegionObjectDistance": "distance",
    "TemporalConsistency": "consistency",
}

__all__ = ["BestBoxIoU", "RegionCoverage", "RegionMetric", "RegionObjectDistance", "TemporalConsistency"]

__getattr__, __dir__ = lazy_names(__name__, _HOMES, "train")
