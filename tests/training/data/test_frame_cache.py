import os
import pickle
from pathlib import Path

import pytest
import torch

from pyg_video.datasets import VideoFileError, VideoFolder
from pyg_video.training import FrameCache
from pyg_video.training.data import frame_cache
from pyg_video.transforms import ShortSide

INF = float("inf")


@pytest.fixture
def videos(make_video, tmp_path):
    """Two classes; sizes, frame rates, containers and codecs differ."""
    (tmp_path / "videos" / "bird").mkdir(parents=True)
    paths = [tmp_path / "videos" / "bird" / name for name in ("a.mp4", "b.avi", "c.webm")]
    for path, codec, rate, width in zip(paths, ("libx264", "mpeg4", "libvpx"), (12, 24, 6), (64, 96, 64), strict=True):
        make_video(path, 24, codec=codec, rate=rate, width=width)
    return paths


@pytest.fixture
def make(videos, tmp_path):
    def cache(part=(0.0, INF), **options):
        return FrameCache(tmp_path / "cache", dict.fromkeys(videos, part), **{"short_side": 20, **options})

    return cache


@pytest.mark.parametrize("options", [{}, {"frame_rate": 6.0}, {"num_clips": 2}])
def test_clips_are_those_of_decoding(make, videos, options, monkeypatch):
    monkeypatch.setattr(frame_cache, "_CHUNK", 7)
    cache = make()
    cache.write()
    for random in (True, False):
        decoded, cached = (VideoFolder(videos[0].parents[1], None, random=random, **options) for _ in range(2))
        decoded.transform = cached.transform = ShortSide(20)
        cached.frames = cache
        for k in range(3):
            assert torch.equal(cached[2, k].video, decoded[2, k].video)
            assert cached[2, k].video.shape[-2] == 20


def test_times_and_sizes_are_those_of_the_videos(make, videos):
    cache = make()
    cache.write()
    for path in videos:
        known, cached = frame_cache.DecodedFrames().about(path), cache.about(path)
        assert torch.equal(known.times, cached.times)
        assert known[1:] == cached[1:]


def test_only_parts_are_kept(make, videos):
    part, whole = make((1.0, 1.5)), make()
    part.write()
    whole.write()
    assert part.frames_path.stat().st_size < 0.4 * whole.frames_path.stat().st_size
    for path, numbers in zip(videos, ([12, 17], [24 - 1, 23], [6, 8]), strict=True):
        assert torch.equal(part.read(path, torch.tensor(numbers)), whole.read(path, torch.tensor(numbers)))


def test_what_was_not_kept_is_refused(make, videos):
    cache = make((1.0, 1.5))
    cache.write()
    for number in (11, 19):
        with pytest.raises(IndexError, match=r"frames 12 to 18 of '.*a.mp4', the part that was kept"):
            cache.read(videos[0], torch.tensor([14, number]))
    with pytest.raises(ValueError, match=r"one of the 3 videos of the small frames .got 'other.mp4'"):
        cache.about(Path("other.mp4"))


def test_each_video_is_decoded_once(make, monkeypatch):
    make().write()

    def fail(*_, **__):
        raise AssertionError

    monkeypatch.setattr(frame_cache, "decode_frames", fail)
    again = make()
    assert again.complete()
    again.write()


def test_whatever_the_frames_depend_on_has_a_file_of_its_own(make, videos):
    names = {
        make(**options).frames_path for options in ({}, {"short_side": 21}, {"part": (0, 1)}, {"on_corrupt": "skip"})
    }
    os.utime(videos[1], ns=(0, 0))
    names.add(make().frames_path)
    with videos[2].open("ab") as file:
        file.write(b"\0")
    names.add(make().frames_path)
    assert len(names) == 6


def test_processes_map_the_file_themselves(make, videos):
    cache = make()
    cache.write()
    frames = cache.read(videos[0], torch.tensor([3]))
    copy = pickle.dumps(cache)
    assert len(copy) < 2000
    assert torch.equal(pickle.loads(copy).read(videos[0], torch.tensor([3])), frames)


def test_a_damaged_video_leaves_nothing_behind(make, videos):
    videos[2].write_bytes(videos[2].read_bytes()[:800])
    with pytest.raises(VideoFileError, match=r"c.webm"):
        make().write()
    cache = make()
    assert not cache.complete()
    assert list(cache.frames_path.parent.glob("*")) == [] or not cache.frames_path.parent.exists()
    with pytest.raises(FileNotFoundError, match=r"small frames in .*npy' .got none.; call write"):
        cache.read(videos[0], torch.tensor([0]))


def test_a_full_disk_is_an_error_before_any_work(make, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(OSError, match="GB of disk for small frames of 3 videos"):
        make().write()
