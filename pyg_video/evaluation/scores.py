"""Class scores by clip number, kept in a file so that an interrupted evaluation resumes."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from .._files import write_whole
from ..checkpoints.weights import checksum

_EVERY = 30.0  # seconds between two writes of the file


class ClipScores:
    """Class scores and true classes by clip number, in memory and optionally in a file.

    As a context manager it writes the file when the block ends, also by an exception.

    Args:
        num_clips: number of clips.
        num_classes: number of classes.
        path: the file, which is always whole; its scores are read if it exists. ``None`` for memory only.
        about: what the scores belong to; a file about anything else is refused.

    Attributes:
        scores: :math:`(num\\_clips, num\\_classes)`, NaN where not known.
        target: :math:`(num\\_clips)`, -1 where not known.

    Raises:
        ValueError: the file is damaged or has the scores of something else.

    Example:
        >>> path = getfixture("tmp_path") / "scores.safetensors"
        >>> with ClipScores(3, 2, path=path, about={"model": "tsm_resnet50"}) as scores:
        ...     scores.add([0, 2], torch.tensor([[0.5, 1.0], [2.0, 0.0]]), target=torch.tensor([1, 1]))
        >>> ClipScores(3, 2, path=path, about={"model": "tsm_resnet50"}).missing()
        [1]
    """

    def __init__(
        self,
        num_clips: int,
        num_classes: int,
        *,
        path: str | os.PathLike[str] | None = None,
        about: Mapping[str, str] | None = None,
    ) -> None:
        self.path, self.about = None if path is None else Path(path), dict(about or {})
        self.scores = torch.full((num_clips, num_classes), torch.nan)
        self.target = torch.full((num_clips,), -1)
        self._written = time.monotonic()
        if self.path is not None and self.path.is_file():
            self.scores, self.target = self._read(self.path)

    def missing(self, num_clips: int | None = None) -> list[int]:
        """Numbers of the clips without scores, in order, of all or of the first ``num_clips``."""
        found: list[int] = self.scores[:num_clips].isnan().any(dim=1).nonzero().flatten().tolist()
        return found

    def add(self, numbers: Sequence[int], scores: Tensor, target: Tensor) -> None:
        """Take the scores :math:`(B, num\\_classes)` and true classes :math:`(B)` of the clips ``numbers``."""
        self.scores[numbers] = scores.float().cpu()
        self.target[numbers] = target.cpu()
        if time.monotonic() - self._written > _EVERY:
            self.write()

    def write(self) -> None:
        """Bring the file up to date."""
        if self.path is None:
            return
        tensors = {"scores": self.scores, "target": self.target}
        write_whole(self.path, save(tensors, {"about": json.dumps(self.about), "checksum": checksum(tensors)}))
        self._written = time.monotonic()

    def __enter__(self) -> ClipScores:
        return self

    def __exit__(self, *error: object) -> None:
        self.write()

    def _read(self, path: Path) -> tuple[Tensor, Tensor]:
        try:
            with safe_open(path, framework="pt") as file:
                told = file.metadata() or {}
                about = json.loads(told.get("about", "{}"))
                tensors = {name: file.get_tensor(name) for name in ("scores", "target")}
            if told.get("checksum") != checksum(tensors):
                raise ValueError("scores that have changed")
        except (SafetensorError, ValueError) as error:
            raise ValueError(f"Expected whole scores in '{path}' (got {error}); remove the file") from error
        scores, target = tensors.values()
        differing = [key for key in self.about | about if self.about.get(key) != about.get(key)]
        if differing or scores.shape != self.scores.shape:
            key = differing[0] if differing else "number of clips and classes"
            raise ValueError(
                f"Expected scores of the same evaluation in '{path}' (got others: {key} "
                f"'{about.get(key)}' instead of '{self.about.get(key)}'); choose another folder, or remove the file"
            )
        return scores, target
