"""Agreement of regions with objects, as torchmetrics metrics."""

from .base import RegionMetric
from .consistency import TemporalConsistency
from .coverage import RegionCoverage
from .distance import RegionObjectDistance
from .overlap import BestBoxIoU

__all__ = ["BestBoxIoU", "RegionCoverage", "RegionMetric", "RegionObjectDistance", "TemporalConsistency"]
