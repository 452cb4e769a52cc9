import errno
import os
import platform
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import pyg_video
from pyg_video._files import make_folder, whole_file, write_table, write_whole


def test_folders_are_made_and_no_draft_is_left(tmp_path):
    path = write_whole(tmp_path / "a" / "b" / "note", b"hello")
    assert path.read_bytes() == b"hello"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("name", ["note", "note/more", "note/more/again"])
def test_a_folder_that_is_a_file_is_named(tmp_path, name):
    path = write_whole(tmp_path / "note", "before")
    with pytest.raises(NotADirectoryError, match=f"(?s)Expected '{tmp_path / name}' to be a folder.*got '{path}', wh"):
        make_folder(tmp_path / name)
    with pytest.raises(NotADirectoryError, match="choose another folder"):
        write_whole(tmp_path / name / "table.csv", "after")
    assert path.read_text() == "before"


def test_a_failure_leaves_the_earlier_file_and_no_draft(tmp_path):
    path = write_whole(tmp_path / "note", "before")

    def half():
        with whole_file(path) as draft:
            draft.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        half()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_readers_see_the_earlier_file_until_the_end(tmp_path):
    path = write_whole(tmp_path / "note", "before")
    with whole_file(path) as draft:
        draft.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"


def test_a_full_disk_leaves_the_earlier_file(tmp_path, monkeypatch):
    path = write_whole(tmp_path / "note", "before")

    def full_disk(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match=f"No space left on device: '{path}'"):
        write_whole(path, "after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_processes_have_drafts_of_their_own(tmp_path, monkeypatch):
    other_pid = os.getpid() + 1
    with whole_file(tmp_path / "note") as mine:
        mine.write_text("mine")
        monkeypatch.setattr("os.getpid", lambda: other_pid)
        with whole_file(tmp_path / "note") as other:
            assert other != mine
            other.write_text("other")
        assert (tmp_path / "note").read_text() == "other"
    assert (tmp_path / "note").read_text() == "mine"


@pytest.mark.skipif(os.name != "posix", reason="drafts are removed where processes can be asked for")
def test_the_draft_of_a_killed_process_is_removed_and_no_other(tmp_path):
    kill_in_the_middle = """
import os, signal, sys
from pyg_video._files import whole_file
with whole_file(sys.argv[1]) as draft:
    draft.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", kill_in_the_middle, tmp_path / "note"], check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    others = [tmp_path / f".other{left.name}", tmp_path / f".note.{platform.node()}-{os.getppid()}.part"]
    for other in others:
        other.touch()
    path = write_whole(tmp_path / "note", "whole")
    assert sorted(tmp_path.iterdir()) == sorted([path, *others])


def test_the_folder_is_synchronised_after_the_file_has_its_name(tmp_path, monkeypatch):
    path, fsync, synced = tmp_path / "note", os.fsync, []

    def note(descriptor):
        synced.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), path.exists()))
        fsync(descriptor)

    monkeypatch.setattr("os.fsync", note)
    write_whole(path, "whole")
    assert synced == [(False, False), (True, True)]


def test_text_is_written_as_it_is(tmp_path):
    assert write_whole(tmp_path / "note", "é\n").read_bytes() == "é\n".encode()
    assert write_table(tmp_path / "table", [("a", "b"), (1, "x, y")]).read_bytes() == b'a,b\n1,"x, y"\n'


def test_tables_hold_no_formulas_and_no_control_characters(tmp_path):
    row = ("=1+1", "@a", "-1.5", -2, "+ 3", Path("-x\x1b[31m"), "a\nb", " =1", None)
    table = write_table(tmp_path / "table", [row]).read_text()
    assert table == "'=1+1,'@a,-1.5,-2,'+ 3,'-x\\x1b[31m,a\\nb,' =1,\n"


def test_nothing_in_the_package_writes_in_another_way():
    """Files are opened for writing in ``_files.py`` alone, or as a draft of ``whole_file``."""
    other = re.compile(
        r"""os\.replace|\.rename\(|\bopen\(.*["'][wax]b?\+?["']|\.write_(text|bytes)\(|["'](w|r)\+["']"""
    )
    found = [
        f"{path.name}: {line.strip()}"
        for path in Path(pyg_video.__file__).parent.rglob("*.py")
        if path.name != "_files.py"
        for line in path.read_text().splitlines()
        if other.search(line) and "draft" not in line and ">>>" not in line
    ]
    assert found == []
