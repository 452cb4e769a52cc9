import sys

import pytest
from PIL import Image

from pyg_video.visualization import plot_curves

CURVES = {"graph": ([1000, 2000], [0.4, 0.7]), "no graph": ([1000, 2000], [0.3, 0.33])}


@pytest.fixture(scope="module", autouse=True)
def _fonts():
    pytest.importorskip("matplotlib.figure").Figure().add_subplot()  # its fonts load once, outside the timed tests


def test_a_curve_per_model_and_a_line_per_level(tmp_path):
    text = plot_curves(CURVES, tmp_path / "new" / "curves.svg", lines={"chance": 0.1}).read_text()
    assert all(
        f"<!-- {words} -->" in text for words in ("graph", "no graph", "chance (10%)", "videos seen", "accuracy")
    )


def test_a_csv_file_draws_the_same(tmp_path):
    rows = [f"{model},{x},{y}" for model, points in CURVES.items() for x, y in zip(*points, strict=True)]
    (tmp_path / "curves.csv").write_text("\n".join(["model,videos_seen,accuracy", *rows]))
    one, other = plot_curves(tmp_path / "curves.csv", tmp_path / "a.png"), plot_curves(CURVES, tmp_path / "b.png")
    with Image.open(one) as mine, Image.open(other) as theirs:
        assert mine.tobytes() == theirs.tobytes()


def test_no_global_state_is_touched(tmp_path):
    plot_curves(CURVES, tmp_path / "curves.png")
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_a_missing_column_is_named(tmp_path):
    (tmp_path / "curves.csv").write_text("model,step,accuracy\n")
    with pytest.raises(ValueError, match=r"columns \('model', 'videos_seen', 'accuracy'\) .*add \['videos_seen'\]"):
        plot_curves(tmp_path / "curves.csv", tmp_path / "curves.png")


def test_without_matplotlib_it_says_what_to_install(tmp_path, monkeypatch):
    for module in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError, match=r'^Expected .*matplotlib.*pip install "\.\[plots\]"$'):
        plot_curves(CURVES, tmp_path / "curves.png")


@pytest.mark.parametrize("curves", [{}, {"graph": ([1, 2], [0.5])}])
def test_curves_without_points_are_refused(curves, tmp_path):
    with pytest.raises(ValueError, match="one accuracy per point"):
        plot_curves(curves, tmp_path / "curves.png")
