"""The commands ``pyg-video evaluate`` and ``pyg-video cost``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from ..evaluation.digits import Evaluation
    from ..inspection import Cost
    from ..models import Option
    from ..training.loading import Trained

_EVALUATE = """\
Score a trained model, and write what it is based on: accuracy with standard error, per class, confusions, predictions.

  pyg-video evaluate --checkpoint best.safetensors --trajectories authors_5sync_test.npz --digits data --output scores
  pyg-video evaluate --checkpoint best.ckpt --config runs/small_dyreg/version_0/config.yaml --output scores
  pyg-video evaluate --checkpoint best.ckpt --config something.yaml --root something_v2 --output scores

Videos of Something-Something get the views that the configuration says, by default 3 crops of 256 x 2 clips, and their
scores are averaged. Stopped, or killed, the same command goes on from there.
"""
_COST = """\
Print parameters, multiply-adds and latency of a named model on one clip.

  pyg-video cost --model dyreg_gnn_sync_mnist --options output=vector "channels=[16, 32, 32]" --frames 10 --size 64
"""

_DATA = ("SyncMNISTData", "MultiSyncMNISTData", "SomethingSomethingData")

USER_ERRORS = (ValueError, OSError, ModuleNotFoundError)
"""What a wrong option, file or value raises."""


class Parser(argparse.ArgumentParser):
    """Whose mistakes are :data:`USER_ERRORS`."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; {self.prog} --help lists all options")


def run(arguments: Sequence[str] | None = None) -> int:
    """Run ``evaluate`` or ``cost``, the first of ``arguments``; mistakes come as :data:`USER_ERRORS`."""
    command, *rest = sys.argv[1:] if arguments is None else arguments
    return {"evaluate": _evaluate, "cost": _cost}[command](rest)


def in_one_line(error: BaseException) -> str:
    """The message of one of :data:`USER_ERRORS`."""
    return " ".join(str(error).split())


def _evaluate_parser() -> Parser:
    parser = make_parser("evaluate", _EVALUATE)
    add = parser.add_argument
    add(
        "--checkpoint",
        required=True,
        metavar="FILE",
        help=".safetensors, .ckpt of pyg-video fit, or id on the Hub",
    )
    clips = parser.add_mutually_exclusive_group(required=True)
    clips.add_argument("--trajectories", metavar="FILE", help="recorded trajectories: authors_5sync_test.npz")
    clips.add_argument(
        "--config",
        action="append",
        metavar="FILE",
        help="configuration of a run: its test clips; may be repeated",
    )
    add("--root", metavar="FOLDER", help="of Something-Something (default: as --config says)")
    add("--digits", metavar="FOLDER", help="MNIST's root folder, or bundled (default: bundled, or as --config says)")
    add("--download", action="store_true", help="fetch MNIST into --digits if it is not there")
    add("--output", required=True, metavar="FOLDER", help="where to write; made if need be")
    add("--clips", type=int, metavar="N", help="only the first N clips, or videos")
    add("--batch-size", type=int, metavar="N", help="at a time (default: 100 clips; videos as --config says)")
    add("--workers", type=int, metavar="N", help="processes that decode videos (default: as --config says)")
    add("--precision", default="float32", metavar="TYPE", help="float32 (default) or bfloat16")
    add("--device", default="auto", metavar="NAME", help="auto (default), cpu, cuda, cuda:1, ...")
    return parser


def _evaluate(arguments: Sequence[str]) -> int:
    options = _evaluate_parser().parse_args(arguments)

    from ..evaluation.report import as_text, write_evaluation
    from ..evaluation.scored_clips import configured_data
    from ..training.loading import load_trained
    from ..training.scoring import choose_device

    choose_device(options.device)
    trained = load_trained(options.checkpoint)
    name = configured_data(options.config, _DATA)[0] if options.config else ""
    try:
        evaluation = (_evaluate_videos if name == _DATA[-1] else _evaluate_clips)(options, trained)
    except KeyboardInterrupt:
        print("\nStopped; the scores of videos are kept, and the same command goes on from here.", file=sys.stderr)
        return 130
    print(as_text(evaluation) + "\n")
    for path in write_evaluation(evaluation, options.output):
        print(f"wrote {path}")
    return 0


def _evaluate_videos(options: argparse.Namespace, trained: Trained) -> Evaluation:
    from ..checkpoints import find_checkpoint
    from ..evaluation.scored_clips import check_classes, configured_data, in_short
    from ..evaluation.videos import evaluate_videos
    from ..training.data.something_something import SomethingSomethingData

    name, given = configured_data(options.config, _DATA)
    changed = {"root": options.root, "test_batch_size": options.batch_size, "num_workers": options.workers}
    given |= {key: value for key, value in changed.items() if value is not None}
    try:
        data = SomethingSomethingData(**given)
    except TypeError as error:
        raise ValueError(f"Expected options of {name} in '{options.config}' (got {error})") from error
    check_classes(trained, data.num_classes, data.label_names)
    Path(options.output).mkdir(parents=True, exist_ok=True)
    return evaluate_videos(
        trained.model,
        data,
        options.output,
        num_videos=options.clips,
        precision=options.precision,
        device=options.device,
        checkpoint=in_short(find_checkpoint(options.checkpoint)),
        progress=True,
    )


def _evaluate_clips(options: argparse.Namespace, trained: Trained) -> Evaluation:
    from ..checkpoints import find_checkpoint
    from ..evaluation.digits import evaluate
    from ..evaluation.scored_clips import check_fit, configured_clips, in_short, recorded_clips

    frame = trained.option("frame_size", 64)
    if options.trajectories is not None:
        digits = options.digits or "bundled"
        scored = recorded_clips(options.trajectories, digits=digits, download=options.download, frame_size=frame)
    else:
        scored = configured_clips(options.config, digits=options.digits, download=options.download)
    check_fit(trained, scored)
    Path(options.output).mkdir(parents=True, exist_ok=True)  # before the work, not after it
    return evaluate(
        trained.model,
        scored,
        num_clips=options.clips,
        batch_size=100 if options.batch_size is None else options.batch_size,
        precision=options.precision,
        device=options.device,
        checkpoint=in_short(find_checkpoint(options.checkpoint)),
        progress=True,
    )


def _cost(arguments: Sequence[str]) -> int:
    parser = make_parser("cost", _COST)
    add = parser.add_argument
    add("--model", required=True, metavar="NAME", help="one of pyg_video.models.list_models()")
    add("--options", nargs="*", default=[], metavar="NAME=VALUE", help="options of the model; values as in JSON")
    add("--frames", type=int, default=16, metavar="T", help="frames of the clip (default: 16)")
    add("--size", type=int, metavar="N", help="side of the frames (default: the model's option frame_size, else 224)")
    add("--runs", type=int, default=10, metavar="N", help="timed runs; 0 to leave the time out (default: 10)")
    add("--device", default="auto", metavar="NAME", help="auto (default), cpu, cuda, cuda:1, ...")
    options = parser.parse_args(arguments)

    from ..inspection import model_cost
    from ..models import create_model, model_options
    from ..training.scoring import choose_device

    given = dict(map(_option, options.options))
    known = model_options(options.model)
    if options.size is not None and "frame_size" in known:
        given.setdefault("frame_size", options.size)
    device = choose_device(options.device)
    model = create_model(options.model, **given)
    size = int(str({**known, **given}.get("frame_size", 224))) if options.size is None else options.size
    shape = (options.frames, model.backbone.in_channels, size, size)
    print(_in_words(options.model, model_cost(model, shape, runs=options.runs, device=device)))
    return 0


def _option(text: str) -> tuple[str, Option]:
    """``name=value``, where the value is JSON or else a word."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"Expected '--options' as name=value (got '{text}')")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _in_words(name: str, cost: Cost) -> str:
    T, C, H, W = cost.video_shape
    counts = cost.multiply_adds
    lines = [
        f"{name} on one clip of {T} frames, {C} x {H} x {W}",
        f"parameters         {cost.parameters:>18,}",
        f"multiply-adds      {counts.total:>18,}",
        *(f"  {part.replace('_', ' '):17}{number:>18,}" for part, number in counts._asdict().items()),
    ]
    if cost.latency is not None:
        seconds, runs, device, threads = cost.latency
        taken = f"median of {runs} runs on {device}, {threads} CPU thread{'s' if threads > 1 else ''}"
        lines.append(f"latency            {1000 * seconds:>15.2f} ms   ({taken})")
    return "\n".join(lines)


def make_parser(command: str, description: str) -> Parser:
    """The parser of one command."""
    return Parser(
        prog=f"pyg-video {command}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
