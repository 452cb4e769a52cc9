import runpy

import pytest

from pyg_video.cli import demo
from pyg_video.evaluation import Score


@pytest.mark.slow
def test_the_demo_leaves_a_table_pictures_curves_and_a_snippet(tmp_path, capsys):
    rows = demo.run(tmp_path, videos=192, num_clips=64, seed=0)
    assert [row.name for row in rows] == [
        "DyReg-GNN, trained just now",
        "CNN + LSTM, trained just now",
        "DyReg-GNN, shipped",
        "RSTG, shipped",
        "CNN + LSTM, shipped",
    ]
    printed = capsys.readouterr().out
    for row in rows:
        assert f"{row.parameters:,d}" in printed
    graph, rstg, baseline = (row.score.share for row in rows[2:])
    assert min(graph, rstg) > 0.7 > baseline  # the shipped models are what the README says they are
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"curves.png", "regions.png", "regions.gif", "use_model.py"}
    runpy.run_path(str(tmp_path / "use_model.py"))
    assert "truth" in capsys.readouterr().out


def test_the_table_gives_standard_errors():
    text = demo.table([demo.Result("a model", 1234, 5000, Score(1250, 2500))], 2500)
    assert "1,234" in text
    assert "50.0% ± 1.0%" in text


def test_too_few_videos_are_refused(capsys):
    assert demo.main(["--videos", "3"]) == 2
    assert "Expected at least 192 --videos" in capsys.readouterr().err
