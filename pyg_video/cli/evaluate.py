"""The command ``pyg-video evaluate``."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .parsing import Parser, add_shared, make_parser

if TYPE_CHECKING:
    from ..evaluation import ClipSource
    from ..training.loading import Trained

_DESCRIPTION = """\
Evaluate a trained model and write the results: accuracy with standard error, per class, confusions, predictions.

  pyg-video evaluate --checkpoint best.safetensors --trajectories authors_5sync_test.npz --digits data --output scores
  pyg-video evaluate --checkpoint best.ckpt --config runs/small_dyreg/version_0/config.yaml --output scores
  pyg-video evaluate --checkpoint best.ckpt --config something.yaml --root something_v2 --output scores

Of videos, the scores of all views that the configuration asks for are averaged, by default 3 crops x 2 clips. Class
scores are kept in OUTPUT/clip_scores.safetensors: interrupted or killed, the same command resumes from there.
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command, the first of ``arguments``, and return the exit code."""
    options = _parser().parse_args(arguments[1:])

    from .._files import make_folder
    from ..checkpoints import find_checkpoint
    from ..evaluation import evaluate, write_evaluation
    from ..evaluation.clips import name_and_checksum
    from ..evaluation.report import as_text
    from ..training.loading import load_trained
    from ..training.scoring import choose_device

    choose_device(options.device)
    trained = load_trained(options.checkpoint)
    clips = _clips(options, trained)
    make_folder(options.output)  # before the work, not after it
    try:
        evaluation = evaluate(
            trained.model,
            clips,
            folder=options.output,
            num_clips=options.clips,
            batch_size=options.batch_size,
            precision=options.precision,
            device=options.device,
            checkpoint=name_and_checksum(find_checkpoint(options.checkpoint)),
            progress=True,
        )
    except KeyboardInterrupt:
        print("\nStopped; the scores so far are kept, and the same command resumes from there.", file=sys.stderr)
        return 130
    print(as_text(evaluation) + "\n")
    for path in write_evaluation(evaluation, options.output):
        print(f"wrote {path}")
    return 0


def _clips(options: Namespace, trained: Trained) -> ClipSource:
    """The test clips that the options ask for, which the model must fit."""
    from .._checks import naming
    from ..evaluation import configured_clips, recorded_clips
    from ..evaluation.clips import check_fit

    digits, download = options.digits, options.download
    if options.config is not None:
        clips = configured_clips(
            options.config, digits=digits, download=download, root=options.root, num_workers=options.workers
        )
    else:
        if unused := [name for name in ("root", "workers") if vars(options)[name] is not None]:
            raise ValueError(f"Expected '--{unused[0]}' with --config (got it with --trajectories); leave it out")
        size = trained.option("frame_size", 64)
        clips = recorded_clips(options.trajectories, digits=digits or "bundled", download=download, frame_size=size)
    with naming(options.checkpoint, "a model of these clips"):
        check_fit(trained, clips)
    return clips


def _parser() -> Parser:
    parser = make_parser("pyg-video evaluate", _DESCRIPTION)
    add_shared(parser, "--checkpoint")
    clips = parser.add_mutually_exclusive_group(required=True)
    clips.add_argument("--trajectories", metavar="FILE", help="recorded trajectories: authors_5sync_test.npz")
    text = "configuration of a run, for its test clips; may be repeated, as for fit"
    clips.add_argument("--config", action="append", metavar="FILE", help=text)
    add = parser.add_argument
    add("--root", metavar="FOLDER", help="of the videos (default: as in --config)")
    add("--digits", metavar="FOLDER", help="MNIST's root folder, or bundled (default: bundled, or as in --config)")
    add("--download", action="store_true", help="download MNIST to --digits if it is missing")
    add("--output", required=True, metavar="FOLDER", help="where to write; created if missing")
    add("--clips", type=int, metavar="N", help="only the first N clips or videos")
    add("--batch-size", type=int, metavar="N", help="clips per batch (default: 100; for videos as in --config)")
    add("--workers", type=int, metavar="N", help="processes that decode videos (default: as in --config)")
    add("--precision", default="float32", metavar="TYPE", help="float32 (default) or bfloat16")
    add_shared(parser, "--device", "--import")
    return parser
