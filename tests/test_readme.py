import json
import re
import runpy
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_the_first_snippet_runs_in_twelve_lines():
    snippet = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL).group(1)
    assert len([line for line in snippet.splitlines() if line.strip()]) <= 12
    names = {}
    exec(compile(snippet, "README.md", "exec"), names)
    assert names["scores"].shape == (2, 10)


def test_the_table_of_the_demo_is_that_of_the_measurements():
    script = runpy.run_path(str(README.parent / "benchmarks" / "demo.py"))
    table = script["table"](json.loads(script["RESULTS"].read_text()))
    assert f"<!-- demo -->\n{table}<!-- end of demo -->" in README.read_text()
