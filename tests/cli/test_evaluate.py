import csv
import json
import subprocess
import sys

import numpy as np
import pytest

from pyg_video.checkpoints import save_model, shipped_checkpoint
from pyg_video.cli.main import main
from pyg_video.models import create_model

TINY = {"num_classes": 46, "frame_size": 16, "channels": (4, 4), "strides": (2, 2)}


@pytest.fixture
def command(capsys):
    """Runs ``pyg-video``; gives the exit code and what it printed to stdout and stderr."""

    def run(*arguments):
        code = main(list(map(str, arguments)))
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def model(tmp_path):
    return save_model(create_model("cnn_sync_mnist", **TINY), tmp_path / "cnn.safetensors")


def test_evaluate_on_recorded_trajectories(command, model, given_trajectories, tmp_path):
    code, printed, error = command(
        *("evaluate", "--checkpoint", model, "--trajectories", given_trajectories(), "--output", tmp_path / "scores")
    )
    assert (code, error) == (0, "")
    assert printed.startswith("top-1 ")
    assert "given.npz, sha256 " in printed
    record = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert record["top1"]["clips"] == 6
    assert record["protocol"]["frames"] == "3 of 16 x 16 pixels, from a canvas of 100; 3 digits"
    assert record["protocol"]["checkpoint"].startswith("cnn.safetensors, sha256 ")
    table = list(csv.DictReader((tmp_path / "scores" / "predictions.csv").read_text().splitlines()))
    assert [row["clip"] for row in table] == list("012345")


def test_evaluate_on_the_test_clips_of_a_configuration(command, tmp_path):
    data = "classes: [0, 1, 2, 3, 4], num_frames: 8, "
    data += "canvas_size: 40, frame_size: 40, digit_size: 14, motion: smooth, max_step: 4"
    (tmp_path / "run.yaml").write_text(
        f"data: {{class_path: SyncMNISTData, init_args: {{{data}, random_probability: 0, num_test: 2000}}}}"
    )
    checkpoint = shipped_checkpoint("dyreg_gnn_small")
    arguments = ["--checkpoint", checkpoint, "--config", tmp_path / "run.yaml", "--output", tmp_path]
    assert command("evaluate", *arguments, "--clips", "100", "--precision", "bfloat16")[0] == 0
    record = json.loads((tmp_path / "scores.json").read_text())
    assert record["top1"]["accuracy"] > 0.85
    assert record["protocol"]["clips"] == "the first 100 of 2,000"
    assert record["protocol"]["precision"].startswith("bfloat16")


def test_evaluate_a_lightning_checkpoint(command, tiny_task, tiny_data, tiny_trainer, tmp_path):
    data = tiny_data(num_test=12)
    tiny_trainer(max_epochs=1).fit(task := tiny_task(label_names=data.label_names), data)
    (tmp_path / "run.yaml").write_text(
        "data: {class_path: pyg_video.training.SyncMNISTData, init_args: {canvas_size: 16, frame_size: 16, "
        "digit_size: 6, num_frames: 3, classes: [0, 1, 2, 3], random_probability: 0, num_test: 12}}"
    )
    checkpoint = tmp_path / "run" / "checkpoints" / "last.ckpt"
    assert (
        command("evaluate", "--checkpoint", checkpoint, "--config", tmp_path / "run.yaml", "--output", tmp_path)[0] == 0
    )
    clips = data.test.batch(range(12))
    right = (task.eval()(clips.video).argmax(1) == clips.label).sum()
    assert json.loads((tmp_path / "scores.json").read_text())["top1"]["right"] == right


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"--checkpoint": "nowhere.safetensors"}, "nowhere.safetensors"),
        ({"--checkpoint": "nowhere.ckpt"}, "nowhere.ckpt"),
        ({"--checkpoint": "given.npz"}, "Expected a whole safetensors file"),
        ({"--trajectories": "nowhere.npz"}, "nowhere.npz"),
        ({"--trajectories": "cnn.safetensors"}, "trajectories in an .npz file"),
        ({"--trajectories": "keys.npz"}, "add ['is_sync', 'digit_in_front']"),
        ({"--trajectories": "shape.npz"}, "of shapes [(6, 3), (6,), (6,)]"),
        ({"--trajectories": "mnist.npz"}, "that is MNIST: --digits FOLDER --download"),
        ({"--digits": "nowhere"}, "on the command line --download"),
        ({"--clips": "7"}, "'num_clips' from 1 to the 6"),
        ({"--clips": "many"}, "--clips: invalid int value: 'many'"),
        ({"--precision": "half"}, "'precision' to be one of"),
        ({"--device": "gpu"}, "'device' to be auto"),
        ({"--checkpoint": None}, "the following arguments are required: --checkpoint"),
        ({"--trajectories": None}, "one of the arguments --trajectories --config is required"),
        ({"--config": "run.yaml"}, "not allowed with argument"),
        ({"--clip": "3"}, "unrecognized arguments: --clip"),
        ({"--root": "videos"}, "Expected '--root' with --config"),
        ({"--workers": "2"}, "Expected '--workers' with --config"),
        ({"--output": "given.npz"}, "given.npz"),
    ],
)
def test_mistakes_end_in_one_line_that_names_them(
    command, model, given_trajectories, change, named, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    arrays = dict(np.load(given_trajectories()))
    np.savez("keys.npz", **{key: arrays[key] for key in ("coords", "digit_index")})
    np.savez("shape.npz", **{**arrays, "is_sync": arrays["is_sync"][:2]})
    np.savez("mnist.npz", **{**arrays, "digit_index": arrays["digit_index"] + 9000})
    options = {"--checkpoint": model, "--trajectories": "given.npz", "--output": "scores", **change}
    arguments = [word for name, value in options.items() if value is not None for word in (name, value)]
    code, _, error = command("evaluate", *arguments)
    assert (code, error.count("\n")) == (2, 1), error
    assert error.startswith("pyg-video: error: ")
    assert named in error


def test_a_model_of_other_classes_is_refused_before_any_work(command, given_trajectories, tmp_path):
    arguments = ["--trajectories", given_trajectories(), "--output", tmp_path / "scores"]
    code, printed, error = command("evaluate", "--checkpoint", shipped_checkpoint("cnn_small"), *arguments)
    assert (code, printed) == (2, "")
    assert "Expected a model of the 46 classes of the clips (got one of 10)" in error
    assert not (tmp_path / "scores").exists()


def test_the_authors_clips(command, model, authors_trajectories, mnist, tmp_path):
    arguments = ["--trajectories", authors_trajectories, "--digits", mnist, "--output", tmp_path]
    assert command("evaluate", "--checkpoint", model, *arguments, "--clips", "200")[0] == 0
    record = json.loads((tmp_path / "scores.json").read_text())
    assert record["protocol"]["digits"] == "MNIST, test split, 10,000 images"
    assert record["protocol"]["clips"] == "the first 200 of 10,000"
    assert record["protocol"]["frames"] == "10 of 16 x 16 pixels, from a canvas of 100; 5 digits"


@pytest.mark.parametrize("name", ["evaluate", "cost"])
def test_help_loads_nothing_heavy(name):
    code = (
        "from pyg_video.cli.main import main; import sys, contextlib\n"
        f"with contextlib.suppress(SystemExit): main(['{name}', '--help'])\n"
        "print({'torch', 'pytorch_lightning'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.startswith(f"usage: pyg-video {name}")
    assert printed.endswith("set()\n")


def test_safetensors_on_trajectories_need_no_lightning(model, given_trajectories, tmp_path):
    arguments = ["evaluate", "--checkpoint", model, "--trajectories", given_trajectories(), "--output", tmp_path]
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['pytorch_lightning', 'jsonargparse', 'torchmetrics']))\n"
        f"from pyg_video.cli.main import main; print(main({list(map(str, arguments))}))\n"
    )
    printed = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.endswith("\n0\n")
