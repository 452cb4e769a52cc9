"""The command ``pyg-video predict`` on video files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .parsing import Parser, add_checkpoint, add_device, add_import, in_one_line, make_parser

if TYPE_CHECKING:
    from ..evaluation.prediction import VideoPrediction

_DESCRIPTION = """\
Classify videos, and draw the regions that the model uses.

  pyg-video predict clip.mp4 --checkpoint best.safetensors
  pyg-video predict videos/*.mp4 --checkpoint best.ckpt --output looks --top 3

Prints the most probable classes of every video, and writes them to predictions.csv and the regions over the frames to
NAME_regions.mp4. Of several videos, damaged ones are listed and skipped. Exit code 0: all videos were read; 2: some
were not. Without video files before the first option, predict runs on a data set: pyg-video predict --help.
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command, the first of ``arguments``, and return the exit code."""
    options = _parser().parse_args(arguments[1:])

    from .._files import write_table
    from ..datasets import VideoFileError
    from ..evaluation.prediction import predict_video
    from ..training.loading import load_trained
    from ..training.scoring import choose_device

    choose_device(options.device)
    if options.top < 1:
        raise ValueError(f"Expected '--top' of at least 1 (got {options.top})")
    trained = load_trained(options.checkpoint)
    folder = Path(options.output)
    rows: list[tuple[object, ...]] = [("video", "rank", "name", "probability")]
    skipped, taken = 0, set[str]()
    for path in map(Path, options.videos):
        try:
            found = predict_video(trained, path, num_frames=options.frames, views=options.views, device=options.device)
        except VideoFileError as error:
            if len(options.videos) == 1:
                raise
            print(f"skipped {path}: {error.problem or in_one_line(error)}", file=sys.stderr)
            skipped += 1
            continue
        _print(path, found, options.top)
        rows.extend((path, k, name, f"{p:.6f}") for k, (name, p) in enumerate(found.top(options.top), start=1))
        print(f"  wrote {found.save(folder / _unused(path, taken))}")

    print(f"wrote {write_table(folder / 'predictions.csv', rows)}")
    if skipped:
        print(f"{skipped} of {len(options.videos)} videos skipped", file=sys.stderr)
    return 2 if skipped else 0


def _parser() -> Parser:
    parser = make_parser("pyg-video predict", _DESCRIPTION)
    add = parser.add_argument
    add("videos", nargs="+", metavar="VIDEO", help="files of any length, frame rate and size")
    add_checkpoint(parser)
    add("--output", default="predictions", metavar="FOLDER", help="where to write (default: predictions)")
    add("--top", type=int, default=5, metavar="K", help="number of classes to print (default: 5)")
    add("--frames", type=int, metavar="T", help="frames per clip (default: as in the model's training, else 16)")
    add("--views", type=int, metavar="N", help="1, 3 crops, or 3 crops x 2 clips = 6 (default: 6; 1 for grey models)")
    add_device(parser)
    add_import(parser)
    return parser


def _print(path: Path, found: VideoPrediction, top: int) -> None:
    print(path)
    for name, share in found.top(top):
        print(f"  {100 * share:5.1f} %  {name}")


def _unused(path: Path, taken: set[str]) -> str:
    """A name for the drawn video that no other video of this run has."""
    name, number = f"{path.stem}_regions.mp4", 1
    while name in taken:
        number += 1
        name = f"{path.stem}_{number}_regions.mp4"
    taken.add(name)
    return name
