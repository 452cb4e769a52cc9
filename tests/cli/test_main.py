import subprocess
import sys

import pytest

from pyg_video._version import __version__
from pyg_video.cli.main import main


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), (["-h"], 0), ([], 2)])
def test_usage(arguments, code, capsys):
    assert main(arguments) == code
    assert capsys.readouterr().out.startswith("usage: pyg-video {fit,validate,test,predict,evaluate,cost,prepare}")


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"pyg-video {__version__}\n"


@pytest.mark.parametrize(
    ("command", "hint"), [("evalute", "did you mean 'evaluate'?"), ("score", "--help"), ("--config=run.yaml", "--help")]
)
def test_an_unknown_command_lists_the_commands(command, hint, capsys):
    assert main([command]) == 2
    printed, error = capsys.readouterr()
    assert (printed, error.count("\n")) == ("", 1)
    assert "Expected a command, one of fit, validate, test, predict, evaluate, cost, prepare (got " in error
    assert hint in error


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["evalute"]])
def test_answers_without_a_command_load_nothing_heavy(arguments):
    code = f"from pyg_video.cli.main import main; main({arguments}); import sys; print('torch' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.endswith("False\n")


@pytest.mark.slow
def test_lightning_is_imported_only_for_training():
    code = (
        "import warnings, sys; warnings.simplefilter('ignore'); import pyg_video.checkpoints, pyg_video.training; "
        "print({'pytorch_lightning', 'jsonargparse', 'torchmetrics', 'tensorboard'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "set()\n"


def test_unknown_names_of_the_package():
    import pyg_video.training

    with pytest.raises(AttributeError, match="no attribute 'Trainer'"):
        _ = pyg_video.training.Trainer
