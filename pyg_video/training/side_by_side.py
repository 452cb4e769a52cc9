"""Train several models at the same time on the maps of one frozen backbone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..backbones import Stage, StagedBackbone
from ..datasets import DigitClips
from ..models import VideoClassifier

_WEIGHT_DECAY, _MAX_NORM = 0.01, 1.0


class SideBySide:
    """Models that share a frozen backbone: one pass over clips and backbone feeds all, each in a thread of its own.

    The models are those that separate trainings with the same clips would give, whatever the number of threads; only
    synthesis and backbone are computed once instead of once per model. AdamW with one cycle of the learning rate,
    gradients clipped at norm 1.

    Args:
        backbone: shared by the models; set to evaluation mode and frozen.
        models: by name; their own backbones are replaced by ``backbone``. Blocks may follow its last stage only.
        clips: endless training clips.
        num_videos: number of clips to train on, each seen once.
        batch_size: clips per step.
        lr: highest learning rate.

    Raises:
        ValueError: a model has a block inside the backbone, or there is less than a batch of videos.

    Example:
        >>> from pyg_video.datasets import SyncMNIST
        >>> from pyg_video.models import create_model
        >>> models = {name: create_model(name, num_classes=46) for name in ("cnn_sync_mnist", "rstg_sync_mnist")}
        >>> backbone = models["cnn_sync_mnist"].backbone
        >>> training = SideBySide(backbone, models, SyncMNIST(num_frames=2), num_videos=8, batch_size=4)
        >>> [seen for seen, accuracy in training.run(every=4)]
        [4, 8]
    """

    def __init__(
        self,
        backbone: StagedBackbone,
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
        self.backbone = backbone.requires_grad_(False).eval()
        self.clips, self.batch_size = clips, batch_size
        for model in models.values():
            model.backbone = self.backbone
        self.learners = {name: _Learner(after_backbone(model), lr, self.steps) for name, model in models.items()}

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
        return self.backbone(clips.video), clips.label


def after_backbone(model: VideoClassifier) -> VideoClassifier:
    """The part of a model behind its backbone, as a model of the backbone's last maps; it shares the weights."""
    last = model.backbone.info[-1]
    if inside := set(model.blocks) - {last.name}:
        raise ValueError(f"Expected blocks after the last stage, {last.name}, only (got {sorted(inside)})")
    maps = Stage(last.name, last.channels, 1)
    return VideoClassifier(
        StagedBackbone(last.channels, {last.name: nn.Identity()}, [maps]), model.head, blocks=dict(model.blocks.items())
    )


class _Learner:
    """A model, its optimizer and its learning rates."""

    def __init__(self, model: VideoClassifier, lr: float, steps: int) -> None:
        self.model = model.train()
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=_WEIGHT_DECAY)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, lr, total_steps=steps)

    def step(self, maps: Tensor, label: Tensor) -> int:
        """Learn from a batch; returns how many clips were right before."""
        scores = self.model(maps)
        self.optimizer.zero_grad()
        F.cross_entropy(scores, label).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), _MAX_NORM)
        self.optimizer.step()
        self.schedule.step()
        return int((scores.argmax(-1) == label).sum())
