import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parent.parent / "docs" / "insertion.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda text: re.search(r"(\w+)\(", text).group(1))
def test_the_snippets_of_the_page_on_insertion_run_in_twelve_lines(snippet, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    if "timm" in snippet:
        pytest.importorskip("timm")
    assert len([line for line in snippet.splitlines() if line.strip()]) <= 12
    assert "assert " in snippet
    exec(compile(snippet, "docs/insertion.md", "exec"), {})
