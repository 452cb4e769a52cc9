import copy
import csv
import sys
from pathlib import Path

import pytest
import torch

from pyg_video._config import merged_config
from pyg_video.checkpoints import checkpoint_info, load_model, save_model
from pyg_video.cli.fit import write_predictions
from pyg_video.cli.main import main
from pyg_video.models import UnknownModelError, create_model, model_options, registry
from pyg_video.training import Prediction, load_trained

EXAMPLES = Path(__file__).parents[2] / "examples"
CONFIGS = [
    path
    for path in sorted((EXAMPLES / "configs").rglob("*.yaml"))
    if not {"something_something", "reproduce"} & set(path.parts)
    and not path.stem.startswith(("base_", "thermal_flight_"))
]  # the others: tests/benchmarks
NEED_OTHERS = {"small_distillation", "frozen_features", "video_folder"}  # have tests of their own
SMALL = next(path for path in CONFIGS if path.stem == "small_dyreg")
TINY = [
    *("--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"),
    *("--data.batch_size=2", "--data.num_train=4", "--data.num_val=4", "--data.num_test=4", "--data.num_workers=0"),
    *("--data.canvas_size=32", "--data.frame_size=32", "--data.digit_size=6", "--data.num_frames=2"),
    *("--model.model_options.channels=[4,4]", "--model.model_options.strides=[2,2]"),
]


def files_of(path):
    """``--config`` with the files that the first line of a configuration names, itself the last of them."""
    first = path.read_text().splitlines()[0]
    named = [EXAMPLES.parent / name for name in first.removeprefix("# pyg-video fit --config ").split(" --config ")]
    assert named[-1] == path
    return [f"--config={file}" for file in named]


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    """Runs ``pyg-video`` in a folder of its own; gives the exit code and what it printed to stderr."""

    def run(*arguments):
        monkeypatch.chdir(tmp_path)
        code = main(list(map(str, arguments)))
        return code, capsys.readouterr().err

    return run


@pytest.mark.slow
@pytest.mark.parametrize("config", [c for c in CONFIGS if c.stem not in NEED_OTHERS], ids=lambda path: path.stem)
def test_the_configs_of_the_examples_run(command, config):
    model = merged_config([file.removeprefix("--config=") for file in files_of(config)])["model"]["model"]
    own_stages = "channels" not in model_options(model) or "stages:" in config.read_text()
    options = [option for option in TINY if not own_stages or "model_options" not in option]
    if "backbone_from" in config.read_text():
        options.append("--model.backbone_from=null")  # made for another width than the test's
    code, error = command("fit", *files_of(config), *options, "--trainer.fast_dev_run=true")
    assert code == 0, error


@pytest.mark.slow
def test_the_distillation_follows_its_teachers(command, tmp_path):
    options = [*TINY, "--trainer.max_epochs=1", "--trainer.log_every_n_steps=1", "--data.num_train=20"]
    options += ["--model.model_options.channels=[4,4,4,4,4]", "--model.model_options.strides=[2,1,2,1,1]"]
    fit = ("fit", *files_of(SMALL.with_name("small_distillation.yaml")), *options)
    code, error = command(*fit)
    assert (code, error.count("\n")) == (2, 1), error
    assert "runs/small_teacher_stage4/version_0/checkpoints/best.safetensors" in error
    parts = {"num_classes": 10, "frame_size": 32, "channels": (4, 4, 4, 4, 4), "strides": (2, 1, 2, 1, 1)}
    for stage in ("stage4", "stage5"):  # where the teachers' configs leave them
        folder = tmp_path / "runs" / f"small_teacher_{stage}" / "version_0" / "checkpoints"
        save_model(create_model("dyreg_gnn_sync_mnist", **parts, stages=(stage,)), folder / "best.safetensors")
    assert command(*fit)[0] == 0
    folder = max((tmp_path / "runs" / "small_distillation").glob("version_*"))
    rows = list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))
    taught = [row["step"] for row in rows if row["train/distillation"]]
    assert taught == ["0"]  # a tenth of ten steps
    (agreement,) = [row for row in rows if row["val/acc"]]
    assert float(agreement["val/region_distance/blocks.stage4.builder"]) > 0


@pytest.mark.slow
def test_fit_leaves_logs_and_checkpoints_that_the_other_commands_take(command, tmp_path):
    run = [*files_of(SMALL), *TINY, "--trainer.max_epochs=2", "--trainer.log_every_n_steps=1"]
    assert command("fit", *run)[0] == 0
    folder = tmp_path / "runs" / "small_dyreg"
    version = folder / "version_0"
    rows = list(csv.DictReader((version / "metrics.csv").read_text().splitlines()))
    assert {"train/loss", "train/acc", "val/loss", "val/acc"} <= rows[0].keys()
    assert list(version.glob("events.out.tfevents.*"))
    assert load_model(version / "checkpoints" / "best.safetensors").recipe.options["num_classes"] == 10

    best = version / "checkpoints" / "best.ckpt"
    for name in ("validate", "test", "predict"):
        assert command(name, f"--config={version / 'config.yaml'}", f"--ckpt_path={best}")[0] == 0
    table = list(csv.DictReader((folder / "predictions.csv").read_text().splitlines()))
    assert [row["clip"] for row in table] == ["0", "1", "2", "3"]
    assert table[0]["name"].endswith("move together")

    assert (
        command("fit", *run, "--trainer.max_epochs=3", f"--ckpt_path={version / 'checkpoints' / 'last.ckpt'}")[0] == 0
    )
    resumed = torch.load(folder / "version_1" / "checkpoints" / "last.ckpt", weights_only=True)
    assert resumed["global_step"] == 6
    assert torch.load(best, weights_only=True)["global_step"] in (2, 4)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--model.lrr=1"], "--model.lrr"),
        (["--data.num_digit=3"], "num_digit"),
        (["--trainer.max_epoch=3"], "max_epoch"),
        (["--model.lr=fast"], "model.lr"),
        (["--model.model=rstg"], "rstg_sync_mnist"),
        (["--model.model_options.anchor=grid"], "did you mean 'anchors'?"),
        (["--model.model_options.num_classes=3"], "that of the data, 10 (got 3)"),
        (["--data.digits=/nowhere"], "pass download=True"),
        (["--data.motion=circular"], "'motion' to be one of"),
        (["--config=nowhere.yaml"], "nowhere.yaml"),
        (["--config"], "--config: expected one argument"),
        (["--ckpt_path=nowhere.ckpt"], "nowhere.ckpt"),
        (["--checkpoint", "best.ckpt"], "Expected '--ckpt_path' with a .ckpt file for fit on a data set"),
        (["--data=VideoFolderData", "--data.root=nowhere", "--data.frame_rate=nan"], "class 'float'>. Got value: nan"),
        (["--data=VideoFolderData", "--data.roots=nowhere"], "--data.help VideoFolderData lists its options"),
    ],
)
def test_mistakes_end_in_one_line_that_names_them(command, arguments, named):
    code, error = command("fit", *files_of(SMALL), *TINY, *arguments)
    assert (code, error.count("\n")) == (2, 1), error
    assert error.startswith("pyg-video: error: ")
    assert named in error
    assert "Union" not in error


def test_misspelt_keys_in_a_file_are_named(command, tmp_path):
    for right, wrong in (("lr:", "lrr:"), ("num_digits:", "num_digit:"), ("max_epochs:", "max_epoch:")):
        (tmp_path / "bad.yaml").write_text(SMALL.with_name("base_small.yaml").read_text().replace(right, wrong))
        code, error = command("fit", "--config=bad.yaml")
        assert (code, error.count("\n")) == (2, 1), error
        assert wrong[:-1] in error


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("model: {model_options: 3}", "model.model_options"),
        ("model: {lr: [0.1]}", "model.lr"),
        ("model: {lr: -1}", "Expected 'lr' above 0"),
        ("model: {lr: 2001-01-01}", "model.lr"),
        ("model: &a {model_options: *a}", "Circular reference"),
        ("data: {init_args: {classes: [0, 0, 1]}}", "two or more different digits"),
        ("data: {init_args: {canvas_size: 2147483648}}", "canvas_size"),
        ('data: {init_args: {"\\e[31m": 1}}', r"'\x1b[31m' is not accepted"),
        ("trainer: {max_epochs: {}}", "trainer.max_epochs"),
        ("data: {init_args: {num_train: null}}", "Parser key \"data.num_train\": Expected a <class 'int'>"),
        ("seed_everything: -1", "-1 is not in bounds"),
        (f"model: {{backbone_from: {5000 * 'x'}}}", "Expected a shipped checkpoint"),
        (
            "model: {backbone_from: dyreg_gnn_small, model_options: {channels: [8, 32, 32, 32, 32]}}",
            "choose the same channels and strides",
        ),
    ],
)
def test_errors_about_a_configuration_name_its_files(command, tmp_path, content, named):
    (tmp_path / "bad.yaml").write_text(content)
    code, error = command("fit", *files_of(SMALL), "--config=bad.yaml", "--trainer.max_epochs=0", *QUIET[:3])
    assert (code, error.count("\n")) == (2, 1), error
    assert "small_dyreg.yaml and bad.yaml" in error
    assert named in error


def test_errors_about_a_training_to_go_on_with_name_its_file(command, tmp_path):
    quiet = [*TINY, "--trainer.logger=false", "--trainer.default_root_dir=run"]
    assert command("fit", *files_of(SMALL), *quiet, "--trainer.max_epochs=1")[0] == 0
    path = tmp_path / "run" / "checkpoints" / "last.ckpt"
    whole = torch.load(path, weights_only=True)
    diverged = {name: value.clone() for name, value in whole["state_dict"].items()}
    diverged["net.head.linear.bias"][1] = torch.nan
    counters = copy.deepcopy(whole["loops"])
    counters["fit_loop"]["epoch_loop.val_loop.batch_progress"]["total"]["started"] = "x"
    changes = [{"optimizer_states": 3}, {"loops": {"fit_loop": {}}}, {"state_dict": {"a": 3}}, {"loops": None}]
    for change in [*changes, {"state_dict": diverged}, {"loops": counters}]:
        torch.save({**whole, **change}, path)
        code, error = command("fit", *files_of(SMALL), *quiet, "--trainer.max_epochs=2", f"--ckpt_path={path}")
        assert code == 2, change
        assert error.splitlines()[-1].startswith("pyg-video: error: ")
        assert str(path) in error


@pytest.mark.parametrize("content", ["", "half"])
def test_truncated_checkpoints_are_named(command, tmp_path, content):
    torch.save({"state_dict": {"weight": torch.zeros(9)}, "pytorch-lightning_version": "2.6"}, tmp_path / "last.ckpt")
    whole = (tmp_path / "last.ckpt").read_bytes()
    (tmp_path / "last.ckpt").write_bytes(whole[: len(whole) // 2] if content else b"")
    code, error = command("test", *files_of(SMALL), *TINY, "--ckpt_path=last.ckpt")
    assert (code, error.count("\n")) == (2, 1), error
    assert "whole checkpoint of Lightning (got 'last.ckpt'" in error


def test_a_traceback_on_request(command, monkeypatch):
    monkeypatch.setenv("PYG_VIDEO_TRACEBACK", "1")
    with pytest.raises(ValueError, match="Expected the name of a model"):
        command("fit", *files_of(SMALL), *TINY, "--model.model=lost")


@pytest.mark.slow
def test_scoring_needs_a_checkpoint(command):
    for name in ("validate", "test", "predict"):
        code, error = command(name, *files_of(SMALL), *TINY)
        assert code == 2
        assert f"Expected 'ckpt_path' for {name} (got None" in error
        code, error = command(name, *files_of(SMALL), *TINY, "--ckpt_path=last")
        assert code == 2
        assert f"Expected 'ckpt_path' for {name} (got last" in error


@pytest.mark.parametrize("content", [torch.zeros(3), 5, {"pytorch-lightning_version": "2.6"}])
def test_what_is_no_checkpoint_of_a_run_is_refused(command, tmp_path, content):
    torch.save(content, tmp_path / "other.ckpt")
    code, error = command("test", *files_of(SMALL), *TINY, "--ckpt_path=other.ckpt")
    assert code == 2
    assert "Expected 'ckpt_path' to be a whole checkpoint of Lightning (got 'other.ckpt'" in error


@pytest.mark.slow
def test_the_command_line_wins_over_the_checkpoint(command, tmp_path):
    folder = tmp_path / "run"
    run = (*files_of(SMALL), *TINY, f"--trainer.default_root_dir={folder}")
    fit = ("fit", *run, "--trainer.log_every_n_steps=1", "--model.warmup_steps=0")
    assert command(*fit, "--trainer.max_epochs=1")[0] == 0
    last = folder / "version_0" / "checkpoints" / "last.ckpt"
    assert command(*fit, "--trainer.max_epochs=2", "--model.lr=0.0001", f"--ckpt_path={last}")[0] == 0
    resumed = torch.load(folder / "version_1" / "checkpoints" / "last.ckpt", weights_only=True)
    assert resumed["hyper_parameters"]["lr"] == 0.0001
    assert resumed["optimizer_states"][0]["param_groups"][0]["initial_lr"] == 0.0001
    assert resumed["optimizer_states"][0]["param_groups"][0]["lr"] <= 0.0001
    code, error = command("test", *run, "--data.classes=[0,1,2,3]", f"--ckpt_path={last}")
    assert code == 2
    assert "Expected 'ckpt_path' to be a checkpoint of a model with num_classes = 6 (got one with 10)" in error
    saved = torch.load(last, weights_only=True)
    torch.save({**saved, "state_dict": {"weight": torch.zeros(3)}}, tmp_path / "fewer.ckpt")
    code, error = command("test", *run, f"--ckpt_path={tmp_path / 'fewer.ckpt'}")
    assert code == 2
    assert "weights of dyreg_gnn_sync_mnist in 'ckpt_path' (got them without net.backbone" in error
    torch.save({**saved, "hyper_parameters": {"hidden": 3}}, tmp_path / "another.ckpt")
    code, error = command("test", *run, f"--ckpt_path={tmp_path / 'another.ckpt'}")
    assert code == 2
    assert "a checkpoint of VideoClassification (got one with hidden)" in error
    baseline = SMALL.with_name("small_baseline.yaml")
    code, error = command("test", *files_of(baseline), *TINY, f"--ckpt_path={last}")
    assert code == 2
    assert "a checkpoint of cnn_sync_mnist (got one of dyreg_gnn_sync_mnist)" in error


def test_a_misspelt_data_class_lists_those_that_exist(command):
    code, error = command("fit", "--data=SyncMNSTData", "--model.model=cnn_sync_mnist")
    assert code == 2
    assert (
        "Expected 'data' to be one of SyncMNISTData, MultiSyncMNISTData, SomethingSomethingData, "
        "VideoFolderData, CachedFeatures (got 'SyncMNSTData')" in error
    )


def test_predictions_that_fail_leave_the_earlier_table(tmp_path):
    path = tmp_path / "predictions.csv"
    whole = Prediction(torch.tensor([[0.25, 0.75]]), torch.tensor([1]), torch.tensor([0]), ["waving"])
    write_predictions(path, [whole, whole], first=1, step=2)
    before = path.read_text()
    assert before.splitlines() == ["clip,target,label,probability,name", "1,0,1,0.75,waving", "3,0,1,0.75,waving"]
    with pytest.raises(ValueError, match="zip"):
        write_predictions(path, [whole._replace(name=["one", "too many"])])
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


OWN = """
from torch import nn
from pyg_video.backbones import SmallCNN
from pyg_video.models import PoolHead, VideoClassifier, register_model
from pyg_video.training import SyncMNISTData


class OwnNet(VideoClassifier):
    def __init__(self, num_classes: int = 10, width: int = 4, act: nn.Module | None = None) -> None:
        super().__init__(SmallCNN(1, (width,), (2,)), PoolHead(width, num_classes))
        self.act = act


@register_model
def own_net(num_classes: int = 10, *, frame_size: int = 8, channels: tuple[int, ...] = (2,)) -> VideoClassifier:
    return VideoClassifier(SmallCNN(1, channels, (2,) * len(channels)), PoolHead(channels[-1], num_classes))


class OwnData(SyncMNISTData):
    def __init__(self, num_train: int = 4) -> None:
        sizes = dict(canvas_size=16, frame_size=16, digit_size=6, num_frames=2, batch_size=2, num_val=4, num_test=4)
        super().__init__(classes=(0, 1, 2, 3), random_probability=0, num_train=num_train, **sizes)
"""
QUIET = [*TINY[:3], "--trainer.max_epochs=1", "--trainer.logger=false", "--trainer.default_root_dir=run"]


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_nets.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield "own_nets"
    registry._ENTRIES.pop("own_net", None)
    sys.modules.pop("own_nets", None)


def test_own_models_and_data_by_name(command, own, tmp_path):
    fit = ("fit", "--import", own, "--model.model=own_net", "--data=OwnData", *QUIET)
    assert command(*fit)[0] == 0
    saved = tmp_path / "run" / "checkpoints"
    assert torch.load(saved / "best.ckpt", weights_only=True)["model_module"] == own
    assert checkpoint_info(saved / "best.safetensors").module == own
    assert command("test", *fit[1:], f"--ckpt_path={saved / 'best.ckpt'}")[0] == 0


def test_own_classes_by_class_path(command, own, tmp_path):
    (tmp_path / "run.yaml").write_text(
        "model: {model: {class_path: own_nets.OwnNet, init_args: {width: 6, act: {class_path: torch.nn.ReLU}}}}\n"
        "data: {class_path: own_nets.OwnData}\n"
    )
    assert command("fit", "--config=run.yaml", *QUIET)[0] == 0
    last, best = (tmp_path / "run" / "checkpoints" / name for name in ("last.ckpt", "best.safetensors"))
    options = torch.load(last, weights_only=True)["hyper_parameters"]
    assert options["model"] == "own_nets.OwnNet"
    assert options["model_options"]["width"] == 6
    model = load_model(best)
    assert model.recipe.options["num_classes"] == 6  # of the data
    assert isinstance(model.act, torch.nn.ReLU)
    assert (
        command(
            "fit",
            "--config=run.yaml",
            *QUIET,
            "--trainer.max_epochs=2",
            "--trainer.default_root_dir=run2",
            f"--ckpt_path={last}",
        )[0]
        == 0
    )
    code, error = command("test", "--config=run.yaml", *QUIET, "--model.model.init_args.width=8", f"--ckpt_path={last}")
    assert (code, error.count("\n")) == (2, 1), error
    assert "a checkpoint of a model with width = 8 (got one with 6)" in error
    del sys.modules["own_nets"]
    for path in (last, best):
        with pytest.raises(UnknownModelError, match="--import own_nets"):
            load_trained(path)
    assert "own_nets" not in sys.modules


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--model.model=own_nets.OwnNet"], "--import own_nets"),
        (["--model.model={class_path: own_nets.Missing}"], "own_nets.Missing"),
        (["--model.model={class_path: own_nets.OwnNet, init_args: {depth: 3}}"], "depth"),
        (
            ["--model.model={class_path: own_nets.OwnNet}", "--model.model_options.width=3"],
            "the options of own_nets.OwnNet in its init_args",
        ),
    ],
)
def test_mistakes_about_own_models_end_in_one_line(command, own, options, named):
    code, error = command("fit", *options, "--data=SyncMNISTData", *QUIET)
    assert (code, error.count("\n")) == (2, 1), error
    assert named in error
