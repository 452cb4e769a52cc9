"""Rows of the papers' tables: their configurations, training in parts, and what is recorded."""

import json

import pytest
import reproduce
from reproduce import CONFIGS, RADIUS, TABLES, Run, main, rows
from reproduction import MULTI_SYNC_MNIST, SYNC_MNIST, accuracy, table

from pyg_video.models import create_model, model_options

PAPER = {"sync_mnist": SYNC_MNIST, "multi_sync_mnist": MULTI_SYNC_MNIST}
TASKS = sorted(
    (name, int(digits), scale)
    for name, digits, scale in (path.stem.rsplit("_", 2) for path in (CONFIGS / "reproduce").glob("*.yaml"))
)
TINY = """
model:
  model_options:
    channels: [4, 3, 4]
    strides: [4, 2, 1]
  freeze_to: stage2
  warmup_steps: 1
data:
  class_path: SyncMNISTData
  init_args: {num_digits: 3, num_frames: 2, canvas_size: 32, frame_size: 32, digit_size: 10, classes: [0, 1, 2],
    random_probability: 0, batch_size: 4, num_train: 8, num_val: 8, num_test: 20}
trainer:
  max_epochs: EPOCHS
  accelerator: cpu
  enable_progress_bar: false
  enable_model_summary: false
  log_every_n_steps: 1
  callbacks:
    - class_path: pytorch_lightning.callbacks.Timer
      init_args: {interval: step}
"""


def test_every_row_of_the_papers_has_a_configuration():
    assert set(SYNC_MNIST) <= set(rows("sync_mnist"))
    assert set(MULTI_SYNC_MNIST) == set(rows("multi_sync_mnist"))
    assert {task for task, _, _ in TASKS} == TABLES.keys() == RADIUS.keys()


@pytest.mark.parametrize(("task", "digits", "scale"), TASKS)
def test_every_row_has_options_of_its_model(task, digits, scale, tmp_path):
    for row in PAPER[task]:
        config = Run(task, row, scale, digits, 0, tmp_path).config["model"]
        assert config.get("model_options", {}).keys() <= model_options(config["model"]).keys(), row


@pytest.mark.parametrize(
    ("task", "row"), [("sync_mnist", "rstg_all_temp"), ("sync_mnist", "i3d"), ("multi_sync_mnist", "dyreg")]
)
def test_a_small_model_has_a_map_for_every_digit_class(task, row, tmp_path):
    run = Run(task, row, "small", 5, 0, tmp_path)
    clips, config = run.clips(num_clips=1), run.config["model"]
    sizes = {"num_classes": clips.num_classes, "frame_size": clips.frame_size}
    net = create_model(config["model"], **sizes, **config["model_options"])
    frozen = {stage.name: stage.channels for stage in net.backbone.info}[config["freeze_to"]]
    assert frozen == len(clips.classes) == clips[0].digit.numel()


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """Runs the row Mean+LSTM of a tiny scale for some epochs; gives what was recorded."""
    folder = tmp_path / "configs"
    (folder / "reproduce").mkdir(parents=True)
    (folder / "sync_mnist_mean_lstm.yaml").write_text((CONFIGS / "sync_mnist_mean_lstm.yaml").read_text())
    monkeypatch.setattr(reproduce, "CONFIGS", folder)
    monkeypatch.setattr(reproduce, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(reproduce, "STILLS", {"small": 128})

    def run(epochs, *options):
        (folder / "reproduce" / "sync_mnist_3_small.yaml").write_text(TINY.replace("EPOCHS", str(epochs)))
        arguments = ["--table=sync_mnist", "--model=mean_lstm", "--digits=3", f"--folder={tmp_path / 'runs'}", *options]
        assert main(arguments) == 0
        (path,) = (tmp_path / "results").glob("*.json")
        return json.loads(path.read_text())

    return run


def test_a_run_is_recorded_and_goes_on_where_it_was(tiny, tmp_path):
    first = tiny(1)
    (stills,) = (tmp_path / "runs").glob("sync_mnist_3_small_stills_0_*.safetensors")
    written = stills.stat().st_mtime_ns
    both = tiny(3)
    assert stills.stat().st_mtime_ns == written
    assert len(list((tmp_path / "runs").glob("*_stills_*"))) == 1
    assert [point["videos"] for point in first["curve"]] == [8]
    assert [point["videos"] for point in both["curve"]] == [8, 16, 24]
    assert both["curve"][0] == first["curve"][0]
    assert (both["videos"], both["of_videos"], both["clips"]) == (24, 24, 20)
    assert both["accuracy"] * 20 == round(both["accuracy"] * 20)
    assert tiny(3, "--record") == both | {"environment": both["environment"]}
    moved = (tmp_path / "runs").rename(tmp_path / "moved")
    assert Run("sync_mnist", "mean_lstm", "small", 3, 0, moved).best().is_file()


def test_a_run_that_was_stopped_is_not_recorded(monkeypatch, tmp_path):
    monkeypatch.setattr(reproduce, "learn_stills", lambda run: None)
    monkeypatch.setattr("training_runs.pyg_video", lambda arguments: 143)
    monkeypatch.setattr(reproduce, "record", None)
    row = ["--table=sync_mnist", "--model=mean_lstm", "--digits=3", f"--folder={tmp_path}"]
    assert main(row) == 143


def test_rows_share_stills_that_learned_the_same(monkeypatch, tmp_path):
    shared = {Run("sync_mnist", row, "small", 5, 0, tmp_path).stills for row in ("rstg_all_temp", "conv_lstm", "i3d")}
    assert len(shared) == 1
    (first,) = shared
    monkeypatch.setitem(RADIUS, "sync_mnist", 1.0)
    assert Run("sync_mnist", "conv_lstm", "small", 5, 0, tmp_path).stills != first


def test_a_row_that_does_not_exist_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--table=sync_mnist", "--model=rstg"])
    assert "rstg_all_temp" in capsys.readouterr().err


def test_the_error_is_that_over_seeds_where_there_are_several():
    one = {"accuracy": 0.9, "standard_error": 0.02, "videos": 10, "of_videos": 10}
    assert accuracy([one]) == "90.0 ± 2.0 (1 seed)"
    assert accuracy([one, one | {"accuracy": 0.94}]) == "92.0 ± 2.0 (2 seeds)"
    assert accuracy([one | {"of_videos": 20}]) == "90.0 ± 2.0 (1 seed, stopped after 10 videos)"


def test_rows_without_a_run_are_shown_as_such():
    assert "| Mean+LSTM | 77.0 | - | - | - | - | - |" in table("sync_mnist", SYNC_MNIST, "none")
