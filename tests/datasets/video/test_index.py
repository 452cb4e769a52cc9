import pytest

from pyg_video.datasets.video.index import CheckedVideo, fingerprint, index_path, read_index, write_index

VIDEOS = {"7": CheckedVideo(100, 5, 12, 12.0), "8": CheckedVideo(3, 6, 0, 0.0, "ends too early")}


def test_what_is_written_is_read(tmp_path):
    path = index_path(tmp_path / "new", "v2")
    write_index(path, VIDEOS)
    assert read_index(path) == VIDEOS
    assert [file.name for file in path.parent.iterdir()] == ["pyg-video-index-v2.json"]  # no part of a file is left


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99, "videos": {}}', '{"format": 1, "videos": {"7": [1]}}'])
def test_a_missing_or_damaged_index_knows_nothing(tmp_path, text):
    path = tmp_path / "index.json"
    assert read_index(path) == {}
    path.write_text(text)
    assert read_index(path) == {}


def test_a_changed_folder_of_frames_has_another_fingerprint(tmp_path):
    (tmp_path / "00001.jpg").write_bytes(b"abc")
    before = fingerprint(tmp_path)
    (tmp_path / "00002.jpg").write_bytes(b"de")
    assert (before[0], fingerprint(tmp_path)[0]) == (3, 5)
    with pytest.raises(OSError, match="nothing"):
        fingerprint(tmp_path / "nothing")
