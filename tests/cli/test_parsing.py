import sys
import warnings

import pytest

from pyg_video.cli.main import main
from pyg_video.cli.parsing import in_one_line, make_parser, run_command
from pyg_video.models import registry


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module into the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(tmp_path)])

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        return name

    yield write
    for path in tmp_path.glob("*.py"):
        sys.modules.pop(path.stem, None)


MODEL = """
from pyg_video.backbones import SmallCNN
from pyg_video.models import PoolHead, VideoClassifier, register_model

@register_model
def {name}(num_classes: int = 3, *, frame_size: int = 8) -> VideoClassifier:
    return VideoClassifier(SmallCNN(1, (2,), (2,)), PoolHead(2, num_classes))
"""


def test_own_models_reach_a_command(module, capsys):
    first, second = module("my_first_nets", MODEL.format(name="my_first")), module("my_other_nets", "X = 1")
    cost = ["cost", "--model", "my_first", "--frames", "2", "--runs", "0"]
    assert main(cost) == 2
    assert "Expected the name of a model" in capsys.readouterr().err
    assert main([f"--import={second}", *cost[:1], "--import", first, *cost[1:]]) == 0
    assert capsys.readouterr().out.startswith("my_first on one clip of 2 frames, 1 x 8 x 8")
    assert {first, second} <= sys.modules.keys()


@pytest.mark.parametrize("name", ["nowhere_to_find", "my_nets.py", "", "../nets"])
def test_what_is_no_module_ends_in_one_line(name, capsys):
    assert main(["cost", "--model", "cnn_sync_mnist", "--import", name]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "Expected '--import' with the name of a module" in error
    assert f"(got '{name}':" in error


def test_an_option_without_its_value_ends_in_one_line(capsys):
    assert main(["cost", "--model", "cnn_sync_mnist", "--import"]) == 2
    assert capsys.readouterr().err == "pyg-video: error: --import: expected one argument\n"


def test_errors_of_the_module_itself_are_shown_as_they_are(module):
    broken = module("my_broken_nets", "1 / 0")
    with pytest.raises(ZeroDivisionError):
        main(["cost", "--model", "cnn_sync_mnist", "--import", broken])


def test_errors_of_the_parser_are_one_line(capsys):
    parser = make_parser("a command", "does something")
    assert run_command(lambda: len(vars(parser.parse_args(["--what"])))) == 2
    assert capsys.readouterr().err == (
        "pyg-video: error: unrecognized arguments: --what; a command --help lists all options\n"
    )


def test_tracebacks_of_workers_are_cut():
    text = "Caught ValueError in DataLoader worker process 0.\nTraceback ...\nValueError: Expected a whole video"
    assert in_one_line(ValueError(text)) == "Expected a whole video"


def test_what_a_file_says_is_escaped_and_shortened():
    assert in_one_line(ValueError("got '\x1b[31m\0'")) == r"got '\x1b[31m\x00'"
    line = in_one_line(ValueError("in 'a.csv' (got " + 200_000 * "x" + "); mend it"))
    assert len(line) < 2000
    assert line.startswith("in 'a.csv' (got x")
    assert line.endswith("x); mend it")


def test_warnings_are_one_line_without_a_place_in_the_code(capsys):
    def run():
        warnings.warn("frames are\nblack", UserWarning, stacklevel=1)
        return 0

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        shown = warnings.showwarning
        assert run_command(run) == 0
        assert warnings.showwarning is shown
    assert capsys.readouterr().err == "warning: frames are black\n"
