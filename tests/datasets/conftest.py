"""Files that are too large for the repository; tests that need one are skipped where it is missing."""

import os
from pathlib import Path

import pytest

_MNIST = [f"MNIST/raw/{split}-{kind}-ubyte" for split in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


def _shared(*needed: str) -> Path:
    """The folder data of PYG_VIDEO_SHARED, or of ``shared`` beside the repository, if it holds all that is needed."""
    folder = Path(os.environ.get("PYG_VIDEO_SHARED", Path(__file__).parents[3] / "shared")) / "data"
    if missing := [name for name in needed if not (folder / name).is_file()]:
        pytest.skip(f"needs data/{missing[0]}: set PYG_VIDEO_SHARED to a folder that has it")
    return folder


@pytest.fixture(scope="session")
def mnist():
    return _shared(*_MNIST)


@pytest.fixture(scope="session")
def authors_trajectories():
    return _shared("syncmnist/authors_5sync_test.npz") / "syncmnist/authors_5sync_test.npz"
