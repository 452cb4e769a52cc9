"""The command ``pyg-video cost``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .parsing import add_shared, make_parser

if TYPE_CHECKING:
    from ..inspection import Cost
    from ..models import Option

_DESCRIPTION = """\
Print parameters, multiply-adds and latency of a named model on one clip.

  pyg-video cost --model dyreg_gnn_sync_mnist --options output=vector "channels=[16, 32, 32]" --frames 10 --size 64
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command, the first of ``arguments``, and return the exit code."""
    parser = make_parser("pyg-video cost", _DESCRIPTION)
    add = parser.add_argument
    add("--model", required=True, metavar="NAME", help="one of pyg_video.models.list_models()")
    add("--options", nargs="*", default=[], metavar="NAME=VALUE", help="options of the model; values as in JSON")
    add("--frames", type=int, default=16, metavar="T", help="frames of the clip (default: 16)")
    add("--size", type=int, metavar="N", help="side of the frames (default: the model's option frame_size, else 224)")
    add("--runs", type=int, default=10, metavar="N", help="timed runs; 0 for no timing (default: 10)")
    add_shared(parser, "--device", "--import")
    options = parser.parse_args(arguments[1:])

    from ..datasets.video.limits import max_pixels
    from ..inspection import model_cost
    from ..models import create_model, model_options
    from ..models.classifier import video_channels
    from ..training.scoring import choose_device

    given = dict(map(_option, options.options))
    known = model_options(options.model)
    if options.size is not None and "frame_size" in known:
        given.setdefault("frame_size", options.size)
    device = choose_device(options.device)
    model = create_model(options.model, **given)
    size = int(str({**known, **given}.get("frame_size", 224))) if options.size is None else options.size
    if options.frames * size * size > max_pixels():
        raise ValueError(
            f"Expected a clip of at most {max_pixels():,} pixels (got {options.frames:,} frames of {size:,} x {size:,})"
            "; give other '--frames' or '--size', or set the environment's PYG_VIDEO_MAX_PIXELS"
        )
    shape = (options.frames, video_channels(model), size, size)
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
