"""Accuracy with its standard error: overall, by class, and clip by clip."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

_TOP = 5


class Score(NamedTuple):
    r"""Accuracy :math:`\hat p = r / n` and its standard error :math:`\sqrt{\hat p (1 - \hat p) / n}`.

    Example:
        >>> str(Score(943, 1000)), Score(943, 1000).share
        ('94.3 % ± 0.7 %', 0.943)
    """

    right: int
    clips: int

    @property
    def share(self) -> float:
        """Accuracy; NaN without clips."""
        return self.right / self.clips if self.clips else math.nan

    @property
    def standard_error(self) -> float:
        """Standard error over the clips, for fixed weights; NaN without clips."""
        return math.sqrt(self.share * (1 - self.share) / self.clips) if self.clips else math.nan

    def __str__(self) -> str:
        return f"{100 * self.share:.1f} % ± {100 * self.standard_error:.1f} %" if self.clips else "no clips"


class Answers(NamedTuple):
    """One entry per clip.

    Shapes:
        - **target:** true class, :math:`(M)`
        - **label:** class with the highest score, :math:`(M)`
        - **probability:** probability of that class, :math:`(M)`
    """

    target: Tensor
    label: Tensor
    probability: Tensor


class Evaluation(NamedTuple):
    """The result of :func:`evaluate`.

    Attributes:
        top1: number of clips whose class has the highest score.
        top5: number of clips whose class is among the five highest scores; ``None`` for five classes or fewer.
        per_class: top-1 score of each class, by name.
        confusion: number of clips of class :math:`i` that are classified as :math:`j`, :math:`(K, K)`.
        answers: the prediction for every clip.
        protocol: what the accuracy was measured on and how, as words by name.
        ids: names of the videos; empty for generated clips.
        whole: number of whole videos whose class has the highest mean probability over the parts that were classified;
            ``None`` if clips are no parts.
    """

    top1: Score
    top5: Score | None
    per_class: dict[str, Score]
    confusion: Tensor
    answers: Answers
    protocol: dict[str, str]
    ids: tuple[str, ...] = ()
    whole: Score | None = None


def judge(
    scores: Tensor,
    target: Tensor,
    label_names: Sequence[str],
    *,
    protocol: Mapping[str, str] | None = None,
    ids: Sequence[str] = (),
    part_of: Sequence[int] = (),
) -> Evaluation:
    """Compare class scores with the true classes.

    Args:
        scores: class scores of the clips.
        target: their true classes.
        label_names: names of the classes.
        protocol: what the scores were measured on and how.
        ids: names of the clips.
        part_of: number of the whole video that each clip is a part of; empty if all are whole.

    Shapes:
        - **scores:** :math:`(M, K)`
        - **target:** :math:`(M)`

    Example:
        >>> judge(torch.tensor([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]]), torch.tensor([0, 1, 1]), ["a", "b"]).per_class
        {'a': Score(right=1, clips=1), 'b': Score(right=1, clips=2)}
    """
    K = len(label_names)
    probability, label = scores.softmax(dim=-1).max(dim=-1)
    confusion = torch.bincount(target * K + label, minlength=K * K).view(K, K)
    right, clips = confusion.diagonal().tolist(), confusion.sum(dim=1).tolist()
    among_top = scores.topk(min(_TOP, K), dim=1).indices == target[:, None]
    return Evaluation(
        top1=Score(sum(right), len(target)),
        top5=Score(int(among_top.sum()), len(target)) if K > _TOP else None,
        per_class={name: Score(*pair) for name, *pair in zip(label_names, right, clips, strict=True)},
        confusion=confusion,
        answers=Answers(target, label, probability),
        protocol=dict(protocol or {}),
        ids=tuple(ids),
        whole=_whole(scores, target, torch.tensor(part_of)) if part_of else None,
    )


def _whole(scores: Tensor, target: Tensor, part_of: Tensor) -> Score:
    """The score of whole videos by the mean probability over their parts."""
    video, number = part_of.unique(return_inverse=True)
    share = scores.new_zeros(len(video), scores.size(1)).index_add(0, number, scores.softmax(dim=-1))
    truth = target.new_zeros(len(video)).index_copy(0, number, target)
    return Score(int((share.argmax(dim=1) == truth).sum()), len(video))
