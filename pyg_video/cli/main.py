"""The command ``pyg-video``; this file answers what needs no Lightning, so that it answers at once."""

import os
import sys
import warnings
from collections.abc import Callable, Sequence

from .._extras import need
from .._version import __version__

_HOME = {  # the other commands are Lightning's
    "evaluate": "pyg_video.cli.evaluate",
    "cost": "pyg_video.cli.evaluate",
    "prepare": "pyg_video.cli.prepare",
}

_USAGE = """\
usage: pyg-video {fit,validate,test,predict,evaluate,cost,prepare} [options]

Train and evaluate the models of pyg_video on synchronous digits and on Something-Something.

  fit       train; writes logs, checkpoints and the best weights as safetensors under trainer.default_root_dir
  validate  score a checkpoint on the validation clips
  test      score a checkpoint on the test clips: digits and trajectories that training never saw
  predict   write a table of predictions for the test clips; with video files before the options, say what happens in
            them: pyg-video predict clip.mp4 --checkpoint best.safetensors
  evaluate  score a checkpoint on recorded trajectories or test clips: accuracy, classes, confusions, protocol
  cost      parameters, multiply-adds and latency of a model
  prepare   check a download of Something-Something: pyg-video prepare --root DIR --version v2

Options of the first four come from YAML files and from the command line, which takes precedence:

  cd examples/configs
  pyg-video fit --config base_small.yaml --config small_dyreg.yaml --model.lr 1e-3 --trainer.max_epochs 2
  pyg-video fit --config runs/.../config.yaml --ckpt_path runs/.../checkpoints/last.ckpt
  pyg-video test --config runs/.../config.yaml --ckpt_path runs/.../checkpoints/best.ckpt

Several configurations are merged from left to right, key by key; --config may be repeated.

options:
  -h, --help      this text; for all options of a command: pyg-video fit --help, and --data.help SyncMNISTData
  --version       the version
  --print_config  after a command and its options: the whole configuration as YAML

A mistake ends with one line and exit code 2; PYG_VIDEO_TRACEBACK=1 shows where it was noticed.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit code.

    Args:
        argv: the command and its options; those of this process by default.

    Example:
        >>> main(["--version"])
        pyg-video 0.1.0
        0
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_USAGE, end="")
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"pyg-video {__version__}")
        return 0
    # torch_geometric scripts helpers at import, which torch 2.15 announces to be deprecated.
    warnings.filterwarnings("ignore", "`torch.jit.script", FutureWarning)
    expected: tuple[type[Exception], ...] = (ModuleNotFoundError,)
    in_one_line: Callable[[BaseException], str] = str
    try:
        home = need(_home(arguments), "train")
        expected, in_one_line = home.USER_ERRORS, home.in_one_line
        code = home.run(None if argv is None else arguments)
    except expected as error:
        if os.environ.get("PYG_VIDEO_TRACEBACK"):
            raise
        print(f"pyg-video: error: {in_one_line(error)}", file=sys.stderr)
        return 2
    return code if isinstance(code, int) else 0


def _home(arguments: Sequence[str]) -> str:
    """The module that has the command; ``predict`` is another one where video files follow it."""
    command, *rest = arguments
    if command == "predict" and rest and not rest[0].startswith("-"):
        return "pyg_video.cli.predict"
    return _HOME.get(command, "pyg_video.cli.fit")


if __name__ == "__main__":
    sys.exit(main())
