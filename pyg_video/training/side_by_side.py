"""Train several models at the same time behind the same frozen stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..backbones import StagedBackbone, split_backbone
from ..datasets import DigitClips
from ..models import VideoClassifier
from .module import one_cycle

_WEIGHT_DECAY, _MAX_NORM = 0.01, 1.0


class SideBySide:
    """Models that share their frozen first stages: one pass over clips and stages feeds all, each in its own thread.

    The models are those that separate trainings with the same clips would give, whatever the number of threads; only
    synthesis and frozen stages are computed once instead of once per model. AdamW; the learning rate rises in a tenth
    of the steps, then falls to zero as a cosine; gradients are clipped at norm 1.

    Args:
        frozen: the first stages, already trained; set to evaluation mode and frozen.
        models: by name. Their first stages are replaced by those of ``frozen``; later ones, blocks after these, and
            heads are trained.
        clips: endless training clips.
        num_videos: number of clips to train on, each seen once.
        batch_size: clips per step.
        lr: highest learning rate.

    Raises:
        ValueError: a model has other stages, no stage after the frozen ones, or a block before; or there is less than a
            batch of videos.

    Example:
        >>> from pyg_video.backbones import split_backbone
        >>> from pyg_video.datasets import SyncMNIST
        >>> from pyg_video.models import create_model
        >>> models = {name: create_model(name, num_classes=46) for name in ("cnn_sync_mnist", "rstg_sync_mnist")}
        >>> frozen, _ = split_backbone(models["cnn_sync_mnist"].backbone, "stage2")
        >>> training = SideBySide(frozen, models, SyncMNIST(num_frames=2), num_videos=8, batch_size=4)
        >>> [seen for seen, accuracy in training.run(every=4)]
        [4, 8]
    """

    def __init__(
        self,
        frozen: StagedBackbone,
        models: Mapping[str, VideoClassifier],
        clips: DigitClips,
        *,
        num_videos: int,
        batch_size: int = 32,
        lr: float = 3e-3,
    ) -> None:
        self.steps = num_videos // batch_size
        if self.steps < 1:
            raise ValueError(f"Expected 'num_videos' of at least a batch of {batch_size} (got {num_videos})")
        self.frozen = frozen.requires_grad_(False).eval()
        self.clips, self.batch_size = clips, batch_size
        rests = {name: _rest(model, self.frozen) for name, model in models.items()}
        self.learners = {name: _Learner(rest, lr, self.steps) for name, rest in rests.items()}

    def run(self, every: int) -> Iterator[tuple[int, dict[str, float]]]:
        """Train; after every ``every`` videos, their number and every model's accuracy on the latest ones.

        The accuracy is that before learning from a video, which no step saw earlier: that on new trajectories of the
        training images.
        """
        interval, right, counted = max(1, every // self.batch_size), dict.fromkeys(self.learners, 0), 0
        with ThreadPoolExecutor(len(self.learners) + 1) as pool:
            coming = pool.submit(self.batch, 0)
            for step in range(1, self.steps + 1):
                maps, label = coming.result()
                if step < self.steps:
                    coming = pool.submit(self.batch, step)
                jobs = {name: pool.submit(learner.step, maps, label) for name, learner in self.learners.items()}
                right = {name: right[name] + job.result() for name, job in jobs.items()}
                counted += len(label)
                if step % interval == 0 or step == self.steps:
                    yield step * self.batch_size, {name: number / counted for name, number in right.items()}
                    right, counted = dict.fromkeys(self.learners, 0), 0

    @torch.no_grad()
    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Maps and labels of one step's clips."""
        clips = self.clips.batch(range(step * self.batch_size, (step + 1) * self.batch_size))
        return self.frozen(clips.video), clips.label


def _rest(model: VideoClassifier, frozen: StagedBackbone) -> VideoClassifier:
    """The part of a model after its first stages, which are replaced by the frozen ones; it shares the weights."""
    first, later = split_backbone(model.backbone, frozen.info[-1].name)
    if first.info != frozen.info:
        raise ValueError(f"Expected models whose first stages are {frozen.info} (got {first.info})")
    if early := set(model.blocks) & set(first.stages):
        raise ValueError(f"Expected blocks after the frozen stages only (got one after {', '.join(sorted(early))})")
    model.backbone.stages.update(dict(frozen.stages.items()))
    return VideoClassifier(later, model.head, blocks=dict(model.blocks.items()))


class _Learner:
    """A model, its optimizer and its learning rates."""

    def __init__(self, model: VideoClassifier, lr: float, steps: int) -> None:
        self.model = model.train()
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=_WEIGHT_DECAY)
        self.schedule = one_cycle(self.optimizer, steps)

    def step(self, maps: Tensor, label: Tensor) -> int:
        """Learn from a batch; returns how many clips were right before."""
        scores = self.model(maps)
        self.optimizer.zero_grad()
        F.cross_entropy(scores, label).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), _MAX_NORM)
        self.optimizer.step()
        self.schedule.step()
        return int((scores.argmax(-1) == label).sum())
