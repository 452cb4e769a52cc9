"""Distil the regions of single-block teachers into a model with several blocks."""

from contextlib import ExitStack
from typing import Any, cast

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

from ..inspection import capture_graphs, capture_maps, find_builders
from ..models import VideoClassifier
from .loading import load_trained
from .module import VideoClassification
from .scoring import Clips


def region_loss(box: Tensor, target: Tensor) -> Tensor:
    r"""Mean squared distance between the parameters of regions.

    .. math:: \frac{1}{B T N} \sum_{b,t,n} \lVert o_{b,t,n} - \hat o_{b,t,n} \rVert^2

    where :math:`o` is the centre, width and height of a region, as fractions of the frame.

    Shapes:
        - **box, target:** :math:`(B, T, N, 4)`
        - **output:** a scalar
    """
    return (box - target).square().sum(-1).mean()


class OffsetDistillation(Callback):
    """Distil regions of single-block models into one with several blocks (DyReg-GNN, NeurIPS 2021, section 4.1).

    One teacher with a single block is trained per stage. During the first ``share`` of the steps, ``weight`` times
    ``region_loss`` between the regions of each block and its teacher's is added to the classification loss. The paper
    does not specify how the offsets are compared; here :math:`(\\Delta x, \\Delta y, w, h)` are compared after the
    transformation :math:`\\alpha` (eq. 4), as positions of regions.

    The student's features are detached from the added loss, whose gradient reaches the parameters of the student's
    builders only. Teachers are frozen, in evaluation mode, and not part of the student's checkpoints. The loss is
    switched by the global step, so a resumed run equals an uninterrupted one.

    Logs ``train/distillation``, the unweighted loss.

    Args:
        teachers: checkpoint (``.safetensors`` or ``.ckpt``) of the teacher for each block. A block is named by its
            stage, ``stage2``, or by its builder, ``blocks.stage2.builder``. A teacher has a single block, or one with
            the same name.
        share: fraction of all training steps, in [0, 1].
        weight: weight of the added loss.

    Raises:
        ValueError: the student or a teacher has no such block, or their numbers of regions differ.
    """

    def __init__(self, teachers: dict[str, str], share: float = 0.1, weight: float = 1.0) -> None:
        super().__init__()
        if not teachers:
            raise ValueError("Expected 'teachers' with a checkpoint for at least one block (got none)")
        if not 0 <= share <= 1 or weight < 0:
            raise ValueError(f"Expected 'share' from 0 to 1 and 'weight' of at least 0 (got {share} and {weight})")
        self.teachers = dict(teachers)
        self.share, self.weight = share, weight
        self.num_steps = 0  # known when training starts
        self._pairs: dict[str, tuple[VideoClassifier, str]] = {}
        self._batch = ExitStack()  # closed after every batch

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Load the teachers, so that errors appear before training."""
        if stage != "fit":
            return
        student = find_builders(cast(VideoClassification, pl_module).net)
        for block, path in self.teachers.items():
            teacher = load_trained(path).model.requires_grad_(False)
            builders = find_builders(teacher)
            name = find_block(student, block, "the student")
            theirs = next(iter(builders)) if len(builders) == 1 else find_block(builders, block, f"'{path}'")
            if (ours := student[name].num_nodes) != (wanted := builders[theirs].num_nodes):
                both = f"block '{block}' as in its teacher '{path}'"
                raise ValueError(f"Expected as many regions in {both} (got {ours} and {wanted})")
            self._pairs[name] = (teacher, theirs)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.estimated_stepping_batches == float("inf"):
            raise ValueError("Expected max_epochs or max_steps, of which to take a share (got endless training)")
        self.num_steps = round(self.share * trainer.estimated_stepping_batches)
        for teacher, _ in self._pairs.values():
            teacher.to(pl_module.device)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:  # noqa: ARG002
        if trainer.global_step >= self.num_steps:
            return
        task = cast(VideoClassification, pl_module)
        maps = self._batch.enter_context(capture_maps(task.net))

        def extra(batch: Clips) -> Tensor:
            loss = torch.stack([self._loss(task.net, name, maps[name], batch.video) for name in self._pairs]).sum()
            # task.log would repeat the last value in all later steps of the epoch.
            every = trainer.log_every_n_steps  # type: ignore[attr-defined]
            if (trainer.global_step + 1) % max(1, every) == 0:
                for logger in trainer.loggers:
                    logger.log_metrics({"train/distillation": float(loss.detach())}, step=trainer.global_step)
            return self.weight * loss

        task.extra_losses.append(extra)
        self._batch.callback(task.extra_losses.remove, extra)

    def _loss(self, net: nn.Module, name: str, given: tuple[Tensor, Tensor | None], video: Tensor) -> Tensor:
        """Loss of one block; its builder runs again on its detached input."""
        x, lengths = given
        box = find_builders(net)[name].scan_regions(x.detach(), lengths=lengths)[0].box
        if not box.requires_grad:
            raise ValueError(f"Expected a student whose block '{name}' learns its regions (got fixed ones)")
        teacher, theirs = self._pairs[name]
        with torch.no_grad(), capture_graphs(teacher) as graphs:
            teacher(video)
        return region_loss(box, graphs[theirs].grid(graphs[theirs].need("box")))

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        self._batch.close()

    on_exception = on_train_batch_end


def find_block(builders: dict[str, Any], block: str, owner: str) -> str:
    """Name of the builder of a block: ``block`` itself, or the only name that contains it as a component."""
    found = [name for name in builders if name == block or block in name.split(".")]
    if len(found) != 1:
        raise ValueError(f"Expected '{block}' to name one of the blocks of {owner}: {', '.join(builders)}")
    return found[0]
