import runpy

import pytest
import torch

from pyg_video.backbones import split_backbone
from pyg_video.cli import demo
from pyg_video.evaluation import Score

NAMES = ["DyReg-GNN", "RSTG", "Conv + LSTM", "CNN + LSTM"]


@pytest.mark.slow
def test_the_demo_leaves_a_table_pictures_curves_weights_and_a_snippet(tmp_path, capsys):
    outcome = demo.run(tmp_path, num_frames=256, num_videos=128, num_clips=32, seed=0)
    printed = capsys.readouterr().out
    assert list(outcome.scores) == list(outcome.parameters) == NAMES
    for name, number in outcome.parameters.items():
        assert f"{name:20s} {number:>11,d}" in printed
    for seen in (32, 64, 96, 128):
        assert f"\n{seen:>17,d}  " in printed  # a line for every report
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"curves.png", "regions.png", "regions.gif", "dyreg_gnn.safetensors", "use_model.py"}
    assert all(str(tmp_path / name) in printed for name in written)
    runpy.run_path(str(tmp_path / "use_model.py"))
    assert "truth" in capsys.readouterr().out


def test_curves_are_drawn_at_every_report(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("pyg_video.cli.demo_pictures.plot_curves", lambda curves, *_, **__: drawn.append(curves))
    models = {name: model for name, model in demo.make_models().items() if name in ("DyReg-GNN", "CNN + LSTM")}
    digits, _ = split_backbone(models["DyReg-GNN"].backbone, demo.MAPS)
    before = demo.learn_motion(digits, models, tmp_path, num_videos=64, seed=0)
    assert [list(curves) for curves in drawn] == [["DyReg-GNN", "CNN + LSTM"]] * 2
    assert [seen for seen, _ in drawn[-1].values()] == [[0, 32, 64]] * 2
    weights = before.state_dict()
    assert any(not torch.equal(value, weights[key]) for key, value in models["DyReg-GNN"].state_dict().items())


def test_the_models_have_equal_backbones_and_no_other_answers():
    models = demo.make_models().values()
    assert len({str(model.backbone) for model in models}) == 1
    assert {model(torch.rand(1, 8, 1, 40, 40)).shape for model in models} == {(1, 3)}


def test_the_table_gives_standard_errors():
    outcome = demo.Outcome(0, 0.99, {"a model": Score(1250, 2500)}, {"a model": 1234}, {"stills": 20, "videos": 180})
    text = demo.table(outcome, 57_600, 32_000)
    assert "1,234" in text
    assert "50.0% ± 1.0%" in text
    assert "57,600 still frames for the backbone (20 s)" in text


def test_threads_are_given_back():
    threads = torch.get_num_threads()
    with demo.threads_for(1_000):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("option", ["--videos", "--frames", "--clips"])
def test_too_few_are_refused(option, capsys):
    assert demo.main([option, "2"]) == 2
    assert "Expected at least 128 --frames and --videos and 3 --clips" in capsys.readouterr().err
