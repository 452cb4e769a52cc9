import shutil

import pytest
import torch
from torchvision.models import resnet18

from pyg_video.attachment import FrozenFeatures
from pyg_video.datasets import SyncMNIST
from pyg_video.training.data import feature_files
from pyg_video.training.data.feature_files import FeatureClips, FeatureFiles, write_features


@pytest.fixture(scope="module")
def features():
    torch.manual_seed(0)
    return FrozenFeatures(resnet18(), "layer2", num_frames=3, image_size=24, map_size=2)


@pytest.fixture
def clips():
    return SyncMNIST(num_clips=5, num_frames=3, canvas_size=32, frame_size=16, digit_size=8)


def test_what_is_read_is_what_the_model_gives_of_these_clips(tmp_path, features, clips):
    files = FeatureFiles.of(tmp_path / "new", "train")
    write_features(features, clips, files, size=5, batch_size=2, progress=False)
    cached = FeatureClips(files)
    assert len(cached) == 5
    assert torch.equal(cached.batch([(7, 4), (7, 1)]).video, cached.batch([4, 1]).video)
    got, want = cached.batch([4, 1]), clips.batch([4, 1])
    torch.testing.assert_close(got.video, features(want.video), atol=2e-3, rtol=2e-3)
    assert got.video.dtype == torch.float32
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(got[1:], want[1:], strict=True))
    assert sorted(path.name for path in files.maps.parent.iterdir()) == ["train.npy", "train_targets.npz"]


def test_an_interrupted_run_leaves_nothing(tmp_path, features, clips, monkeypatch):
    files = FeatureFiles.of(tmp_path, "train")

    class StoppedError(Exception):
        pass

    def stop(*_, **__):
        raise StoppedError

    monkeypatch.setattr(feature_files.np, "savez", stop)
    with pytest.raises(StoppedError):
        write_features(features, clips, files, size=2, progress=False)
    assert not files.complete()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError, match="call prepare_data"):
        FeatureClips(files)


def test_a_disk_that_is_too_small_is_told_of_before_the_work(tmp_path, features, clips, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(OSError, match="GB of disk for 2 clips .*choose fewer clips, another folder"):
        write_features(features, clips, FeatureFiles.of(tmp_path, "train"), size=2)


def test_damaged_files_are_named(tmp_path, features, clips):
    files = FeatureFiles.of(tmp_path, "train")
    write_features(features, clips, files, size=3, progress=False)
    maps, targets = files.maps.read_bytes(), files.targets.read_bytes()
    for path, whole in ((files.maps, maps), (files.targets, targets)):
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ValueError, match=rf"in '{path}' \(got .*; remove it to have it made again"):
            FeatureClips(files)
        path.write_bytes(whole)
    write_features(features, clips, files, size=2, progress=False)
    files.targets.write_bytes(targets)
    with pytest.raises(ValueError, match=r"of 2 clips in '.*train_targets.npz' \(got those of 3"):
        FeatureClips(files)
