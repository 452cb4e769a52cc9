import pytest

from pyg_video.datasets.video.container_size import declared_size
from pyg_video.datasets.video.shards import found


@pytest.mark.parametrize(
    ("name", "codec"), [("a.webm", "libvpx"), ("a.mkv", "libx264"), ("a.mp4", "libx264"), ("a.mov", "libx264")]
)
def test_whole_files_declare_their_own_size_and_truncated_ones_too(make_video, tmp_path, name, codec):
    path = make_video(tmp_path / name, codec=codec)
    content = path.read_bytes()
    assert declared_size(found(path)) == len(content)
    path.write_bytes(content[: len(content) // 3])
    assert declared_size(found(path)) > len(content) // 3


def test_streamed_webm_does_not_say(make_video, tmp_path):
    path = make_video(tmp_path / "a.webm")
    content = path.read_bytes()
    place = content.index(bytes.fromhex("18538067")) + 4
    path.write_bytes(content[:place] + b"\x01" + b"\xff" * 7 + content[place + 8 :])
    assert declared_size(found(path)) is None


@pytest.mark.parametrize("content", [b"", b"RIFF" + b"\0" * 50, bytes.fromhex("1a45dfa3"), b"\0\0\0\0ftypisom" * 3])
def test_other_files_do_not_say(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    assert declared_size(found(tmp_path / "a")) is None


def test_boxes_of_more_than_four_gigabytes(tmp_path):
    box = b"\0\0\0\x01mdat" + (5 * 2**30).to_bytes(8, "big")
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x10ftypisom...." + box)
    assert declared_size(found(tmp_path / "a.mp4")) == 16 + 5 * 2**30
