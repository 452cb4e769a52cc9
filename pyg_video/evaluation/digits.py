"""How often a model is right, with the protocol beside the number."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from .._checks import check_option
from .._extras import need
from .._version import __version__
from ..models import VideoClassifier
from ..training.scoring import choose_device, class_scores
from .scored_clips import ScoredClips

if TYPE_CHECKING:
    from torchmetrics import MetricCollection

    from ..datasets import SyncClip
    from ..datasets.digits.clips import DigitClips
    from .videos import VideoProtocol

PRECISIONS = ("float32", "bfloat16")
_TOP = 5


class Score(NamedTuple):
    r"""How many clips were answered rightly, :math:`\hat p = r / n`, up to :math:`\sqrt{\hat p (1 - \hat p) / n}`.

    Example:
        >>> str(Score(943, 1000)), Score(943, 1000).share
        ('94.3 % ± 0.7 %', 0.943)
    """

    right: int
    clips: int

    @property
    def share(self) -> float:
        """Accuracy; not a number where there are no clips."""
        return self.right / self.clips if self.clips else math.nan

    @property
    def standard_error(self) -> float:
        """Standard error of the accuracy over the clips; the model and its training are taken as given."""
        return math.sqrt(self.share * (1 - self.share) / self.clips) if self.clips else math.nan

    def __str__(self) -> str:
        return f"{100 * self.share:.1f} % ± {100 * self.standard_error:.1f} %" if self.clips else "no clips"


class Protocol(NamedTuple):
    """What the number was taken on, and how."""

    trajectories: str
    digits: str
    clips: str
    frames: str
    precision: str
    model: str
    checkpoint: str
    version: str


class Answers(NamedTuple):
    """A row a clip.

    Shapes:
        - **target:** the true class, :math:`(M)`
        - **label:** the most probable class, :math:`(M)`
        - **probability:** of that class, :math:`(M)`
    """

    target: Tensor
    label: Tensor
    probability: Tensor


class Evaluation(NamedTuple):
    """What :func:`evaluate` gives.

    Attributes:
        top1: clips whose class got the highest score.
        top5: clips whose class got one of the five highest scores; ``None`` with five classes or fewer.
        per_class: the first score by class, in words.
        confusion: clips of class :math:`i` that were taken for class :math:`j`, :math:`(K, K)`.
        answers: clip by clip.
        protocol: what belongs beside the number.
        ids: names of the videos; none where clips are made on the fly.
    """

    top1: Score
    top5: Score | None
    per_class: dict[str, Score]
    confusion: Tensor
    answers: Answers
    protocol: Protocol | VideoProtocol
    ids: tuple[str, ...] = ()


def evaluate(
    model: VideoClassifier,
    scored: ScoredClips,
    *,
    num_clips: int | None = None,
    batch_size: int = 100,
    precision: str = "float32",
    device: str = "auto",
    checkpoint: str = "none",
    progress: bool = False,
) -> Evaluation:
    """Score a model on test clips.

    Clips are drawn on the CPU whatever the device, so that the model sees the same pixels everywhere.

    Args:
        model: video to class scores; it stays as it is.
        scored: the clips, see :func:`recorded_clips` and :func:`configured_clips`.
        num_clips: only the first ones; all by default.
        batch_size: clips at a time.
        precision: ``"float32"``, or ``"bfloat16"`` by autocast.
        device: as torch names it; ``"auto"`` takes a GPU if there is one.
        checkpoint: where the weights are from, for the protocol.
        progress: show a bar, if standard error is a terminal.

    Raises:
        ValueError: the model has another number of classes than the clips, or gives NaN; or an option is wrong.

    Example:
        >>> from pyg_video.checkpoints import load_model, shipped_checkpoint
        >>> from pyg_video.datasets import SyncMNIST
        >>> from pyg_video.cli.demo import TASK
        >>> clips = ScoredClips(SyncMNIST(split="test", num_clips=50, **TASK), "generated, seed 0", "bundled")
        >>> evaluate(load_model(shipped_checkpoint("dyreg_gnn_small")), clips).top1.share > 0.9
        True
    """
    check_option("precision", precision, PRECISIONS)
    total = len(scored.clips)
    num_clips = total if num_clips is None else num_clips
    if not 1 <= num_clips <= total or batch_size < 1:
        raise ValueError(
            f"Expected 'num_clips' from 1 to the {total} that there are, and 'batch_size' of at least 1 "
            f"(got {num_clips} and {batch_size})"
        )
    where = choose_device(device)
    K = scored.clips.num_classes
    metrics = _metrics(K).to(where)
    twin = copy.deepcopy(model).eval().to(where)
    batches = _batches(scored.clips, num_clips, batch_size, progress=progress)
    with torch.inference_mode(), torch.autocast(where.type, torch.bfloat16, enabled=precision == "bfloat16"):
        answers = [_answer(twin, batch, metrics) for batch in batches]
    found = metrics.compute()
    confusion = found["confusion"].cpu()
    right, clips = confusion.diagonal().tolist(), confusion.sum(1).tolist()
    return Evaluation(
        top1=Score(sum(right), num_clips),
        top5=Score(round(float(found["top5"]) * num_clips), num_clips) if K > _TOP else None,
        per_class={name: Score(*pair) for name, *pair in zip(scored.clips.label_names, right, clips, strict=True)},
        confusion=confusion,
        answers=Answers(*map(torch.cat, zip(*answers, strict=True))),
        protocol=_protocol(model, scored, num_clips, in_words(precision, where), checkpoint),
    )


def _metrics(num_classes: int) -> MetricCollection:
    need("torchmetrics", "train")
    from torchmetrics import MetricCollection
    from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix

    metrics = MetricCollection({"confusion": MulticlassConfusionMatrix(num_classes)}, compute_groups=False)
    if num_classes > _TOP:
        metrics.add_metrics({"top5": MulticlassAccuracy(num_classes, top_k=_TOP, average="micro")})
    return metrics


def _batches(clips: DigitClips, num_clips: int, batch_size: int, *, progress: bool) -> Iterator[SyncClip]:
    tqdm = need("tqdm", "train").tqdm

    with tqdm(total=num_clips, unit=" clips", disable=None if progress else True) as bar:  # None: unless a terminal
        for first in range(0, num_clips, batch_size):
            numbers = range(first, min(first + batch_size, num_clips))
            yield clips.batch(numbers)
            bar.update(len(numbers))


def _answer(model: VideoClassifier, batch: SyncClip, metrics: MetricCollection) -> Answers:
    device = next(model.parameters()).device
    scores = class_scores(model, batch._replace(video=batch.video.to(device)))
    num_classes = metrics["confusion"].num_classes
    if scores.shape != (len(batch.label), num_classes):
        raise ValueError(
            f"Expected 'model' to tell the {num_classes} classes of the clips apart (got {list(scores.shape)} scores "
            f"for {len(batch.label)} clips); score it on clips like those of its training"
        )
    if not scores.isfinite().all():
        raise ValueError(
            "Expected finite scores (got NaN or infinity); the training diverged, use an earlier checkpoint"
        )
    metrics.update(scores, batch.label.to(device))
    probability, label = scores.softmax(dim=-1).max(dim=-1)
    return Answers(batch.label, label.cpu(), probability.cpu())


def in_words(precision: str, device: torch.device) -> str:
    """Precision and device, for the protocol."""
    if device.type != "cuda":
        return f"{precision} on {device.type}"
    rounded = " (convolutions in TF32)" if precision == "float32" and torch.backends.cudnn.allow_tf32 else ""
    return f"{precision}{rounded} on {torch.cuda.get_device_name(device)}"


def _protocol(model: VideoClassifier, scored: ScoredClips, num_clips: int, precision: str, checkpoint: str) -> Protocol:
    clips = scored.clips
    first = clips.batch([0])
    _, T, _, H, W = first.video.shape
    few = "" if num_clips == len(clips) else f"the first {num_clips:,} of "
    return Protocol(
        trajectories=scored.trajectories,
        digits=scored.digits,
        clips=f"{few}{len(clips):,}" if few else f"{len(clips):,}, none left out",
        frames=f"{T} of {H} x {W} pixels, from a canvas of {clips.canvas_size}; {first.digit.shape[1]} digits",
        precision=precision,
        model=type(model).__name__ if model.recipe is None else model.recipe.name,
        checkpoint=checkpoint,
        version=f"pyg_video {__version__}, torch {torch.__version__}",
    )
