"""The pages say what was measured."""

import pytest
from page import CASES, IMAGES, PAGES, PLOTS, TABLES, filled, load


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_agree_with_the_results(page):
    assert filled(page.read_text()) == page.read_text()


def test_every_table_is_on_a_page():
    text = "".join(page.read_text() for page in PAGES)
    assert [name for name in TABLES if f"<!-- table: {name} -->" not in text] == []


def test_all_blocks_are_measured():
    results = load("blocks")
    assert {row["case"] for row in results["times"]} == {case["case"] for case in results["cases"]} == CASES.keys()
    assert {(row["pass"]) for row in results["times"]} == {"forward", "training"}


def test_a_changed_result_shows(monkeypatch):
    results = load("blocks")
    for row in results["times"]:
        row["ms"] = {"median": 12345.0, "low": 1.0, "high": 99999.0}
    monkeypatch.setattr("page.load", lambda name: results)
    assert "12345 (1 to 99999)" in TABLES["blocks"]()


@pytest.mark.parametrize("name", PLOTS)
def test_the_plots_are_small_and_on_a_page(name):
    assert (IMAGES / name).stat().st_size < 100_000
    assert any(f"images/{name}" in page.read_text() for page in PAGES)
