"""Predictions of many videos as JSON and CSV, written while they are made."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from .._files import as_cell, whole_file
from .video_prediction import VideoPrediction

_FORMAT = 1
_COLUMNS = ("video", "start", "end", "rank", "name", "probability")


class VideoRecord:
    """The entry of one video, to which predictions are added.

    Attributes:
        count: number of predictions so far.
        complete: whether the video was not stopped.
        overall: the last prediction, with the classes of the whole video so far.
        ending: what the entry ends with.
    """

    def __init__(
        self, video: str, about: Mapping[str, object], json_file: BinaryIO, csv_file: BinaryIO, top: int, stream: bool
    ) -> None:
        self._about = about
        self.ending: dict[str, object] = {}
        self._video, self._json, self._csv, self._top, self._stream = video, json_file, csv_file, top, stream
        self.count = 0
        self.complete = True
        self.overall: VideoPrediction | None = None

    def each(self, predictions: Iterable[VideoPrediction]) -> Iterator[VideoPrediction]:
        """The predictions, each of which is written on the way."""
        for prediction in predictions:
            self.add(prediction)
            yield prediction

    def add(self, prediction: VideoPrediction) -> None:
        """Write a prediction."""
        begin = "" if self.count else self._begin(prediction)
        text = begin + (",\n  " if self.count else "\n  ") + json.dumps(as_json(prediction), allow_nan=False)
        part = (f"{prediction.start:.3f}", f"{prediction.end:.3f}")
        best = enumerate(prediction.top(self._top), start=1)
        lines = _csv_lines((self._video, *part, k, name, f"{share:.6f}") for k, (name, share) in best)
        self._write(text)  # at once, so that Ctrl-C leaves no half of it
        self._csv.write(lines)
        self.count += 1
        probability = prediction.probability
        if self.overall is not None and not self._stream:  # the mean so far
            before = self.overall.probability
            probability = before + (probability - before) / self.count
        self.overall = prediction._replace(probability=probability)

    def finish(self) -> None:
        """Write the end of the entry."""
        assert self.overall is not None
        classes = _classes(self.overall)
        self._write("\n ], " + json.dumps({**self.ending, "classes": classes, "complete": self.complete})[1:])

    def _begin(self, prediction: VideoPrediction) -> str:
        left, top, width, height = prediction.place
        seen = torch.tensor([left, top, left + width, top + height], dtype=torch.float64)
        size = dict(zip(("height", "width"), prediction.size, strict=True))
        about = {"video": self._video, **size, **self._about, "square": _pixels(seen, prediction.size)}
        return json.dumps(about)[:-1] + ', "windows": ['

    def _write(self, text: str) -> None:
        self._json.write(text.encode())


class PredictionRecord:
    """``predictions.json`` and ``predictions.csv`` that are being written; see :func:`open_record`."""

    def __init__(self, json_file: BinaryIO, csv_file: BinaryIO, top: int, stream: bool) -> None:
        self._json, self._csv, self._top, self._stream = json_file, csv_file, top, stream
        self._count = 0

    @contextmanager
    def video(self, name: str, **about: object) -> Iterator[VideoRecord]:
        """The entry of a video, with what is known about it beforehand; an error in the block leaves none."""
        places = [(file, file.tell()) for file in (self._json, self._csv)]
        entry = VideoRecord(name, about, self._json, self._csv, self._top, self._stream)
        try:
            self._json.write(b",\n " if self._count else b"\n ")
            yield entry
            entry.finish()
            self._count += 1
        except BaseException:
            for file, place in places:
                file.seek(place)
                file.truncate()
            raise


@contextmanager
def open_record(
    folder: str | os.PathLike[str], about: Mapping[str, object], *, top: int = 5, stream: bool = False
) -> Iterator[PredictionRecord]:
    """Write ``predictions.json`` and ``predictions.csv``; they are there when the block ends without an error.

    Args:
        folder: where to write; made if missing.
        about: what the JSON file begins with.
        top: number of classes in the CSV file; the JSON file has all.
        stream: the classes of a whole video are those of its last prediction, instead of the mean.
    """
    folder = Path(folder)
    with (
        _no_empty(folder),
        whole_file(folder / "predictions.json") as draft,
        whole_file(folder / "predictions.csv") as draft_of_csv,
        draft.open("wb") as json_file,
        draft_of_csv.open("wb") as csv_file,
    ):
        json_file.write((json.dumps({"format": _FORMAT, **about})[:-1] + ', "videos": [').encode())
        csv_file.write(_csv_lines([_COLUMNS]))
        yield PredictionRecord(json_file, csv_file, top, stream)
        json_file.write(b"\n]}\n")


@contextmanager
def _no_empty(folder: Path) -> Iterator[None]:
    """Remove the folder after an error if it was not there before and has nothing in it."""
    known = folder.exists()
    try:
        yield
    except BaseException:
        if not known:
            with suppress(OSError):
                folder.rmdir()
        raise


def as_json(prediction: VideoPrediction) -> dict[str, object]:
    """A prediction for JSON: seconds, classes from the best on, and regions in pixels of the original frames.

    A region is ``[left, top, right, bottom]``, which may reach beyond the frame, or None where a node is missing;
    ``regions[graph][t][n]`` is that of node ``n`` on the frame ``frames[t]``.
    """
    regions = {}
    for name in prediction.regions:
        box = prediction.on_frame(name).double()
        corners = torch.cat([box[..., :2] - box[..., 2:] / 2, box[..., :2] + box[..., 2:] / 2], dim=-1)
        frames = _pixels(corners, prediction.size)
        regions[name] = [[None if region[0] != region[0] else region for region in frame] for frame in frames]
    return {
        "start": round(prediction.start, 3),
        "end": round(prediction.end, 3),
        "classes": _classes(prediction),
        "frames": prediction.numbers.tolist(),
        "times": [round(time, 3) for time in prediction.times.tolist()],
        "regions": regions,
    }


def _classes(prediction: VideoPrediction) -> list[dict[str, object]]:
    return [{"name": name, "probability": round(share, 6)} for name, share in prediction.top(len(prediction.names))]


def _pixels(corners: Tensor, size: tuple[int, int]) -> list[Any]:
    found: list[Any] = (corners * torch.tensor([size[1], size[0]] * 2)).round(decimals=1).tolist()
    return found


def _csv_lines(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(map(as_cell, row) for row in rows)
    return text.getvalue().encode()
