"""Shared by all tests: seeds, one thread, a place for the files that PyG writes for every convolution, large files.

Files that are too large for the repository lie elsewhere; tests that need one are skipped where it is missing.
"""

import os
import tempfile
from pathlib import Path

import pytest
import torch

_MNIST = [f"MNIST/raw/{split}-{kind}-ubyte" for split in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


@pytest.fixture(scope="session", autouse=True)
def _temporary_folder(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("tmp"))
    os.environ["TMPDIR"] = folder
    tempfile.tempdir = folder


@pytest.fixture(autouse=True)
def _seed_and_thread():
    torch.manual_seed(0)
    torch.set_num_threads(1)  # small tensors: a second thread only waits


def _shared(*needed: str) -> Path:
    """The folder data of PYG_VIDEO_SHARED, or of ``shared`` beside the repository, if it holds all that is needed."""
    folder = Path(os.environ.get("PYG_VIDEO_SHARED", Path(__file__).parents[2] / "shared")) / "data"
    if missing := [name for name in needed if not (folder / name).is_file()]:
        pytest.skip(f"needs data/{missing[0]}: set PYG_VIDEO_SHARED to a folder that has it")
    return folder


@pytest.fixture(scope="session")
def mnist():
    return _shared(*_MNIST)


@pytest.fixture(scope="session")
def authors_trajectories():
    return _shared("syncmnist/authors_5sync_test.npz") / "syncmnist/authors_5sync_test.npz"
