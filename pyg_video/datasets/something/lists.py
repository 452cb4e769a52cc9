"""The lists of videos and labels of Something-Something."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..._checks import check_option, naming

VERSIONS = ("v1", "v2")
SPLITS = ("train", "val", "test")
UNKNOWN = -1  # the label of a test video without an answer
_REPAIR = "fetch it again, and the list of labels with it"
_ANSWERS = Path("labels", "test-answers.csv")
_NAMES = {"train": "train", "val": "validation", "test": "test", "labels": "labels"}
_SUFFIX = {"v1": ".csv", "v2": ".json"}


class VideoRecord(NamedTuple):
    """One entry of a list.

    Attributes:
        id: name of the video's file or folder.
        label: class index; -1 in the test split, unless ``labels/test-answers.csv`` of the later download is there.
        text: description such as "holding potato next to bottle"; in v1 the class, in the test split "".
        placeholders: the objects for each [something] in the template of the class, as ("potato", "bottle").
    """

    id: str
    label: int
    text: str = ""
    placeholders: tuple[str, ...] = ()


def video_path(root: str | os.PathLike[str], version: str, name: str) -> Path:
    """Path of a video: a folder of frames in v1, a file in v2."""
    return Path(root) / f"20bn-something-something-{version}" / (name if version == "v1" else f"{name}.webm")


def id_problem(name: str) -> str:
    """What is wrong with an id that is no plain name of a file, such as one that leads to another folder; else ""."""
    plain = name.isprintable() and 0 < len(name) < 200 and not set(name) & set("/\\:") and set(name) != {"."}
    return "" if plain else "an id that is no name of a file"


def read_labels(root: str | os.PathLike[str], version: str) -> tuple[str, ...]:
    """Names of the classes in the order of the labels: as numbered in the list of v2, alphabetical for v1.

    The order of v1 is that of the published checkpoints of TSM and DyReg-GNN.
    """
    path = _list_file(root, version, "labels")
    with naming(path, f"the classes of Something-Something {version}", _REPAIR):
        if version == "v1":
            return tuple(sorted(filter(None, map(str.strip, path.read_text(encoding="utf-8").splitlines()))))
        number = {name: int(_checked(label, str, int)) for name, label in _read_json(path, dict).items()}
        if sorted(number.values()) != list(range(len(number))):
            raise ValueError(f"labels other than 0 to {len(number) - 1}")
        return tuple(sorted(number, key=number.__getitem__))


def read_records(root: str | os.PathLike[str], version: str, split: str, names: Sequence[str]) -> list[VideoRecord]:
    """The videos of a split in the order of its list.

    Args:
        root: folder of the download.
        version: ``"v1"`` or ``"v2"``.
        split: ``"train"``, ``"val"`` or ``"test"``.
        names: the classes, from :func:`read_labels`.

    Raises:
        FileNotFoundError: the list does not exist.
        ValueError: the list is damaged or has a class that is not among ``names``.
    """
    check_option("split", split, SPLITS)
    path = _list_file(root, version, split)
    number = {name: label for label, name in enumerate(names)}
    what = f"ids and classes of Something-Something {version}"
    with naming(path, what, _REPAIR):
        records = (_records_v1 if version == "v1" else _records_v2)(path, number)
        if not records:
            raise ValueError("no video")
    if split == "test" and (answers := Path(root) / _ANSWERS).is_file():
        with naming(answers, what, _REPAIR):
            known = {record.id: record.label for record in _records_v1(answers, number)}
        records = [record._replace(label=known.get(record.id, UNKNOWN)) for record in records]
    return records


def _records_v1(path: Path, number: dict[str, int]) -> list[VideoRecord]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file, delimiter=";", quoting=csv.QUOTE_NONE) if row]
    return [
        VideoRecord(name, number[label[0]], label[0]) if label else VideoRecord(name, UNKNOWN) for name, *label in rows
    ]


def _records_v2(path: Path, number: dict[str, int]) -> list[VideoRecord]:
    return [
        VideoRecord(
            str(_checked(row["id"], str, int)),
            number[re.sub(r"[\[\]]", "", row["template"])] if "template" in row else UNKNOWN,
            _checked(row.get("label", ""), str),
            tuple(_checked(each, str) for each in _checked(row.get("placeholders", []), list)),
        )
        for row in (_checked(row, dict) for row in _read_json(path, list))
    ]


def _list_file(root: str | os.PathLike[str], version: str, kind: str) -> Path:
    """Path of a list: with 20BN's name beside the videos or in ``labels/``, or with the name of the later download."""
    check_option("version", version, VERSIONS)
    name, suffix = _NAMES[kind], _SUFFIX[version]
    folders = (Path(root), Path(root) / "labels")
    candidates = [folder / f"something-something-{version}-{name}{suffix}" for folder in folders]
    candidates.append(folders[1] / f"{name}{suffix}")
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(
        f"Expected Something-Something {version} in 'root', with {candidates[0].name} (got '{os.fspath(root)}', "
        "without); docs/something_something.md shows the folder"
    )


def _read_json(path: Path, kind: type) -> Any:
    return _checked(json.loads(path.read_text(encoding="utf-8")), kind)


def _checked(value: Any, *kinds: type) -> Any:
    if not isinstance(value, kinds) or isinstance(value, bool):
        names = " or ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"{repr(value)[:40]}, which is no {names}")
    return value
