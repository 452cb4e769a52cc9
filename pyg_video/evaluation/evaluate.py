"""Run a model over the clips of a test set and measure its accuracy."""

from __future__ import annotations

import copy
import hashlib
import os
from pathlib import Path

import torch
from torch import Tensor, nn

from .._checks import check_option
from .._extras import need
from .._version import __version__
from ..checkpoints.weights import checksum
from ..training.scoring import choose_device, class_scores
from .accuracy import Evaluation, judge
from .scores import ClipScores
from .sources import ClipSource

SCORES = "clip_scores.safetensors"


def evaluate(
    model: nn.Module,
    clips: ClipSource,
    *,
    folder: str | os.PathLike[str] | None = None,
    num_clips: int | None = None,
    batch_size: int | None = None,
    precision: str = "float32",
    device: str = "auto",
    checkpoint: str = "none",
    progress: bool = False,
) -> Evaluation:
    """Measure a model's accuracy on test clips; the scores of several views of a clip are averaged.

    With a ``folder``, the scores are kept in ``folder/clip_scores.safetensors`` and written every 30 seconds. A run
    that was interrupted or killed resumes from there when it is started again, and a complete one is not repeated.
    Clips are generated on the CPU for any device, so that the pixels are the same everywhere.

    Args:
        model: video to class scores; not modified.
        clips: the test set, see :func:`recorded_clips` and :func:`configured_clips`.
        folder: where to keep the scores; by default they are kept in memory only.
        num_clips: number of clips, from the first on; all by default.
        batch_size: clips per batch; by default that of the test set.
        precision: ``"float32"``, or ``"bfloat16"`` by autocast.
        device: name of a torch device; ``"auto"`` selects a GPU if there is one.
        checkpoint: source of the weights, for the protocol.
        progress: show a progress bar if standard error is a terminal.

    Raises:
        ValueError: the model has other classes than the clips or gives NaN, an option is wrong, a video is damaged, or
            the folder has the scores of another evaluation.

    Example:
        >>> from pyg_video.checkpoints import SHIPPED_TASK, load_model, shipped_checkpoint
        >>> from pyg_video.datasets import SyncMNIST
        >>> from pyg_video.evaluation import DigitSource
        >>> clips = SyncMNIST(split="test", num_clips=50, **SHIPPED_TASK)
        >>> source = DigitSource(clips, "generated, seed 0", "bundled")
        >>> evaluate(load_model(shipped_checkpoint("dyreg_gnn_small")), source).top1.share > 0.9
        True
    """
    check_option("precision", precision, ("float32", "bfloat16"))
    total = len(clips)
    num_clips = total if num_clips is None else num_clips
    batch_size = clips.batch_size if batch_size is None else batch_size
    if not 1 <= num_clips <= total or batch_size < 1:
        wanted = f"'num_clips' from 1 to the {total} that there are, and 'batch_size' of at least 1"
        raise ValueError(f"Expected {wanted} (got {num_clips} and {batch_size})")
    where = choose_device(device)
    run = _run_in_words(model, precision, where, checkpoint)
    about = {**clips.protocol(total), **run, "version": __version__}
    path = None
    if folder is not None:
        path, about["weights"] = Path(folder) / SCORES, checksum(model.state_dict())[:12]
        about["ids"] = hashlib.sha256("\n".join(clips.ids).encode()).hexdigest()[:12]
    scores = ClipScores(total, len(clips.label_names), path=path, about=about)
    if todo := scores.missing(num_clips):
        numbers = [todo[i : i + batch_size] for i in range(0, len(todo), batch_size)]
        tqdm = need("tqdm", "train").tqdm
        hidden = None if progress else True  # None: unless standard error is a terminal
        with (
            torch.inference_mode(),
            torch.autocast(where.type, torch.bfloat16, enabled=precision == "bfloat16"),
            scores,  # writes those known at the end, also after an exception
            tqdm(initial=num_clips - len(todo), total=num_clips, unit=f" {clips.unit}", disable=hidden) as bar,
        ):
            net = copy.deepcopy(model).eval().to(where)
            for some, batch in zip(numbers, clips.batches(numbers), strict=True):
                found = class_scores(net, batch)
                scores.add(some, _checked(found, len(some), len(clips.label_names)), batch.label)
                bar.update(len(some))
    protocol = {**clips.protocol(num_clips), **run}
    known, target = scores.scores[:num_clips], scores.target[:num_clips]
    parts = clips.part_of[:num_clips]
    return judge(known, target, clips.label_names, protocol=protocol, ids=clips.ids[:num_clips], part_of=parts)


def _checked(found: Tensor, num_clips: int, num_classes: int) -> Tensor:
    if found.shape != (num_clips, num_classes):
        raise ValueError(
            f"Expected 'model' to tell the {num_classes} classes of the clips apart (got {list(found.shape)} scores "
            f"for {num_clips} clips); score it on clips like those of its training"
        )
    if not found.isfinite().all():
        raise ValueError(
            "Expected finite scores (got NaN or infinity); the training diverged, use an earlier checkpoint"
        )
    return found


def _run_in_words(model: nn.Module, precision: str, device: torch.device, checkpoint: str) -> dict[str, str]:
    on_gpu = device.type == "cuda"
    rounds = on_gpu and precision == "float32" and torch.backends.cudnn.allow_tf32
    name = torch.cuda.get_device_name(device) if on_gpu else device.type
    recipe = getattr(model, "recipe", None)
    return {
        "precision": f"{precision}{' (convolutions in TF32)' if rounds else ''} on {name}",
        "model": type(model).__name__ if recipe is None else recipe.name,
        "checkpoint": checkpoint,
        "version": f"pyg_video {__version__}, torch {torch.__version__}",
    }
