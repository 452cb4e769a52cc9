"""Every configuration for Something-Something starts, on ten tiny videos."""

import json
from pathlib import Path

import pytest

from pyg_video._config import merged_config
from pyg_video.checkpoints import save_model
from pyg_video.cli.main import main
from pyg_video.models import create_model
from pyg_video.training import load_trained

FOLDER = Path(__file__).parents[2] / "examples" / "configs" / "something_something"
CONFIGS = sorted(FOLDER.glob("v*.yaml"))
ROWS = {  # of the papers
    *("v1_tsm_resnet18", "v1_tsm_resnet18_dyreg", "v1_i3d_resnet50", "v1_i3d_resnet50_dyreg"),
    *("v1_tsm_resnet50", "v1_tsm_resnet50_dyreg", "v1_c2d_resnet50", "v1_c2d_rstg_to_vec", "v1_i3d_rstg_baseline"),
    *("v1_i3d_rstg_to_vec", "v1_i3d_rstg_res2", "v1_i3d_rstg_res3", "v1_i3d_rstg_res4", "v1_i3d_rstg_res3_res4"),
    *("v2_tsm_resnet50", "v2_tsm_resnet50_fixed", "v2_tsm_resnet50_dyreg_r3", "v2_tsm_resnet50_dyreg_r4"),
    *("v2_tsm_resnet50_dyreg_r5", "v2_tsm_resnet50_dyreg_r345", "v2_tsm_resnet50_detector"),
}
DISTILLED = FOLDER / "v2_tsm_resnet50_dyreg_r345.yaml"


def files_of(path):
    """The files that the first line of a configuration names, itself the last of them."""
    first = path.read_text().splitlines()[0].removeprefix("# pyg-video fit ").removesuffix(" --data.root FOLDER")
    base, own = first.removeprefix("--config ").split(" --config ")
    assert own == path.name
    return [path.with_name(base), path]


def options_of(path):
    return [f"--config={file}" for file in files_of(path)]


def tiny(root, frame):
    return [
        *(f"--data.root={root}", f"--data.frame_size={frame}", "--data.num_frames=2", "--data.batch_size=2"),
        *("--data.num_workers=0", "--model.model_options.weights=", "--trainer.fast_dev_run=true"),
        *("--trainer.accelerator=cpu", "--trainer.precision=32-true", "--trainer.enable_model_summary=false"),
        "--trainer.enable_progress_bar=false",
    ]


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["pyg-video"])
        monkeypatch.chdir(tmp_path)
        code = main(list(map(str, arguments)))
        return code, capsys.readouterr().err

    return run


def write_boxes(folder):
    """The files of Something-Else, with a box in the first frames of every video."""
    box = {"box2d": {"x1": 16, "y1": 12, "x2": 32, "y2": 36}, "category": "cup", "standard_category": "0000"}
    part = {
        str(name): [{"name": f"{name}/{frame:04d}.jpg", "labels": [box], "gt_placeholders": [], "nr_instances": 1}
                    for frame in range(1, 13)]
        for name in range(100, 110)
    }  # fmt: skip
    for number in range(1, 5):
        (folder / f"bounding_box_smthsmth_part{number}.json").write_text(json.dumps(part if number == 1 else {}))
    return folder


def test_every_row_of_the_papers_has_a_configuration():
    assert {path.stem for path in CONFIGS} == ROWS


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_each_says_how_it_is_started_and_what_the_paper_got(config):
    assert any(words in config.read_text() for words in ("% top-1", "paper does not report"))
    content = merged_config(files_of(config))
    assert content["trainer"]["default_root_dir"] == f"runs/something_something/{config.stem}"
    assert config.stem.startswith(content["data"]["init_args"]["version"])


@pytest.mark.slow
@pytest.mark.parametrize("config", [path for path in CONFIGS if path != DISTILLED], ids=lambda path: path.stem)
def test_each_starts(request, command, config):
    root = request.getfixturevalue(f"something_{config.stem[:2]}")
    frame = 80 if "dyreg" in config.stem or "fixed" in config.stem else 48  # maps of 3 x 3 in the last stage
    boxes = [f"--data.boxes={write_boxes(root)}"] if "detector" in config.stem else []
    code, error = command("fit", *options_of(config), *tiny(root, frame), *boxes)
    assert code == 0, error


@pytest.mark.slow
def test_three_teachers_hand_on_their_regions(command, something_v2, tmp_path):
    config = tmp_path / DISTILLED.name
    config.write_text(DISTILLED.read_text().replace("share: 0.1", "share: 1.0"))
    files = [f"--config={file}" for file in (files_of(DISTILLED)[0], config)]
    code, error = command("fit", *files, *tiny(something_v2, 80))
    assert (code, error.count("\n")) == (2, 1), error
    assert "dyreg_r3/version_0/checkpoints/best.safetensors" in error
    for row, layer in (("r3", "layer2"), ("r4", "layer3"), ("r5", "layer4")):
        folder = tmp_path / f"runs/something_something/v2_tsm_resnet50_dyreg_{row}/version_0/checkpoints"
        save_model(create_model("dyreg_tsm_resnet50", frame_size=80, stages=(layer,)), folder / "best.safetensors")
    code, error = command("fit", *files, *tiny(something_v2, 80))
    assert code == 0, error


@pytest.mark.slow
def test_one_command_each_to_train_resume_evaluate_and_predict(command, something_v2, tmp_path):
    config = FOLDER / "v1_tsm_resnet18_dyreg.yaml"
    options = [option for option in tiny(something_v2, 32) if "fast_dev_run" not in option]
    options += ["--data.version=v2", "--data.test_frame=32", "--trainer.log_every_n_steps=1"]
    options += ["--model.model_options.stages=[layer2]"]
    run = ("fit", *options_of(config), *options, "--trainer.limit_train_batches=1")
    code, error = command(*run, "--trainer.max_epochs=1")
    assert code == 0, error
    folder = tmp_path / "runs" / "something_something" / "v1_tsm_resnet18_dyreg" / "version_0"
    last = folder / "checkpoints" / "last.ckpt"
    assert command(*run, "--trainer.max_epochs=2", f"--ckpt_path={last}")[0] == 0
    best = folder / "checkpoints" / "best.safetensors"
    scored = ("--config", folder / "config.yaml", "--checkpoint", best, "--output", tmp_path / "scores")
    assert command("evaluate", *scored) == (0, "")
    protocol = json.loads((tmp_path / "scores" / "scores.json").read_text())["protocol"]
    assert protocol["views"] == "1 central crop x 1 clip a video"
    assert protocol["videos"] == "Something-Something v2, validation split, 3, none left out"
    video = something_v2 / "20bn-something-something-v2" / "109.webm"
    assert command("predict", video, "--checkpoint", best, "--output", tmp_path / "looks") == (0, "")
    trained = load_trained(best)
    assert (trained.num_frames, trained.frame_size) == (2, 32)
    assert trained.label_names[93].startswith("Pushing")
    assert (tmp_path / "looks" / "109_regions.mp4").is_file()
