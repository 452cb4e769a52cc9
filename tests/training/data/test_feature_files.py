import shutil

import pytest
import torch
from torchvision.models import resnet18

from pyg_video.attachment import FrozenFeatures
from pyg_video.datasets import SyncMNIST
from pyg_video.training.data import row_files
from pyg_video.training.data.feature_files import FeatureClips, feature_files, write_features


@pytest.fixture(scope="module")
def features():
    torch.manual_seed(0)
    return FrozenFeatures(resnet18(), "layer2", num_frames=3, image_size=24, map_size=2)


@pytest.fixture
def clips():
    return SyncMNIST(num_clips=5, num_frames=3, canvas_size=32, frame_size=16, digit_size=8)


def test_what_is_read_is_what_the_model_gives_of_these_clips(tmp_path, features, clips):
    files = feature_files(tmp_path / "new", "train")
    write_features(features, clips, files, size=5, batch_size=2, progress=False)
    cached = FeatureClips(files)
    assert len(cached) == 5
    assert torch.equal(cached.batch([(7, 4), (7, 1)]).video, cached.batch([4, 1]).video)
    got, want = cached.batch([4, 1]), clips.batch([4, 1])
    torch.testing.assert_close(got.video, features(want.video), atol=2e-3, rtol=2e-3)
    assert got.video.dtype == torch.float32
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(got[1:], want[1:], strict=True))
    assert sorted(path.name for path in files.rows.parent.iterdir()) == ["train.npy", "train_targets.npz"]


def test_an_interrupted_run_leaves_nothing(tmp_path, features, clips, monkeypatch):
    files = feature_files(tmp_path, "train")

    class StoppedError(Exception):
        pass

    def stop(*_, **__):
        raise StoppedError

    monkeypatch.setattr(row_files.np, "savez", stop)
    with pytest.raises(StoppedError):
        write_features(features, clips, files, size=2, progress=False)
    assert not files.complete()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError, match="call prepare_data"):
        FeatureClips(files)


def test_a_disk_that_is_too_small_is_told_of_before_the_work(tmp_path, features, clips, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(OSError, match="GB of disk for 2 clips .*choose fewer clips, another folder"):
        write_features(features, clips, feature_files(tmp_path, "train"), size=2)


def test_damaged_files_are_named(tmp_path, features, clips):
    files = feature_files(tmp_path, "train")
    write_features(features, clips, files, size=3, progress=False)
    maps, targets = files.rows.read_bytes(), files.about.read_bytes()
    for path, whole in ((files.rows, maps), (files.about, targets)):
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ValueError, match=rf"in '{path}' \(got .*; remove it to have it made again"):
            FeatureClips(files)
        path.write_bytes(whole)
    write_features(features, clips, files, size=2, progress=False)
    files.about.write_bytes(targets)
    with pytest.raises(ValueError, match=r"train_targets.npz' \(got one that has changed, or of others"):
        FeatureClips(files)


@pytest.mark.parametrize("name", ["rows", "about"])
def test_a_changed_bit_is_noticed(tmp_path, features, clips, name):
    files = feature_files(tmp_path, "train")
    write_features(features, clips, files, size=3, progress=False)
    path = getattr(files, name)
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 16
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"'{path}' \(got .*; remove it to have it made again"):
        FeatureClips(files).batch([0, 1, 2])


def test_features_of_another_split_are_refused(tmp_path, features, clips):
    train, val = (feature_files(tmp_path, split) for split in ("train", "val"))
    write_features(features, clips, train, size=3, progress=False)
    for mine, other in zip(train[:2], val[:2], strict=True):
        other.write_bytes(mine.read_bytes())
    with pytest.raises(ValueError, match=r"val_targets.npz' \(got one that has changed, or of others"):
        FeatureClips(val)
