"""An evaluation as text for the terminal and as files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from .._files import write_table, write_whole
from .._text import printable
from ..visualization import draw_confusion, save_png
from .accuracy import Evaluation, Score

_SHOWN = 3  # classes at either end


def as_text(evaluation: Evaluation) -> str:
    """Accuracies with standard errors, the best and the worst classes, and the protocol, as text.

    Example:
        >>> import torch
        >>> from pyg_video.evaluation import judge
        >>> print(as_text(judge(torch.eye(2), torch.tensor([0, 1]), ["a", "b"])).splitlines()[0])
        top-1  100.0 % ± 0.0 %  (2 of 2 clips)
    """
    tops = {"top-1": evaluation.top1, "top-5": evaluation.top5}
    lines = [f"{top}  {s}  ({s.right:,} of {s.clips:,} clips)" for top, s in tops.items() if s is not None]
    if (whole := evaluation.whole) is not None:
        lines.append(f"whole  {whole}  ({whole.right:,} of {whole.clips:,} videos, by the mean over their parts)")
    seen = [(name, score) for name, score in evaluation.per_class.items() if score.clips]
    ranked = sorted(seen, key=lambda row: -row[1].share)
    wide = max(len(short_name(name)) for name, _ in ranked)
    shown = min(_SHOWN, len(ranked) // 2)
    lines += ["", *(f"best   {short_name(name):{wide}}  {score!s:>16}" for name, score in ranked[:shown])]
    lines += [f"worst  {short_name(name):{wide}}  {score!s:>16}" for name, score in ranked[len(ranked) - shown :][::-1]]
    if empty := len(evaluation.per_class) - len(seen):
        lines.append(f"{empty} of {len(evaluation.per_class)} classes have no clip")
    return "\n".join([*lines, "", *(f"{name:12}  {value}" for name, value in evaluation.protocol.items())])


def write_evaluation(evaluation: Evaluation, folder: str | os.PathLike[str]) -> list[Path]:
    """Write the files of an evaluation, each of them atomically, and return their paths.

    - ``scores.json``: top-1 and top-5 accuracy with standard errors, and the protocol,
    - ``per_class.csv``: one row per class,
    - ``confusion.csv`` and ``confusion.png``: true classes in rows, predicted classes in columns,
    - ``predictions.csv``: one row per clip.
    """
    folder = Path(folder)
    names = [short_name(name) for name in evaluation.per_class]
    order = sorted(range(len(names)), key=lambda k: names[k])  # 0 & 1, 0 & 2, ..., nothing
    confusion = evaluation.confusion[order][:, order]
    ordered = [names[k] for k in order]
    title = f"{evaluation.protocol['model']}: {evaluation.top1} of {evaluation.top1.clips:,} clips"
    rows = zip(ordered, confusion.tolist(), strict=True)
    return [
        write_whole(folder / "scores.json", _json(evaluation)),
        write_table(folder / "per_class.csv", _class_rows(evaluation)),
        write_table(folder / "confusion.csv", [("truth", *ordered), *((name, *row) for name, row in rows)]),
        save_png(folder / "confusion.png", draw_confusion(confusion, ordered, title=title)),
        write_table(folder / "predictions.csv", _clip_rows(evaluation)),
    ]


def short_name(name: str) -> str:
    """Name of a class to print, shortened for the synchronous digits.

    Example:
        >>> short_name("3 and 7 move together"), short_name("nothing moves together")
        ('3 & 7', 'nothing')
    """
    return printable(name.removesuffix(" move together").removesuffix(" moves together").replace(" and ", " & "))


def _json(evaluation: Evaluation) -> str:
    def told(score: Score | None) -> dict[str, float] | None:
        return score and {"accuracy": score.share, "standard_error": score.standard_error, **score._asdict()}

    scores = {"top1": told(evaluation.top1), "top5": told(evaluation.top5)}
    if evaluation.whole is not None:
        scores["whole"] = told(evaluation.whole)
    return json.dumps({**scores, "protocol": evaluation.protocol}, indent=2) + "\n"


def _class_rows(evaluation: Evaluation) -> Iterable[Sequence[object]]:
    yield "label", "name", "clips", "right", "accuracy", "standard_error"
    for label, (name, score) in enumerate(evaluation.per_class.items()):
        figures = (f"{score.share:.6f}", f"{score.standard_error:.6f}") if score.clips else ("", "")
        yield label, name, score.clips, score.right, *figures


def _clip_rows(evaluation: Evaluation) -> Iterable[Sequence[object]]:
    """The columns of ``pyg-video predict``; videos appear by id, generated clips by number."""
    yield "clip", "target", "label", "probability", "name"
    ids: Sequence[object] = evaluation.ids or range(len(evaluation.answers.label))
    names = list(evaluation.per_class)
    target, label, probability = (column.tolist() for column in evaluation.answers)
    for clip, true, said, share in zip(ids, target, label, probability, strict=True):
        yield clip, true, said, f"{share:.6f}", names[said]
