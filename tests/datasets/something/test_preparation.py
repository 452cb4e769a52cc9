import csv
import json
import os
from itertools import product

import pytest

import pyg_video.datasets.something.preparation as module
from pyg_video.datasets import prepare
from pyg_video.datasets.video import checking
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
    monkeypatch.setattr(checking, "_CHUNK", 3)
    assert prepare(something_v2, workers=2).problems == alone.problems
    assert prepare(something_v2).checked == 1


def test_a_process_that_dies_is_told_and_nothing_found_is_lost(something_v2, monkeypatch):
    monkeypatch.setattr(checking, "_CHUNK", 3)
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


@pytest.fixture
def damaged_v1(something_v1):
    frame = something_v1 / "20bn-something-something-v1" / "107" / "00005.jpg"
    frame.write_bytes(frame.read_bytes()[:500])
    return something_v1


def test_damaged_frames_are_a_problem_or_listed_or_neither(damaged_v1):
    found = {policy: prepare(damaged_v1, "v1", on_corrupt=policy) for policy in ("raise", "warn", "skip")}
    video = ("val", "107")
    assert [list(report.problems) for report in found.values()] == [[video], [], []]
    assert [list(report.damaged) for report in found.values()] == [[], [video], [video]]
    assert [report.checked for report in found.values()] == [10, 0, 0]  # the index keeps the facts
    assert "1 others with damaged frames" in found["skip"].summary()
    prepare(damaged_v1, "v1", on_corrupt="warn")
    assert found["warn"].table.read_text().count('\nval,107,"an unreadable frame') == 1
    prepare(damaged_v1, "v1", on_corrupt="skip")
    assert found["skip"].table.read_text().count("\n") == 1


_ANYWHERE = ("../secret", "/etc/passwd", "..", "a\0b", "C:\\x", "x" * 300, "100/../101")


@pytest.mark.parametrize(
    ("version", "name"), [*product(["v1", "v2"], _ANYWHERE), ("v2", ""), ("v2", "a\nb"), ("v2", "\ud800")]
)
def test_ids_are_names_of_files_in_the_folder(request, version, name):
    root = request.getfixturevalue(f"something_{version}")
    (root / "secret.webm").write_bytes(b"not to be read")
    if version == "v2":
        (root / "something-something-v2-test.json").write_text(json.dumps([{"id": name}, {"id": "109"}]))
    else:
        (root / "something-something-v1-test.csv").write_text(f"{name}\n109\n")
    report = prepare(root, version)
    assert list(report.problems) == [("test", name)]
    assert report.problems["test", name] == "an id that is no name of a file"
    assert report.table.read_text().count("\n") == 2
    assert len(report.summary().splitlines()) == 6


ODD = {
    "a text": b"words " * 99,
    "a playlist": b"ffconcat version 1.0\nfile '101.webm'\n",
    "no codec": None,
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(99),
}


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_file_is_its_own_problem_only(something_v2, kind):
    path = something_v2 / "20bn-something-something-v2" / "104.webm"
    path.write_bytes(ODD[kind] or path.read_bytes().replace(b"V_VP8", b"V_XXX"))
    report = prepare(something_v2)
    assert list(report.problems) == [("train", "104")]
    assert "\n" not in report.problems["train", "104"]


def test_whatever_a_decoder_raises_is_the_files_problem(something_v2, monkeypatch):
    def fail(path):
        raise MemoryError("out of memory") if path.stem == "104" else KeyError("odd")

    monkeypatch.setattr(checking, "examine_video", fail)
    problems = prepare(something_v2).problems
    assert len(problems) == 10
    assert problems["train", "104"] == "an undecodable file: out of memory"


def test_names_of_other_alphabets_are_no_numbers_of_frames(something_v1):
    folder = something_v1 / "20bn-something-something-v1" / "100"
    for name in ("²", "٣", "1²"):
        (folder / f"{name}.jpg").write_bytes(b"")
    assert prepare(something_v1, "v1").problems == {}


def test_a_picture_bomb_is_one_problem(something_v1):
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 50000, 50000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(999)))
    (something_v1 / "20bn-something-something-v1" / "104" / "00002.jpg").write_bytes(bomb)
    report = prepare(something_v1, "v1")
    assert list(report.problems) == [("train", "104")]
