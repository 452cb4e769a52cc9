"""Agreement of regions with true boxes during validation and test."""

from contextlib import ExitStack
from typing import Any, cast

from pytorch_lightning import Callback, LightningModule, Trainer
from torchmetrics import MetricCollection

from .._checks import check_option
from ..data import VideoGraph
from ..inspection import capture_graphs, find_builders
from ..metrics import BestBoxIoU, RegionCoverage, RegionObjectDistance, TemporalConsistency
from .module import VideoClassification
from .scoring import Clips

_STAGES = ("val", "test")


class RegionAgreement(Callback):
    """Log the agreement of a model's regions with the objects in the clips.

    Logs ``val/region_distance`` (:class:`~pyg_video.metrics.RegionObjectDistance`),
    ``..._coverage`` (:class:`~pyg_video.metrics.RegionCoverage`), ``..._iou``
    (:class:`~pyg_video.metrics.BestBoxIoU`), ``..._identity`` and ``..._motion``
    (:class:`~pyg_video.metrics.TemporalConsistency`). Models with several blocks log each
    one by name, as ``val/region_distance/blocks.stage2.builder``. The graphs are captured during the forward pass.

    In a configuration::

        trainer:
          callbacks:
            - class_path: pyg_video.training.RegionAgreement

    Args:
        stages: ``"val"``, ``"test"`` or both.
        region_scale: factor on the regions' widths and heights. At 0.5, boxes of a
            :class:`~pyg_video.graph_builders.RegionGraph` end where its tent falls to half its height.

    Raises:
        ValueError: the model has no builder, or the clips have no boxes.
    """

    def __init__(self, stages: tuple[str, ...] = _STAGES, region_scale: float = 0.5) -> None:
        super().__init__()
        for stage in stages:
            check_option("stages", stage, _STAGES)
        self.stages = tuple(stages)
        self.region_scale = region_scale
        self._metrics: dict[str, MetricCollection] = {}  # by builder
        self._graphs: dict[str, VideoGraph] = {}  # of the current batch
        self._batch = ExitStack()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        builders = find_builders(cast(VideoClassification, pl_module).net)
        self._metrics = {name: agreement(region_scale=self.region_scale) for name in builders}

    def on_validation_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any, **__: Any) -> None:
        if _stage(trainer) in self.stages:
            self._graphs = self._batch.enter_context(capture_graphs(cast(VideoClassification, pl_module).net))

    def on_validation_batch_end(self, trainer: Trainer, *args: Any, **__: Any) -> None:
        self._batch.close()
        if _stage(trainer) in self.stages:
            self._update(args[2])

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if (stage := _stage(trainer)) not in self.stages:
            return
        for name, metrics in self._metrics.items():
            suffix = f"/{name}" if len(self._metrics) > 1 else ""
            for key, value in metrics.compute().items():  # already reduced over processes
                pl_module.log(f"{stage}/region_{key}{suffix}", value, sync_dist=True)
            metrics.reset()

    on_test_batch_start = on_validation_batch_start
    on_test_batch_end = on_validation_batch_end
    on_test_epoch_end = on_validation_epoch_end

    def on_exception(self, *args: Any) -> None:  # noqa: ARG002
        self._batch.close()

    def _update(self, batch: Clips) -> None:
        box = getattr(batch, "box", None)
        if box is None or not box.shape[-2]:
            raise ValueError(f"Expected clips with a 'box' for every object (got {type(batch).__name__} without it)")
        if box.ndim == 5:  # several views per video
            box = box.flatten(0, 1)
        for name, metrics in self._metrics.items():
            graph = self._graphs[name]
            regions = graph.grid(graph.need("box"))
            present = graph.grid(graph.need("mask")) if "mask" in graph else None
            objects = box.to(regions.device)
            mask = objects.isfinite().all(dim=-1)  # boxes of absent objects are NaN
            metrics.to(regions.device).update(regions, objects, mask, region_mask=present)


def _stage(trainer: Trainer) -> str:
    return "test" if trainer.testing else "val"


def agreement(*, region_scale: float = 1.0) -> MetricCollection:
    """All region metrics by their short names.

    Example:
        >>> import torch
        >>> metrics, box = agreement(), torch.rand(1, 4, 3, 4)
        >>> {name: round(float(value), 3) for name, value in metrics(box, box).items()}
        {'coverage': 1.0, 'distance': 0.0, 'identity': 1.0, 'iou': 1.0, 'motion': 1.0}
    """
    metrics = {
        "distance": RegionObjectDistance(),
        "coverage": RegionCoverage(region_scale=region_scale),
        "iou": BestBoxIoU(region_scale=region_scale),
        "identity": TemporalConsistency(),
        "motion": TemporalConsistency("motion"),
    }
    # Compute groups would merge metrics whose sums happen to be equal after the first batch.
    return MetricCollection(dict(metrics), compute_groups=False)
