"""The command ``pyg-video predict`` on video files."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from .parsing import Parser, add_shared, in_one_line, make_parser

_DESCRIPTION = """\
Classify videos, and draw the regions that the model uses.

  pyg-video predict clip.mp4 --checkpoint best.safetensors
  pyg-video predict videos/*.mp4 --checkpoint best.ckpt --output looks --top 3

Prints the most probable classes of every video, and writes them to predictions.csv and the regions over the frames to
NAME_regions.mp4. Of several videos, those that cannot be read are listed and skipped, damaged ones as well, unless
--on-corrupt says otherwise. Exit code 0: all videos were read; 2: some were not. Without video files before the first
option, predict runs on a data set: pyg-video predict --help.
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
    how = {
        "num_frames": options.frames,
        "frame_rate": options.frame_rate,
        **{key: vars(options)[key] for key in ("views", "device", "on_corrupt")},
    }
    rows: list[tuple[object, ...]] = [("video", "rank", "name", "probability")]
    skipped, taken = 0, set[str]()
    for path in map(Path, options.videos):
        try:
            with warnings.catch_warnings(record=True, action="always", category=UserWarning) as told:
                found = predict_video(trained, path, **how)
        except VideoFileError as error:
            if len(options.videos) == 1:
                raise
            print(f"skipped {path}: {error.problem or in_one_line(error)}", file=sys.stderr)
            skipped += 1
            continue
        for warning in told:
            print(f"warning: {warning.message}", file=sys.stderr)
        print(path)
        for k, (name, share) in enumerate(found.top(options.top), start=1):
            print(f"  {100 * share:5.1f} %  {name}")
            rows.append((path, k, name, f"{share:.6f}"))
        print(f"  wrote {found.save(folder / _unused(path, taken))}")

    print(f"wrote {write_table(folder / 'predictions.csv', rows)}")
    if skipped:
        print(f"{skipped} of {len(options.videos)} videos skipped", file=sys.stderr)
    return 2 if skipped else 0


def _parser() -> Parser:
    parser = make_parser("pyg-video predict", _DESCRIPTION)
    add = parser.add_argument
    add("videos", nargs="+", metavar="VIDEO", help="files of any length, frame rate and size")
    add_shared(parser, "--checkpoint")
    add("--output", default="predictions", metavar="FOLDER", help="where to write (default: predictions)")
    add("--top", type=int, default=5, metavar="K", help="number of classes to print (default: 5)")
    add("--frames", type=int, metavar="T", help="frames per clip (default: as in the model's training, else 16)")
    text = "frames per second (default: as in the training, or frames over the whole video)"
    add("--frame-rate", type=float, metavar="RATE", help=text)
    add("--views", type=int, metavar="N", help="1, 3 crops, or 3 crops x 2 clips = 6 (default: 6; 1 for grey models)")
    text = "damaged frames: raise (default: skip the video), warn and take them as they are, or skip these frames"
    add("--on-corrupt", default="raise", metavar="HOW", help=text)
    add_shared(parser, "--device", "--import")
    return parser


def _unused(path: Path, taken: set[str]) -> str:
    """A file name for the drawn video that no other video of this run has."""
    numbered = (f"{path.stem}_{k}_regions.mp4" for k in range(2, len(taken) + 2))
    name = next(name for name in (f"{path.stem}_regions.mp4", *numbered) if name not in taken)
    taken.add(name)
    return name
