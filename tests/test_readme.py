import re
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_the_first_snippet_runs_in_twelve_lines():
    snippet = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL).group(1)
    assert len([line for line in snippet.splitlines() if line.strip()]) <= 12
    names = {}
    exec(compile(snippet, "README.md", "exec"), names)
    assert names["scores"].shape == (2, 10)
