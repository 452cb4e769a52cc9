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


def test_help_loads_nothing_heavy():
    code = "from pyg_video.cli.main import main; main(['--help']); import sys; print('torch' in sys.modules)"
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
