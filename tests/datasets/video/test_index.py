import pytest

from pyg_video.datasets.video.index import CheckedVideo, fingerprint, index_path, read_index, write_index

VIDEOS = {"7": CheckedVideo(100, 5, 12, 12.0), "8": CheckedVideo(3, 6, 0, 0.0, "ends too early")}


def test_what_is_written_is_read(tmp_path):
    path = index_path(tmp_path / "new", "v2")
    write_index(path, VIDEOS)
    assert read_index(path) == VIDEOS
    assert [file.name for file in path.parent.iterdir()] == ["pyg-video-index-v2.json"]  # no part of a file is left


OTHERS = [
    "[1]",
    '[1, 2, "12", 1.0]',
    "[1, 2, 1e12, 1.0]",
    "[1, 2, -1, 1.0]",
    "[1, 2, 3, NaN]",
    '[1, 2, 3, 1.0, null, ""]',
]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", 10**5 * "[", '{"format": 99, "videos": {}}', '{"format": 2, "checksum": "", "videos": {}}']
    + [f'{{"format": 2, "videos": {{"7": {other}}}}}' for other in OTHERS],
)
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


def test_a_changed_number_is_noticed(tmp_path):
    path = tmp_path / "index.json"
    write_index(path, VIDEOS)
    path.write_text(path.read_text().replace("12,12.0", "13,12.0"))
    assert read_index(path) == {}


def test_an_index_of_an_earlier_version_is_read(tmp_path):
    path = tmp_path / "index.json"
    path.write_text('{"format": 2, "videos": {"7": [100, 5, 12, 12.0, "", ""]}}')
    assert read_index(path) == {"7": VIDEOS["7"]}
