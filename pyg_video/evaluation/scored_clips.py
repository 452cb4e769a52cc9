"""Which clips a model is scored on, with what a reader of the score should know about them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from .._config import merged_config
from .._extras import need
from ..datasets import SyncMNIST
from ..datasets.digits.clips import DigitClips
from ..training.loading import Trained

_NOT_OF_THE_CLIPS = ("digits", "download", "seed", "batch_size", "num_train", "num_val", "num_test", "num_workers")


class ScoredClips(NamedTuple):
    """Test clips, and in words: which trajectories and which digit images they have."""

    clips: DigitClips
    trajectories: str
    digits: str


def recorded_clips(
    trajectories: str | os.PathLike[str],
    *,
    digits: str = "bundled",
    download: bool = False,
    canvas_size: int = 100,
    frame_size: int = 64,
    digit_size: int = 28,
) -> ScoredClips:
    """The clips of recorded trajectories, such as the authors' test split ``authors_5sync_test.npz``.

    Args:
        trajectories: an ``.npz`` file, see :meth:`~pyg_video.datasets.SyncMNIST.from_trajectories`.
        digits: ``"bundled"``, or the root folder of torchvision's MNIST; the authors' file needs the latter.
        download: fetch MNIST if it is not there.
        canvas_size: side of the canvas, in pixels.
        frame_size: side of the frames.
        digit_size: side of a digit's tile on the canvas.

    Raises:
        FileNotFoundError: there is no such file, or no MNIST.
        ValueError: the file does not hold trajectories, or they do not fit the digits.
    """
    find_digits(digits, download=download)
    recorded = partial(
        SyncMNIST.from_trajectories, canvas_size=canvas_size, frame_size=frame_size, digit_size=digit_size
    )
    try:
        clips = recorded(trajectories, digits=digits)
    except ValueError as error:
        if digits != "bundled" or "'digit_index'" not in str(error):
            raise
        raise ValueError(f"{error}; for the authors' file that is MNIST: --digits FOLDER --download") from error
    return ScoredClips(clips, in_short(trajectories), _images(clips, digits))


def configured_clips(
    config: str | os.PathLike[str] | Sequence[str], *, digits: str | None = None, download: bool = False
) -> ScoredClips:
    """The test clips of a run's configuration: digit images and trajectories that its training never saw.

    Args:
        config: YAML file of ``pyg-video fit``, or several to merge; only ``data`` is read.
        digits: other digits than those of the file.
        download: fetch MNIST if it is not there.

    Raises:
        FileNotFoundError: there is no such file, or no MNIST.
        ValueError: the file does not configure one of our data.
    """
    name, options = configured_data(config, ("SyncMNISTData", "MultiSyncMNISTData"))
    modules = need("pyg_video.training.data.digits", "train")
    source = str(options.get("digits", "bundled")) if digits is None else digits
    find_digits(source, download=download or bool(options.get("download")))
    try:
        data = getattr(modules, name)(**{**options, "digits": source, "download": False})
    except TypeError as error:
        raise ValueError(f"Expected options of {name} in '{config}' (got {', '.join(options)}: {error})") from error
    words = ", ".join(f"{key} {value}" for key, value in options.items() if key not in _NOT_OF_THE_CLIPS)
    clips = data.test
    return ScoredClips(clips, f"test clips of {name}" + (f" ({words})" if words else ""), _images(clips, source))


def check_fit(trained: Trained, scored: ScoredClips) -> None:
    """Raise unless a model was made for clips with these classes and frames of this size."""
    clips = scored.clips
    check_classes(trained, clips.num_classes, clips.label_names)
    if (frame_size := trained.option("frame_size", clips.frame_size)) != clips.frame_size:
        raise ValueError(
            f"Expected a model for frames of {clips.frame_size} pixels (got one for {frame_size}); use the "
            "configuration of its run"
        )


def check_classes(trained: Trained, num_classes: int, label_names: Sequence[str]) -> None:
    """Raise unless a model was made for these classes, as far as its file tells."""
    if (theirs := trained.option("num_classes", num_classes)) != num_classes:
        raise ValueError(
            f"Expected a model of the {num_classes} classes of the clips (got one of {theirs}); "
            "score it on clips like those of its training, with --config"
        )
    names = zip(trained.label_names, label_names, strict=False)  # a file need not tell the names
    if differing := [(theirs, ours) for theirs, ours in names if theirs != ours]:
        got, ours = differing[0]
        raise ValueError(
            f"Expected a model with the classes of the clips (got '{got}' where the clips have '{ours}'); "
            "score it on clips like those of its training, with --config"
        )


def find_digits(digits: str, *, download: bool) -> None:
    """Raise unless the digits are there; fetch them first, if asked to."""
    if digits == "bundled":
        return
    if not download:
        if (Path(digits) / "MNIST" / "raw").is_dir():
            return
        raise FileNotFoundError(
            f"Expected 'digits' to be 'bundled' or a folder that holds MNIST/raw (got '{digits}', without MNIST); "
            "fetch it (12 MB) with download=True, on the command line --download"
        )
    from torchvision.datasets import MNIST

    try:
        MNIST(digits, download=True)
    except RuntimeError as error:
        raise OSError(f"Expected to fetch MNIST into '{digits}' (got: {error}); copy MNIST/raw there") from error


def in_short(path: str | os.PathLike[str]) -> str:
    """A file's name and the first digits of its checksum, which tell it from others of that name."""
    with Path(path).open("rb") as file:
        return f"{Path(path).name}, sha256 {hashlib.file_digest(file, 'sha256').hexdigest()[:12]}"


def _images(clips: DigitClips, source: str) -> str:
    name = "bundled UCI digits" if source == "bundled" else "MNIST"
    return f"{name}, test split, {len(clips.digits.target):,} images"


def configured_data(config: str | os.PathLike[str] | Sequence[str], known: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The name of the data module of a run's configuration, one of those ``known``, and its options."""
    content = merged_config([config] if isinstance(config, (str, os.PathLike)) else config)
    data = content.get("data")
    name = str(data.get("class_path")).rpartition(".")[2] if isinstance(data, Mapping) else "none"
    if name not in known:
        raise ValueError(
            f"Expected 'config' with data: class_path: {' or '.join(known)} (got '{config}' with {name}); "
            "use the file that trained the model, or the config.yaml of its run"
        )
    assert isinstance(data, Mapping)
    options = data.get("init_args") or {}
    if not isinstance(options, Mapping):
        raise ValueError(f"Expected options of {name} by name in '{config}' (got {options})")
    return name, dict(options)
