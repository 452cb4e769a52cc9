import resource

import pytest

from pyg_video.datasets import VideoFileError, decode_frames, probe_video
from pyg_video.datasets.video.frame_folders import decode_jpegs
from pyg_video.datasets.video.limits import max_pixels


def write_bomb(path, num_frames=16, side=15000):
    """A GIF of some hundred bytes with frames of 15000 x 15000 pixels."""
    screen = b"GIF89a" + 2 * side.to_bytes(2, "little") + b"\x80\0\0" + bytes(6)
    image = b",\0\0\0\0\1\0\1\0\0\2\2D\1\0"
    path.write_bytes(screen + num_frames * (b"!\xf9\4\0\5\0\0\0" + image) + b";")
    return path


def test_a_small_file_does_not_fill_the_memory(tmp_path):
    path = write_bomb(tmp_path / "bomb.gif")
    assert path.stat().st_size < 400
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for read in (probe_video, lambda path: decode_frames(path, range(16))):
        with pytest.raises(VideoFileError, match=r"a frame of 15000 x 15000 pixels.*PYG_VIDEO_MAX_PIXELS=900000000"):
            read(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


def test_the_limit_counts_all_pixels_of_a_clip_and_can_be_raised(make_video, tmp_path, monkeypatch):
    path = make_video(tmp_path / "a.mp4", codec="libx264")
    clip = 12 * 48 * 64
    monkeypatch.setenv("PYG_VIDEO_MAX_PIXELS", str(clip - 1))
    with pytest.raises(VideoFileError, match=rf"12 frames of 48 x 64 pixels, .*; take fewer .*MAX_PIXELS={clip}"):
        decode_frames(path, range(12))
    assert len(decode_frames(path, range(11))) == 11
    monkeypatch.setenv("PYG_VIDEO_MAX_PIXELS", str(clip))
    assert len(decode_frames(path, range(12))) == 12


def test_pictures_of_a_folder_are_limited_as_well(something_v1, monkeypatch):
    files = sorted((something_v1 / "20bn-something-something-v1" / "100").glob("*.jpg"))
    monkeypatch.setenv("PYG_VIDEO_MAX_PIXELS", str(4 * 48 * 64))
    assert len(decode_jpegs(files[:4])) == 4
    with pytest.raises(VideoFileError, match="5 frames of 48 x 64 pixels"):
        decode_jpegs(files[:5])
    monkeypatch.setenv("PYG_VIDEO_MAX_PIXELS", str(4 * 48 * 64 - 1))
    with pytest.raises(VideoFileError, match=r"00001.jpg' .got a frame of 48 x 64 pixels"):
        decode_jpegs(files[:1])


@pytest.mark.parametrize("value", ["", "0", "-1", "many", "²"])
def test_a_wrong_limit_is_named(monkeypatch, value):
    monkeypatch.setenv("PYG_VIDEO_MAX_PIXELS", value)
    with pytest.raises(ValueError, match="PYG_VIDEO_MAX_PIXELS to be a number of pixels"):
        max_pixels()
