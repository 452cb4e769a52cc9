"""A slice of the mutated files, and that faults of every kind would be seen."""

import random
import re
import signal
from pathlib import Path

import mutations
import pytest
from fuzz import campaign, outcome, summary
from fuzz_subjects import KINDS, subjects

CASES = {"videos": 60, "annotations": 100, "caches": 60, "configurations": 4, "checkpoints": 40}


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_files_are_read_or_refused_in_one_line(kind, tmp_path):
    base = tmp_path / "base"
    base.mkdir()
    known, found = subjects(kind, base), []
    for number in range(CASES[kind]):
        folder = tmp_path / str(number)
        folder.mkdir()
        found.append(outcome(known, kind, number, folder))
    assert [case for case in found if case.result == "fault"] == []
    assert {case.result for case in found} == {"read", "refused"}


def test_every_fault_is_seen_and_the_next_case_goes_on(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    found = list(campaign("fuzz_toys:toys", "toys", range(9), seconds=2, mib=100))
    assert {case.subject: re.split("[:']", case.what)[0] for case in found if case.subject} == {
        "wrong": "TypeError",
        "hog": "memory",
        "named": "Expected something else in ",
        "unnamed": "no name of the file",
        "large": "MemoryError",
        "leave": "SystemExit",
        "taken": "",
    }
    assert [case.what for case in found if not case.subject] == [
        f"a crash: exit code {-signal.SIGSEGV}",
        "a hang: more than 2 s",
    ]
    assert [case.number for case in found] == list(range(9))
    assert [case.result for case in found] == ["fault", "fault", "refused", *["fault"] * 5, "read"]
    assert summary(found)["fault"] == 7


def test_files_that_cannot_be_made_end_the_campaign(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    with pytest.raises(RuntimeError, match="Expected the files of 'toys' within"):
        next(campaign("fuzz_toys:nothing", "toys", range(9), seconds=2, mib=100))


@pytest.mark.parametrize("kind", ["annotations", "caches", "checkpoints"])
def test_a_number_is_always_the_same_mutant(kind, tmp_path):
    base = tmp_path / "base"
    base.mkdir()
    for subject in subjects(kind, base):
        once, again, other = (
            mutations.mutated(subject.files[subject.victim], random.Random(k), text=subject.text, form=subject.form)
            for k in (1, 1, 2)
        )
        assert once == again
        assert once != other
