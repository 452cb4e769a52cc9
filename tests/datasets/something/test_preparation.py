import csv
import json
import os

import pytest

import pyg_video.datasets.something.preparation as module
from pyg_video.datasets import prepare
from pyg_video.datasets.video.index import index_path, read_index


def damage(root):
    """A missing, a truncated, an empty and an undecodable video of the training split."""
    videos = root / "20bn-something-something-v2"
    (videos / "100.webm").unlink()
    (videos / "101.webm").write_bytes((videos / "101.webm").read_bytes()[:400])
    (videos / "102.webm").write_bytes(b"")
    (videos / "103.webm").write_bytes(b"no video" * 99)


PROBLEMS = {
    "100": "missing",
    "101": "a truncated file, 400 of at least",
    "102": "an empty file",
    "103": "an undecodable file: Invalid data",
}


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_whole_download_has_no_problems(request, version):
    root = request.getfixturevalue(f"something_{version}")
    report = prepare(root, version)
    assert (report.total, report.checked, report.problems) == (10, 10, {})
    assert {checked.num_frames for checked in read_index(report.index_file).values()} == {12}
    assert report.table.read_text() == "split,id,problem,path\n"
    assert "10 whole, 0 with problems" in report.summary()


def test_all_kinds_of_damage_are_listed(something_v2):
    damage(something_v2)
    report = prepare(something_v2)
    rows = list(csv.DictReader(report.table.read_text().splitlines()))
    assert [row["id"] for row in rows] == list(PROBLEMS)
    for row in rows:
        assert row["problem"].startswith(PROBLEMS[row["id"]])
        assert row["split"] == "train"
        assert row["path"].endswith(f"20bn-something-something-v2/{row['id']}.webm")
    summary = report.summary()
    assert "6 whole, 4 with problems" in summary
    assert "1 x a truncated file" in summary
    assert len(summary.splitlines()) < 24


def test_damaged_frames_of_v1_are_listed(something_v1):
    frame = something_v1 / "20bn-something-something-v1" / "107" / "00005.jpg"
    frame.write_bytes(frame.read_bytes()[:500])
    problems = prepare(something_v1, "v1").problems
    assert list(problems) == [("val", "107")]
    assert problems["val", "107"].startswith("an unreadable frame: ")


def test_only_what_changed_is_read_again(something_v2):
    damage(something_v2)
    first = prepare(something_v2)
    again = prepare(something_v2)
    assert again.checked == 1  # the missing one
    assert again.problems == first.problems
    videos = something_v2 / "20bn-something-something-v2"
    (videos / "102.webm").write_bytes((videos / "104.webm").read_bytes())
    repaired = prepare(something_v2)
    assert repaired.checked == 2
    assert ("train", "102") not in repaired.problems


def test_a_stopped_check_goes_on_where_it_was(something_v2, monkeypatch):
    whole = module.check_video
    seen = []

    def stop(root, version, name):
        if len(seen) == 4:
            raise KeyboardInterrupt
        seen.append(name)
        return whole(root, version, name)

    monkeypatch.setattr(module, "check_video", stop)
    with pytest.raises(KeyboardInterrupt):
        prepare(something_v2)
    assert list(read_index(index_path(something_v2, "v2"))) == seen
    assert not list(something_v2.glob("*.csv"))
    assert not list(something_v2.glob(".*"))
    monkeypatch.undo()
    assert prepare(something_v2).checked == 6


def test_several_processes_find_the_same(something_v2, monkeypatch):
    damage(something_v2)
    alone = prepare(something_v2)
    alone.index_file.unlink()
    monkeypatch.setattr(module, "_CHUNK", 3)
    assert prepare(something_v2, workers=2).problems == alone.problems
    assert prepare(something_v2).checked == 1


def test_a_process_that_dies_is_told_and_nothing_found_is_lost(something_v2, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", 3)
    monkeypatch.setattr(module, "check_video", _die)
    with pytest.raises(OSError, match="got one that was killed, or that crashed on a video"):
        prepare(something_v2, workers=2)
    assert index_path(something_v2, "v2").is_file()


def _die(root, version, name):
    os._exit(1)


def test_progress_is_told(something_v2):
    told = []
    prepare(something_v2, splits=["val"], progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    prepare(something_v2, progress=lambda done, total: told.append((done, total)))
    assert told[3:] == [(k, 10) for k in range(4, 11)]


def test_lists_that_were_not_fetched_are_left_out_but_for_the_first(something_v2):
    (something_v2 / "something-something-v2-test.json").unlink()
    assert prepare(something_v2).total == 9
    with pytest.raises(FileNotFoundError, match="something-something-v2-test.json"):
        prepare(something_v2, splits=["test"])


def test_a_damaged_index_is_written_anew(something_v2):
    path = index_path(something_v2, "v2")
    for content in ("", "[]", json.dumps({"format": 99, "videos": {}}), '{"format": 1, "videos": {"100": [1]}}'):
        path.write_text(content)
        assert read_index(path) == {}
    assert prepare(something_v2).checked == 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "'workers' of at least 1"),
        ({"splits": []}, "'splits'"),
        ({"splits": ["all"]}, "'splits' to be"),
    ],
)
def test_wrong_options_are_named(something_v2, options, message):
    with pytest.raises(ValueError, match=message):
        prepare(something_v2, **options)
