"""How often a model is right about the videos of files, by the papers' protocol."""

from __future__ import annotations

import copy
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from .._checks import check_option
from .._extras import need
from .._version import __version__
from ..models import VideoClassifier
from ..training.scoring import choose_device, class_scores
from .digits import PRECISIONS, Answers, Evaluation, Score, in_words
from .video_scores import VideoScores

if TYPE_CHECKING:
    from ..datasets import VideoClip
    from ..training.data.something_something import SomethingSomethingData

_TOP = 5
_EVERY = 30.0  # seconds from one writing of the scores to the next


class VideoProtocol(NamedTuple):
    """What the number was taken on, and how."""

    videos: str
    views: str
    frames: str
    precision: str
    model: str
    checkpoint: str
    version: str


def evaluate_videos(
    model: VideoClassifier,
    data: SomethingSomethingData,
    folder: str | os.PathLike[str],
    *,
    num_videos: int | None = None,
    precision: str = "float32",
    device: str = "auto",
    checkpoint: str = "none",
    progress: bool = False,
) -> Evaluation:
    """Score a model on the test videos of a data module; every video counts, with the mean of its views' scores.

    The scores are in ``folder/video_scores.safetensors`` as soon as they are known, within half a minute. A run that
    is stopped, or killed, goes on from there if it is started again; one that was complete is not repeated.

    Args:
        model: video to class scores; it stays as it is.
        data: its ``test`` videos, with labels; ``test_clips``, ``test_crops`` and ``test_frame`` make the views.
        folder: where the scores are kept.
        num_videos: only the first ones; all by default.
        precision: ``"float32"``, or ``"bfloat16"`` by autocast.
        device: as torch names it; ``"auto"`` takes a GPU if there is one.
        checkpoint: where the weights are from, for the protocol.
        progress: show a bar, if standard error is a terminal.

    Raises:
        ValueError: the labels are not known, the model has other classes or gives NaN, an option is wrong, a video is
            damaged, or the folder has scores of another evaluation.
    """
    check_option("precision", precision, PRECISIONS)
    videos = data.test
    total = len(videos)
    num_videos = total if num_videos is None else num_videos
    if not 1 <= num_videos <= total:
        raise ValueError(f"Expected 'num_videos' from 1 to the {total} that there are (got {num_videos})")
    target = torch.tensor([record.label for record in videos.records])
    if bool((target < 0).any()):
        raise ValueError("Expected 'test_split' val to score a model (got test, whose labels are not known)")
    where = choose_device(device)
    protocol = _protocol(model, data, num_videos, in_words(precision, where), checkpoint)
    ids = [record.id for record in videos.records]
    listed = hashlib.sha256("\n".join(ids).encode()).hexdigest()[:12]
    about = {**protocol._asdict(), "videos": f"{protocol.videos}, list {listed}", "version": __version__}
    path = Path(folder) / "video_scores.safetensors"
    scores = VideoScores(path, about, num_videos=num_videos, num_classes=data.num_classes)
    todo = scores.missing()
    if todo:
        twin = copy.deepcopy(model).eval().to(where)
        batches = _shown(data.views_of(todo), done=num_videos - len(todo), total=num_videos, progress=progress)
        with torch.inference_mode(), torch.autocast(where.type, torch.bfloat16, enabled=precision == "bfloat16"):
            _fill(scores, twin, where, batches)
    return _judged(scores.scores, target[:num_videos], data.label_names, ids[:num_videos], protocol)


def _fill(scores: VideoScores, model: VideoClassifier, device: torch.device, batches: Iterator[VideoClip]) -> None:
    """Score batch after batch; what is known is written at times, and at the end, however it comes."""
    written = time.monotonic()
    try:
        for batch in batches:
            found = class_scores(model, batch._replace(video=batch.video.to(device))).cpu()
            if found.size(1) != scores.scores.size(1):
                raise ValueError(
                    f"Expected 'model' to tell the {scores.scores.size(1)} classes of the videos apart "
                    f"(got {found.size(1)} scores)"
                )
            if not found.isfinite().all():
                raise ValueError(
                    "Expected finite scores (got NaN or infinity); the training diverged, use an earlier checkpoint"
                )
            scores.add(batch.number, found)
            if time.monotonic() - written > _EVERY:
                scores.write()
                written = time.monotonic()
    finally:
        scores.write()


def _shown(batches: Iterable[VideoClip], *, done: int, total: int, progress: bool) -> Iterator[VideoClip]:
    tqdm = need("tqdm", "train").tqdm
    with tqdm(
        initial=done, total=total, unit=" videos", disable=None if progress else True
    ) as bar:  # None: unless a terminal
        for batch in batches:
            yield batch
            bar.update(len(batch.number))


def _judged(
    scores: Tensor, target: Tensor, names: Sequence[str], ids: Sequence[str], protocol: VideoProtocol
) -> Evaluation:
    K = len(names)
    probability, label = scores.softmax(dim=-1).max(dim=-1)
    confusion = torch.bincount(target * K + label, minlength=K * K).view(K, K)
    right, videos = confusion.diagonal().tolist(), confusion.sum(dim=1).tolist()
    top5 = int((scores.topk(min(_TOP, K), dim=1).indices == target[:, None]).sum())
    return Evaluation(
        top1=Score(sum(right), len(target)),
        top5=Score(top5, len(target)) if K > _TOP else None,
        per_class={name: Score(*pair) for name, *pair in zip(names, right, videos, strict=True)},
        confusion=confusion,
        answers=Answers(target, label, probability),
        protocol=protocol,
        ids=tuple(ids),
    )


def _protocol(
    model: VideoClassifier, data: SomethingSomethingData, num_videos: int, precision: str, checkpoint: str
) -> VideoProtocol:
    videos = data.test
    total = len(videos)
    few = f"the first {num_videos:,} of {total:,}" if num_videos < total else f"{total:,}, none left out"
    if num_videos == total and videos.skipped:
        few = f"{total:,}, {len(videos.skipped):,} missing or damaged ones left out"
    split = "validation" if videos.split == "val" else videos.split
    side, crops, clips = data.test_frame, data.test_crops, data.test_clips
    kind = "central crop" if crops == 1 else "crops"
    averaged = ", scores averaged" if crops * clips > 1 else ""
    return VideoProtocol(
        videos=f"Something-Something {videos.version}, {split} split, {few}",
        views=f"{crops} {kind} x {clips} clip{'s' if clips > 1 else ''} a video{averaged}",
        frames=f"{videos.num_frames} of {side} x {side} pixels, sampling by {data.sampling}",
        precision=precision,
        model=type(model).__name__ if model.recipe is None else model.recipe.name,
        checkpoint=checkpoint,
        version=f"pyg_video {__version__}, torch {torch.__version__}",
    )
