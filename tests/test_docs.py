"""The pages say what is there. `make docs` builds them strictly; this needs no Sphinx."""

import json
import pydoc
import re
import runpy
from pathlib import Path

import pytest

import pyg_video
from pyg_video.graph_builders import list_builders
from pyg_video.models import list_models

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(page for folder in (".", "api") for page in (DOCS / folder).glob("*.md"))
PACKAGES = {p.parent.name for p in Path(pyg_video.__file__).parent.glob("*/__init__.py")} | {"data"}


def text(page):
    return page.read_text()


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_are_there(page):
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text(page)) if "://" not in link]
    missing = [link for link in links if link and not (page.parent / link).exists() and not _place(link).exists()]
    named = re.findall(r"(?:examples|benchmarks|tests|docs|pyg_video)/[\w./-]*\w\.(?:ya?ml|py|md|ipynb)", text(page))
    configs = [
        f"examples/configs/{name}" for name in re.findall(r"`((?:base|small|sync|multi)_\w+\.yaml)`", text(page))
    ]
    assert missing + [name for name in named + configs if not _place(name).exists()] == []


def _place(name):
    """Of a file: with the sources, or where the package is installed."""
    package = name.removeprefix("pyg_video/")
    return ROOT / name if package == name else Path(pyg_video.__file__).parent / package


def test_every_promise_has_its_test():
    promised = re.findall(r"`(tests/[\w/.]+\.py)::(\w+)`", text(DOCS / "promises.md"))
    assert len(promised) > 40
    assert [f"{file}::{name}" for file, name in promised if f"def {name}(" not in (ROOT / file).read_text()] == []


def test_every_page_is_in_a_table_of_contents():
    index = text(DOCS / "index.md") + text(DOCS / "api" / "index.md")
    listed = set(re.findall(r"^([\w/]+)$", index, re.MULTILINE))
    assert {page.stem for page in PAGES} - {"index"} <= listed


def test_every_package_has_a_page_of_reference():
    assert {page.stem for page in (DOCS / "api").glob("*.md")} - {"index"} == PACKAGES


def test_the_page_of_builders_lists_all_and_each_has_a_configuration():
    rows = re.findall(r"^\| `(\w+)` \| `\w+Graph`", text(DOCS / "builders.md"), re.MULTILINE)
    assert rows == list_builders()
    assert {path.stem for path in (ROOT / "examples" / "configs" / "nodes").glob("*.yaml")} == set(rows)


def test_models_that_pages_create_are_there():
    for page in [ROOT / "README.md", *PAGES]:
        assert set(re.findall(r'(?<!timm\.)create_model\("(\w+)"', text(page))) <= set(list_models()), page


def test_names_that_link_to_other_projects_are_there():
    for inventory in (DOCS / "inventories").glob("*.txt"):
        names = [line.split()[0] for line in text(inventory).splitlines()[3:]]
        assert names == sorted(names)
        assert [name for name in names if pydoc.locate(name) is None] == []


@pytest.mark.parametrize("name", ["index", "design", "builders", "streaming", "pyg", "export"])
def test_snippets_run(name, capsys):
    for snippet in re.findall(r"```python\n(.*?)```", text(DOCS / f"{name}.md"), re.DOTALL):
        exec(compile(snippet, f"{name}.md", "exec"), {})
    assert "nan" not in capsys.readouterr().out


def test_the_page_of_streams_has_the_numbers_of_the_benchmark():
    results = json.loads((ROOT / "benchmarks" / "results" / "streaming.json").read_text())
    rows = runpy.run_path(str(ROOT / "benchmarks" / "streaming.py"))["table"](results)
    assert set(rows) <= set(text(DOCS / "streaming.md").splitlines())
