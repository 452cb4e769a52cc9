import pytest

from pyg_video._files import write_whole


def test_folders_are_made(tmp_path):
    path = write_whole(tmp_path / "a" / "b" / "note", lambda file: file.write(b"hello") and None)
    assert path.read_bytes() == b"hello"


def test_a_failure_leaves_the_previous_file_and_no_draft(tmp_path):
    (tmp_path / "note").write_bytes(b"before")

    def fail(file):
        file.write(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(tmp_path / "note", fail)
    assert (tmp_path / "note").read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["note"]
