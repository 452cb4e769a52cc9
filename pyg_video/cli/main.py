"""The command ``pyg-video``: finds the module of a command; help and version need no heavy import."""

import sys
import warnings
from collections.abc import Sequence
from difflib import get_close_matches

from .._extras import need
from .._version import __version__
from .parsing import IMPORT, import_modules, run_command, take_option
from .predict import is_on_files

_COMMANDS = {  # the module of each command
    **dict.fromkeys(("fit", "validate", "test", "predict"), "pyg_video.cli.fit"),
    "evaluate": "pyg_video.cli.evaluate",
    "cost": "pyg_video.cli.cost",
    "prepare": "pyg_video.cli.prepare",
}

_USAGE = """\
usage: pyg-video {fit,validate,test,predict,evaluate,cost,prepare} [options]

Train and evaluate the models of pyg_video on synchronous digits, on Something-Something and on videos of your own.

  fit       train; writes logs, checkpoints and the best weights as safetensors under trainer.default_root_dir
  validate  compute loss and accuracy of a checkpoint on the validation clips
  test      compute the accuracy of a checkpoint on the test clips, which training does not use
  predict   write predictions for the test clips, or classify videos: pyg-video predict clip.mp4 --checkpoint FILE
  evaluate  evaluate a checkpoint on recorded trajectories or test clips: accuracy, classes, confusions, protocol
  cost      parameters, multiply-adds and latency of a model
  prepare   decode all videos once and list the damaged ones: pyg-video prepare --root videos

Options of the first four come from YAML files and from the command line, which takes precedence:

  cd examples/configs
  pyg-video fit --config base_small.yaml --config small_dyreg.yaml --model.lr 1e-3 --trainer.max_epochs 2
  pyg-video fit --config video_folder.yaml --data.root videos
  pyg-video fit --config runs/.../config.yaml --ckpt_path runs/.../checkpoints/last.ckpt
  pyg-video test --config runs/.../config.yaml --ckpt_path runs/.../checkpoints/best.ckpt

--config may be repeated; the files are merged from left to right, key by key.

options:
  -h, --help      this text; for all options of a command: pyg-video fit --help, and --data.help SyncMNISTData
  --version       the version
  --import MODULE with any command: import a module with your own models or data first; repeatable
  --print_config  after a command and its options: the whole configuration as YAML

An error is reported in one line with exit code 2; PYG_VIDEO_TRACEBACK=1 shows where it was raised.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code.

    Args:
        argv: the command and its options; those of this process by default.

    Example:
        >>> main(["--version"])
        pyg-video 0.1.0
        0
    """
    return run_command(lambda: _run(sys.argv[1:] if argv is None else argv))


def _run(argv: Sequence[str]) -> int:
    modules, arguments = take_option(argv, IMPORT)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_USAGE, end="")
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"pyg-video {__version__}")
        return 0
    command, *rest = arguments
    if command not in _COMMANDS:
        close = get_close_matches(command, _COMMANDS, n=1)
        hint = f"; did you mean '{close[0]}'?" if close else "; pyg-video --help describes them"
        raise ValueError(f"Expected a command, one of {', '.join(_COMMANDS)} (got '{command}'{hint})")
    # torch_geometric scripts helpers at import, which torch 2.15 announces to be deprecated.
    warnings.filterwarnings("ignore", "`torch.jit.script", FutureWarning)
    import_modules(modules)
    on_files = command == "predict" and is_on_files(rest)
    home = need("pyg_video.cli.predict" if on_files else _COMMANDS[command], "train")
    code: int = home.run(arguments)
    return code


if __name__ == "__main__":
    sys.exit(main())
