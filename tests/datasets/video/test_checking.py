import os

import pytest

from pyg_video.datasets.video import checking
from pyg_video.datasets.video.checking import check_file, check_how, check_videos, examined, report_on, unchanged
from pyg_video.datasets.video.errors import VideoFileError
from pyg_video.datasets.video.index import CheckedVideo, read_index


@pytest.fixture
def files(tmp_path):
    """Files that are no videos, by name."""
    paths = {name: tmp_path / name for name in "abc"}
    for path in paths.values():
        path.write_bytes(b"x")
    return paths


def whole(path):
    return CheckedVideo(0, 0, 5, 12.0)


def test_what_is_wrong_with_a_file_is_its_problem_alone(files, tmp_path, make_video):
    def damaged(path):
        raise VideoFileError.of(path, "a truncated file")

    assert check_file(tmp_path / "none", whole).problem == "missing"
    assert check_file(files["a"], damaged).problem == "a truncated file"
    (tmp_path / "circle").symlink_to("circle")
    assert check_file(tmp_path / "circle", whole).problem == "missing"
    found = check_file(make_video(tmp_path / "v.webm", 4), examined)
    assert (found.num_frames, found.problem, found.damage) == (4, "", "")
    assert found.size == (tmp_path / "v.webm").stat().st_size


def test_a_disk_that_fails_is_the_problem_of_the_file(files, monkeypatch):
    def fail(path):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(checking, "fingerprint", fail)
    assert check_file(files["a"], whole).problem == "an unreadable file: Input/output error"
    assert not unchanged(files["a"], whole(files["a"]))


def test_a_file_that_changed_is_not_as_it_was(files):
    found = check_file(files["a"], whole)
    assert unchanged(files["a"], found)
    assert not unchanged(files["a"], None)
    os.utime(files["a"], ns=(5, 5))
    assert not unchanged(files["a"], found)
    files["a"].unlink()
    assert not unchanged(files["a"], found)


def test_an_interrupted_check_keeps_what_it_found(files, tmp_path):
    index, seen = tmp_path / "index.json", []

    def check(name, *, until="c"):
        if name == until:
            raise KeyboardInterrupt
        seen.append(name)
        return check_file(files[name], whole)

    with pytest.raises(KeyboardInterrupt):
        check_videos(check, files, index)
    assert list(read_index(index)) == ["a", "b"]
    steps = []
    found, checked = check_videos(
        lambda name: check(name, until=""), files, index, progress=lambda *step: steps.append(step)
    )
    assert (list(found), checked, seen, steps) == ([*"abc"], 1, [*"abc"], [(3, 3)])


def test_damage_is_a_problem_unless_it_is_to_be_taken(files, tmp_path):
    videos = {("val", "a"): whole("a"), ("val", "b"): whole("b")._replace(damage="a damaged file, at frame 3")}
    places = (tmp_path / "index.json", tmp_path / "problems.csv")
    refused, warned = (report_on(videos, files, 2, how, *places) for how in ("raise", "warn"))
    assert list(refused.problems) == list(warned.damaged) == [("val", "b")]
    assert not refused.damaged
    assert not warned.problems
    assert f'val,b,"a damaged file, at frame 3",{files["b"]}' in places[1].read_text()
    assert "1 x a damaged file" in refused.summary()


@pytest.mark.parametrize(("how", "named"), [(("raise", 0), "'workers'"), (("ignore", 1), "'on_corrupt'")])
def test_wrong_options_are_named(how, named):
    with pytest.raises(ValueError, match=named):
        check_how(*how)


def test_a_crash_of_a_process_says_what_to_do(files, tmp_path, monkeypatch):
    monkeypatch.setattr(checking, "_CHUNK", 1)
    with pytest.raises(OSError, match="run again, with 1 worker to see which video it is"):
        check_videos(_crash, files, tmp_path / "index.json", workers=2)


def _crash(name):
    os._exit(1)
