"""The test clips of recorded trajectories or of a run's configuration."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .._checks import naming
from .._config import merged_config
from .._extras import need
from ..datasets import SyncMNIST
from ..datasets.digits.clips import DigitClips
from ..training.loading import Trained
from .sources import ClipSource, DigitSource, ModuleSource, VideoSource

_DIGITS = ("SyncMNISTData", "MultiSyncMNISTData")
_NOT_OF_THE_CLIPS = (
    *("digits", "download", "seed", "curriculum", "batch_size", "num_train", "num_val", "num_test", "num_workers"),
)


def recorded_clips(
    trajectories: str | os.PathLike[str],
    *,
    digits: str = "bundled",
    download: bool = False,
    canvas_size: int = 100,
    frame_size: int = 64,
    digit_size: int = 28,
) -> DigitSource:
    """The clips of recorded trajectories, such as the authors' test split ``authors_5sync_test.npz``.

    Args:
        trajectories: an ``.npz`` file, see :meth:`~pyg_video.datasets.SyncMNIST.from_trajectories`.
        digits: ``"bundled"``, or the root folder of torchvision's MNIST; the authors' file needs the latter.
        download: download MNIST if it is missing.
        canvas_size: side of the canvas in pixels.
        frame_size: side of the frames in pixels.
        digit_size: side of a digit's tile on the canvas in pixels.

    Raises:
        FileNotFoundError: the file or MNIST is missing.
        ValueError: the file does not hold trajectories, or they do not fit the digits.
    """
    _find_digits(digits, download=download)
    try:
        clips = SyncMNIST.from_trajectories(
            trajectories, digits=digits, canvas_size=canvas_size, frame_size=frame_size, digit_size=digit_size
        )
    except ValueError as error:
        if digits != "bundled" or "'digit_index'" not in str(error):
            raise
        raise ValueError(f"{error}; for the authors' file that is MNIST: --digits FOLDER --download") from error
    return _digit_source(clips, name_and_checksum(trajectories), digits)


def configured_clips(
    config: str | os.PathLike[str] | Sequence[str],
    *,
    digits: str | None = None,
    download: bool = False,
    root: str | None = None,
    num_workers: int | None = None,
) -> ClipSource:
    """The test clips of a run's configuration, which its training did not see; needs Lightning.

    Args:
        config: YAML file of ``pyg-video fit``, or several to merge; only ``data`` is read.
        digits: of digit clips, other images than those of the configuration.
        download: of digit clips, download MNIST if it is missing.
        root: of videos, another folder than that of the configuration.
        num_workers: of videos, the number of processes that decode.

    Raises:
        FileNotFoundError: the configuration or the data is missing.
        ValueError: the file does not configure a known data module, or an argument is not for this one.
    """
    files = [config] if isinstance(config, (str, os.PathLike)) else config
    with naming(" and ".join(map(str, files)), "data and its options"):
        return _module_clips(*_configured_data(files), digits, download, root, num_workers)


def _module_clips(
    module: type,
    options: dict[str, Any],
    digits: str | None,
    download: bool,
    root: str | None,
    num_workers: int | None,
) -> ClipSource:
    """The test clips of a data module; arguments as :func:`configured_clips`."""
    name = module.__name__
    source = str(options.get("digits", "bundled")) if digits is None else digits
    changed: dict[str, Any] = {}
    files = need("pyg_video.training.data", "train").VideoFileData
    known = ("root", "num_workers") if issubclass(module, files) else ("digits", "download") * (name in _DIGITS)
    given = {"digits": digits, "download": download or None, "root": root, "num_workers": num_workers}
    if unused := [option for option, value in given.items() if value is not None and option not in known]:
        raise ValueError(f"Expected no '{unused[0]}' for the clips of {name} (got {given[unused[0]]}); leave it out")
    if issubclass(module, files):
        changed = {"root": root, "num_workers": num_workers}
    elif name in _DIGITS:
        _find_digits(source, download=download or bool(options.get("download")))
        changed = {"digits": source, "download": False}
    try:
        data = module(**options | {key: value for key, value in changed.items() if value is not None})
    except TypeError as error:
        raise ValueError(f"Expected options of {name} (got {', '.join(options)}: {error})") from error
    if isinstance(data, files):
        return VideoSource(data)
    if name not in _DIGITS:
        return ModuleSource(data)
    words = ", ".join(f"{key} {value}" for key, value in options.items() if key not in _NOT_OF_THE_CLIPS)
    return _digit_source(data.test, f"test clips of {name}" + (f" ({words})" if words else ""), source)


def _configured_data(files: Sequence[str | os.PathLike[str]]) -> tuple[type, dict[str, Any]]:
    """The data module of a run's configuration, one of ours or an imported one, and its options."""
    data = merged_config(files).get("data")
    data = data if isinstance(data, Mapping) else {}
    name = str(data.get("class_path", "none")).rpartition(".")[2]
    known = _subclasses(need("pyg_video.training.data", "train").VideoData)
    if name not in known:
        raise ValueError(
            f"Expected 'config' with data: class_path: {' or '.join(known)} (got one with {name}); use the "
            "file that trained the model, or the config.yaml of its run, and --import for data of your own"
        )
    options = data.get("init_args") or {}
    if not isinstance(options, Mapping):
        raise ValueError(f"Expected options of {name} by name (got {options})")
    return known[name], dict(options)


def _subclasses(kind: type) -> dict[str, type]:
    """All classes below a class, by name."""
    found: dict[str, type] = {}
    below: type
    for below in kind.__subclasses__():
        found |= {below.__name__: below} | _subclasses(below)
    return found


def check_fit(trained: Trained, clips: ClipSource) -> None:
    """Raise unless a model was made for these classes and frames, as far as its file tells."""
    repair = "score it on clips like those of its training, with --config"
    num_classes = len(clips.label_names)
    if (theirs := trained.option("num_classes", num_classes)) != num_classes:
        raise ValueError(f"Expected a model of the {num_classes} classes of the clips (got one of {theirs}); {repair}")
    for got, ours in zip(trained.label_names, clips.label_names, strict=False):  # a file need not tell the names
        if got != ours:
            wrong = f"'{got}' where the clips have '{ours}'"
            raise ValueError(f"Expected a model with the classes of the clips (got {wrong}); {repair}")
    size = clips.frame_size
    if size is not None and (frame_size := trained.option("frame_size", size)) != size:
        raise ValueError(f"Expected a model for frames of {size} pixels (got one for {frame_size}); {repair}")


def _find_digits(digits: str, *, download: bool) -> None:
    """Raise unless the digit images exist; download them first if requested."""
    if digits == "bundled" or (not download and Path(digits, "MNIST", "raw").is_dir()):
        return
    if not download:
        raise FileNotFoundError(
            f"Expected 'digits' to be 'bundled' or a folder that holds MNIST/raw (got '{digits}', without MNIST); "
            "fetch it (12 MB) with download=True, on the command line --download"
        )
    from torchvision.datasets import MNIST

    try:
        MNIST(digits, download=True)
    except RuntimeError as error:
        raise OSError(f"Expected to fetch MNIST into '{digits}' (got: {error}); copy MNIST/raw there") from error


def name_and_checksum(path: str | os.PathLike[str]) -> str:
    """A file's name and the first digits of its checksum, which distinguish files of the same name."""
    with Path(path).open("rb") as file:
        return f"{Path(path).name}, sha256 {hashlib.file_digest(file, 'sha256').hexdigest()[:12]}"


def _digit_source(clips: DigitClips, trajectories: str, digits: str) -> DigitSource:
    name = "bundled UCI digits" if digits == "bundled" else "MNIST"
    return DigitSource(clips, trajectories, f"{name}, test split, {len(clips.digits.target):,} images")
