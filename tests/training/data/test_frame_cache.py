import os
import pickle
import re
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
    assert part.files.rows.stat().st_size < 0.4 * whole.files.rows.stat().st_size
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
        make(**options).files.rows for options in ({}, {"short_side": 21}, {"part": (0, 1)}, {"on_corrupt": "skip"})
    }
    os.utime(videos[1], ns=(0, 0))
    names.add(make().files.rows)
    with videos[2].open("ab") as file:
        file.write(b"\0")
    names.add(make().files.rows)
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
    assert list(cache.files.rows.parent.glob("*")) == [] or not cache.files.rows.parent.exists()
    with pytest.raises(FileNotFoundError, match=r"small frames in .*npy' .got none.; call write"):
        cache.read(videos[0], torch.tensor([0]))


def test_a_full_disk_is_an_error_before_any_work(make, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(OSError, match="GB of disk for small frames of 3 videos"):
        make().write()


def reading(cache, videos):
    """All frames of a cache, as another process would read them."""
    cache = pickle.loads(pickle.dumps(cache))
    return [cache.read(path, torch.arange(24)) for path in videos]


@pytest.mark.parametrize("name", ["rows", "about"])
def test_a_changed_bit_is_noticed_wherever_it_is(make, videos, name):
    cache = make()
    cache.write()
    path, frames = getattr(cache.files, name), reading(cache, videos)
    whole = path.read_bytes()
    for place in range(3, len(whole), len(whole) // 40):
        content = bytearray(whole)
        content[place] ^= 4
        path.write_bytes(content)
        try:
            said, found = "", reading(cache, videos)  # all the same: it was a date in the zip, or the like
        except ValueError as error:
            said, found = str(error), frames
        assert not said or re.search(r"in '.*/frames-.*; remove it to have it made again|index of '.*/frames-", said)
        assert all(map(torch.equal, found, frames))


def test_what_is_cut_or_of_others_is_refused(make, videos):
    cache, other = make(), make((0.0, 1.5))
    cache.write()
    other.write()
    for path, its_path in zip(cache.files[:2], other.files[:2], strict=True):
        whole = path.read_bytes()
        for content in (b"", whole[:-1], whole[: len(whole) // 2], its_path.read_bytes()):
            path.write_bytes(content)
            with pytest.raises(ValueError, match=r"frames-.*; remove it to have it made again"):
                reading(cache, videos)
        path.write_bytes(whole)
    for path, its_path in zip(cache.files[:2], other.files[:2], strict=True):
        path.write_bytes(its_path.read_bytes())
    with pytest.raises(ValueError, match=r"npz' \(got one that has changed, or of others"):
        reading(cache, videos)


def test_videos_that_change_places_have_another_file(make, videos, tmp_path):
    for path in videos:
        path.write_bytes(videos[0].read_bytes())
        os.utime(path, ns=(0, 0))
    other = tmp_path / "videos" / "other" / videos[0].name
    other.parent.mkdir()
    videos[0].rename(other)
    there = FrameCache(tmp_path, {videos[1]: (0.0, INF), other: (0.0, INF)}, short_side=20).files.rows
    other.rename(videos[0])
    assert FrameCache(tmp_path, dict.fromkeys((videos[1], videos[0]), (0.0, INF)), short_side=20).files.rows != there


def test_videos_may_move_together(make, videos, tmp_path):
    name = make().files.rows.name
    (tmp_path / "videos").rename(tmp_path / "moved")
    moved = [tmp_path / "moved" / path.relative_to(tmp_path / "videos") for path in videos]
    assert FrameCache(tmp_path, dict.fromkeys(moved, (0.0, INF)), short_side=20).files.rows.name == name


def test_two_processes_may_write_at_once(make, videos, monkeypatch):
    first, second = make(), make()
    pid, decode = os.getpid(), frame_cache.decode_frames

    def other_process(*given, **options):
        monkeypatch.setattr(frame_cache, "decode_frames", decode)
        with monkeypatch.context() as other:
            other.setattr(os, "getpid", lambda: pid + 1)
            second.write()
        return decode(*given, **options)

    monkeypatch.setattr(frame_cache, "decode_frames", other_process)
    first.write()
    assert all(map(torch.equal, reading(first, videos), reading(second, videos)))
    assert len(list(first.files.rows.parent.iterdir())) == 2
