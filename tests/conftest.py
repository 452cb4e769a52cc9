"""Shared by all tests: seeds, one thread, and a place for the files that PyG writes for every convolution."""

import os
import tempfile

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def _temporary_folder(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("tmp"))
    os.environ["TMPDIR"] = folder
    tempfile.tempdir = folder


@pytest.fixture(autouse=True)
def _seed_and_thread():
    torch.manual_seed(0)
    torch.set_num_threads(1)  # small tensors: a second thread only waits
