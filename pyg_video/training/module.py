"""Clip classification as a Lightning module."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from .._checks import check_option
from ..backbones import split_backbone
from ..checkpoints import load_model, shipped_checkpoint
from ..checkpoints.weights import check_weights
from ..datasets.counter_random import clip_key
from ..models import Option, VideoClassifier, create_model, model_options
from ..models.registry import recipe_modules
from .data.video_files import VideoFileData
from .loading import MODULE
from .scoring import Clips, class_scores

if TYPE_CHECKING:
    Options: TypeAlias = dict[str, Any]
else:  # jsonargparse builds the parts that a dict[str, Any] names by class_path, but leaves a dict as it is
    Options = dict[str, bool | int | float | str | list | dict | None]

_OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "sgd": partial(torch.optim.SGD, momentum=0.9),
}


class Prediction(NamedTuple):
    """Predictions for a batch of clips; ``name`` holds those of the predicted classes, if the classes have names.

    Shapes:
        - **probability:** :math:`(B, num\\_classes)`
        - **label:** the most probable class, :math:`(B)`
        - **target:** the true class, :math:`(B)`
    """

    probability: Tensor
    label: Tensor
    target: Tensor
    name: list[str]


class VideoClassification(LightningModule):
    """Train a model to classify clips: cross-entropy, linear warm-up, then a cosine to zero or steps down.

    Logs ``train/loss``, ``train/acc``, ``val/loss``, ``val/acc`` and ``test/acc``; with more than five classes also
    the top-5 accuracies ``.../acc5``. Accuracies are shares of all clips (``average="micro"``). With several
    processes, all of these are over the clips of all of them. Before every batch of training, torch's generator is
    seeded from its seed at the beginning, the process, the epoch and the batch.

    Args:
        model: name of the model, see :func:`~pyg_video.models.create_model`, or a module from videos to class scores.
            In a configuration, the latter is ``class_path`` and ``init_args`` of a class. Checkpoints hold the name
            and all options; of a module that was made in Python they hold the weights only.
        num_classes: number of classes; this and the next two are set from the data by the command line.
        frame_size: side of the frames, for models with an option ``frame_size``.
        label_names: names of the classes.
        model_options: further options of a model by name, see :func:`~pyg_video.models.model_options`.
        lr: highest learning rate.
        weight_decay: of the optimizer.
        warmup_steps: steps in which the learning rate rises to ``lr``.
        optimizer: ``"adamw"``, or ``"sgd"`` with momentum 0.9, as the papers train on real video.
        drops: shares of all steps after each of which the learning rate is a tenth of that before, such as
            ``(0.33, 0.5, 0.67)``; none for the cosine.
        num_frames: frames per clip; this and the next one are recorded in checkpoints, and set from the data by the
            command line.
        frame_rate: frames per second of the clips; None for clips over whole videos.
        balanced: the training loss of a clip is divided by the share of its class among the training videos, times the
            number of classes, so that rare classes count as much as frequent ones. Also logs ``val/balanced_acc`` and
            ``test/balanced_acc``, the mean of the accuracies of the classes.
        backbone_from: file or shipped name of a trained model with whose backbone training starts.
        freeze_to: the last stage of the backbone that is taken from ``backbone_from``. Stages up to it stay as they
            are, with the statistics of their norms; later ones start with fresh weights. None takes and trains all.

    Attributes:
        extra_losses: functions of the batch that callbacks add; their values are added to the training loss.

    Shapes:
        - **video:** :math:`(B, T, C, H, W)`; batches also :math:`(B, S, T, C, H, W)`, views whose scores are averaged
        - **output:** :math:`(B, num\\_classes)`

    Example:
        >>> task = VideoClassification("cnn_sync_mnist", num_classes=10, frame_size=40)
        >>> task(torch.rand(2, 8, 1, 40, 40)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        model: str | VideoClassifier,
        num_classes: int,
        frame_size: int | None = None,
        label_names: tuple[str, ...] = (),
        *,
        model_options: Options | None = None,
        lr: float = 2e-3,
        weight_decay: float = 0.05,
        warmup_steps: int = 500,
        optimizer: str = "adamw",
        drops: tuple[float, ...] = (),
        num_frames: int | None = None,
        frame_rate: float | None = None,
        balanced: bool = False,
        backbone_from: str | None = None,
        freeze_to: str | None = None,
    ) -> None:
        super().__init__()
        if freeze_to is not None and backbone_from is None:
            raise ValueError(f"Expected 'backbone_from' for the stages to freeze (got freeze_to='{freeze_to}' alone)")
        _check_schedule(lr, weight_decay, warmup_steps, drops)
        check_option("optimizer", optimizer, tuple(_OPTIMIZERS))
        self.net = _network(model, num_classes, frame_size, model_options)
        self.save_hyperparameters(ignore=["model", "model_options"])
        name, options = (model, model_options) if isinstance(model, str) else self.net.recipe or (None, None)
        if settled := getattr(self.net, "settled", None):  # what a foreign model found out while it was made
            options = {**(options or {}), **settled}
        self.save_hyperparameters({"model": name, "model_options": options})
        self.optimizer, self.drops = optimizer, tuple(drops)
        self.lr, self.weight_decay, self.warmup_steps = lr, weight_decay, warmup_steps
        self.num_frames, self.frame_rate = num_frames, frame_rate
        self.backbone_from = backbone_from
        self._frozen = [] if freeze_to is None else [_first_stages(self.net, freeze_to)]  # in a list: no submodule
        self.freeze_to = freeze_to
        self.label_names = tuple(label_names)
        self.extra_losses: list[Callable[[Clips], Tensor]] = []
        self.balanced = balanced
        self.register_buffer("class_weight", None, persistent=False)
        metrics = MetricCollection({"acc": MulticlassAccuracy(num_classes, average="micro")})
        if num_classes > 5:
            metrics.add_metrics({"acc5": MulticlassAccuracy(num_classes, top_k=5, average="micro")})
        if balanced:
            metrics.add_metrics({"balanced_acc": MulticlassAccuracy(num_classes, average="macro")})
        self.train_metrics = metrics.clone(prefix="train/")
        self.val_metrics = metrics.clone(prefix="val/")
        # Exact over processes of unequal shares, unlike the mean that Lightning takes.
        self.val_loss = MeanMetric(nan_strategy="disable")
        self.test_metrics = metrics.clone(prefix="test/")

    def setup(self, stage: str) -> None:
        if stage != "fit":
            return
        channels_last(self.net)
        if self.balanced:
            self.class_weight = _balancing(self.trainer)
        if (source := self.backbone_from) is None:
            return
        path = Path(source) if os.path.isfile(source) else shipped_checkpoint(source)
        theirs, ours = (_first_stages(model, self.freeze_to) for model in (load_model(path), self.net))
        what = f"the model's backbone in 'backbone_from' '{source}'"
        check_weights(theirs.state_dict(), ours.state_dict(), what, "choose the same channels and strides")
        ours.load_state_dict(theirs.state_dict())
        for frozen in self._frozen:
            frozen.requires_grad_(False)

    def on_fit_start(self) -> None:
        self._seed = torch.initial_seed() + self.trainer.global_rank

    def on_train_batch_start(self, batch: Clips, batch_idx: int) -> None:  # noqa: ARG002
        """What dropout draws depends on seed, epoch and batch alone, so a resumed run equals an uninterrupted one."""
        key = clip_key(self._seed, torch.tensor([batch_idx]), salt=self.trainer.current_epoch)
        torch.manual_seed(int(key) & (2**63 - 1))

    def on_train_epoch_start(self) -> None:
        for frozen in self._frozen:
            frozen.eval()

    def forward(self, video: Tensor, **given: Tensor) -> Tensor:
        return self.net(video, **given)

    def training_step(self, batch: Clips, batch_idx: int) -> Tensor:  # noqa: ARG002
        loss = self._score(batch, self.train_metrics, self.class_weight)
        self.log("train/loss", loss, prog_bar=True, sync_dist=True, batch_size=len(batch.label))
        return sum((extra(batch) for extra in self.extra_losses), start=loss)

    def validation_step(self, batch: Clips, batch_idx: int) -> None:  # noqa: ARG002
        # A value per clip: with this 'nan_strategy', torchmetrics 1.9 takes no notice of weights.
        self.val_loss.update(self._score(batch, self.val_metrics).expand(len(batch.label)))
        self.log("val/loss", self.val_loss, batch_size=len(batch.label))

    def test_step(self, batch: Clips, batch_idx: int) -> None:  # noqa: ARG002
        self._score(batch, self.test_metrics)

    def predict_step(self, batch: Clips, batch_idx: int) -> Prediction:  # noqa: ARG002
        probability = class_scores(self.net, batch).softmax(dim=-1)
        label = probability.argmax(dim=-1)
        name = [self.label_names[k] for k in label.tolist()] if self.label_names else []
        return Prediction(probability, label, batch.label, name)

    def _score(self, batch: Clips, metrics: MetricCollection, weight: Tensor | None = None) -> Tensor:
        scores = class_scores(self.net, batch)
        metrics.update(scores.detach(), batch.label)
        shown = metrics is self.val_metrics
        self.log_dict(metrics, on_step=False, on_epoch=True, prog_bar=shown, batch_size=len(batch.label))
        # The mean over clips, not over their weights: it is the same however clips lie in batches and processes.
        return F.cross_entropy(scores, batch.label, weight, reduction="sum") / len(batch.label)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if (recipe := self.net.recipe) is not None and (modules := recipe_modules(recipe)):
            checkpoint[MODULE] = modules[0]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """A resumed run goes on with its own learning rate and weight decay, not with those of the checkpoint."""
        for optimizer in checkpoint.get("optimizer_states", []):
            for group in optimizer["param_groups"]:
                group["lr"] *= self.lr / group["initial_lr"]
                group["initial_lr"], group["weight_decay"] = self.lr, self.weight_decay
        for scheduler in checkpoint.get("lr_schedulers", []):
            scheduler["base_lrs"] = [self.lr] * len(scheduler["base_lrs"])

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        optimizer = _OPTIMIZERS[self.optimizer](self.parameters(), lr=self.lr, weight_decay=self.weight_decay)
        num_steps = self.trainer.estimated_stepping_batches
        scheduler = LambdaLR(optimizer, lambda step: lr_factor(step, self.warmup_steps, num_steps, self.drops))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def _balancing(trainer: Trainer) -> Tensor:
    """For each class, the inverse of its share of the training videos; 1 on average over these."""
    data = getattr(trainer, "datamodule", None)
    if not isinstance(data, VideoFileData):
        wanted = "VideoFolderData or SomethingSomethingData, which know the classes of all videos"
        raise ValueError(f"Expected {wanted}, for 'balanced' (got {type(data).__name__}); leave 'balanced' out")
    counts = data.class_counts()
    return counts.sum() / (len(counts) * counts.clamp(min=1))


def lr_factor(step: int, warmup_steps: int, num_steps: float, drops: Sequence[float] = ()) -> float:
    r"""Share of the highest learning rate that step ``step`` uses.

    .. math:: \min\left(1, \frac{s + 1}{w}\right) \cdot \frac{1 + \cos(\pi s / S)}{2}

    for step :math:`s` of :math:`S`, and :math:`w` warm-up steps. With ``drops``, shares of :math:`S`, a tenth for each
    of them that is over takes the place of the cosine.

    Example:
        >>> [round(lr_factor(step, 2, 4), 3) for step in range(5)]
        [0.5, 0.854, 0.5, 0.146, 0.0]
        >>> [lr_factor(step, 0, 4, drops=(0.5, 0.75)) for step in range(4)]
        [1.0, 1.0, 0.1, 0.01]
    """
    warmup = min(1.0, (step + 1) / max(1, warmup_steps))
    if drops:
        return warmup / 10 ** sum(step >= drop * num_steps for drop in drops)
    return warmup * (1 + math.cos(math.pi * min(1.0, step / max(1, num_steps)))) / 2


def channels_last(net: nn.Module) -> None:
    """Store the weights of convolutions on frames with channels last, where these are faster, on CPUs and on GPUs."""
    for parameter in net.parameters():
        if parameter.dim() == 4:  # those on clips have five dimensions, and would need another format
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def one_cycle(optimizer: torch.optim.Optimizer, num_steps: int, warmup: float = 0.1) -> LambdaLR:
    """The schedule :func:`lr_factor` with a share ``warmup`` of the steps for the warm-up."""
    return LambdaLR(optimizer, lambda step: lr_factor(step, int(warmup * num_steps), num_steps))


def _check_schedule(lr: float, weight_decay: float, warmup_steps: int, drops: Sequence[float]) -> None:
    if lr <= 0 or weight_decay < 0 or warmup_steps < 0:
        got = f"{lr}, {weight_decay} and {warmup_steps}"
        raise ValueError(f"Expected 'lr' above 0, 'weight_decay' and 'warmup_steps' of at least 0 (got {got})")
    if not all(0 < drop < 1 for drop in drops):
        raise ValueError(f"Expected 'drops' as shares of all steps, between 0 and 1 (got {tuple(drops)})")


def _first_stages(model: VideoClassifier, last: str | None) -> nn.Module:
    """The backbone's stages up to one, or all."""
    return cast(nn.Module, model.backbone) if last is None else split_backbone(model.backbone, last)[0]


def _network(
    model: str | nn.Module, num_classes: int, frame_size: int | None, options: Mapping[str, Option] | None
) -> VideoClassifier:
    """The model of a name, with the options that follow from the data; or the module itself."""
    options = options or {}
    if isinstance(model, str):
        known = model_options(model)
        sizes = {"num_classes": num_classes, "frame_size": frame_size}
        from_data = {name: value for name, value in sizes.items() if name in known and value is not None}
        for name, value in from_data.items():
            if options.get(name, value) != value:
                wanted = f"'{name}' in 'model_options' to be that of the data, {value}"
                raise ValueError(f"Expected {wanted} (got {options[name]}); leave it out")
        return create_model(model, **{**from_data, **options})
    if options:
        raise ValueError(f"Expected no 'model_options' for a module (got {', '.join(options)}); build it with them")
    if not hasattr(model, "recipe"):
        model.recipe = None  # type: ignore[assignment]
    return cast(VideoClassifier, model)
