"""Scores of videos on disk, so that an evaluation that is stopped goes on where it was."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from .._files import write_whole


class VideoScores:
    """Class scores by the numbers of the videos, in a file that appears whole or not at all.

    Args:
        path: the file. If it is there, its scores are taken up.
        about: what the scores are of; scores of anything else are not taken up.
        num_videos: number of videos.
        num_classes: number of classes.

    Raises:
        ValueError: the file is damaged, or has scores of something else.

    Example:
        >>> path = getfixture("tmp_path") / "scores.safetensors"
        >>> scores = VideoScores(path, {"model": "tsm_resnet50"}, num_videos=3, num_classes=2)
        >>> scores.add(torch.tensor([0, 2]), torch.tensor([[0.5, 1.0], [2.0, 0.0]]))
        >>> scores.write()
        >>> VideoScores(path, {"model": "tsm_resnet50"}, num_videos=3, num_classes=2).missing()
        [1]
    """

    def __init__(
        self, path: str | os.PathLike[str], about: Mapping[str, str], *, num_videos: int, num_classes: int
    ) -> None:
        self.path, self.about = Path(path), dict(about)
        self.scores = torch.full((num_videos, num_classes), torch.nan)
        if self.path.is_file():
            self.scores = self._read()

    def missing(self) -> list[int]:
        """Numbers of the videos without scores, in order."""
        found: list[int] = self.scores.isnan().any(dim=1).nonzero().flatten().tolist()
        return found

    def add(self, number: Tensor, scores: Tensor) -> None:
        """Take scores :math:`(B, num\\_classes)` of videos by their numbers :math:`(B)`."""
        self.scores[number] = scores

    def write(self) -> None:
        """Bring the file up to date."""
        write_whole(self.path, save({"scores": self.scores}, {"about": json.dumps(self.about)}))

    def _read(self) -> Tensor:
        try:
            with safe_open(self.path, framework="pt") as file:
                about = json.loads((file.metadata() or {}).get("about", "{}"))
                scores = file.get_tensor("scores")
        except (SafetensorError, ValueError) as error:
            raise ValueError(f"Expected whole scores in '{self.path}' (got {error}); remove the file") from error
        differing = [key for key in self.about | about if self.about.get(key) != about.get(key)]
        if differing or scores.shape != self.scores.shape:
            key = differing[0] if differing else "number of classes"
            raise ValueError(
                f"Expected scores of the same evaluation in '{self.path}' (got others: {key} "
                f"'{about.get(key)}' instead of '{self.about.get(key)}'); choose another folder, or remove the file"
            )
        return scores
