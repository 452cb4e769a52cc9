"""The command ``pyg-video predict`` on video files."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import warnings
from argparse import Namespace
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .._text import printable
from .inputs import Input, find_inputs, resolved
from .parsing import Parser, add_shared, in_one_line, make_parser, print_warning

if TYPE_CHECKING:
    from ..evaluation.record import PredictionRecord, VideoRecord
    from ..evaluation.video_model import VideoModel
    from ..evaluation.video_prediction import VideoPrediction

_DESCRIPTION = """\
Classify videos, and draw the regions that the model uses on their frames.

  pyg-video predict clip.mp4 --checkpoint best.safetensors
  pyg-video predict --checkpoint dyreg_gnn_small "videos/*.mp4" more/ --output looks --top 3
  pyg-video predict long.mp4 --checkpoint best.ckpt --window 4 --every 1
  cat clip.mp4 | pyg-video predict - --checkpoint someone/some-model

A video is a file, a pattern in quotes, a folder (all videos in it and below), - for bytes on standard input, or with
--stream the number of a camera or an address such as rtsp://camera.local/live. Prints the most probable classes of
every video, writes them to predictions.csv and with all regions to predictions.json, and draws the regions on the
frames of the video in NAME_regions.mp4. Of several videos, those that cannot be read are listed and skipped, damaged
ones as well, unless --on-corrupt says otherwise. Exit code 0: all videos were read; 2: some were not; 130: stopped by
Ctrl-C, with what was written so far kept.

With --config, --ckpt_path or another option of pyg-video test, predict runs on the clips of a data set instead; its
options are those of pyg-video test --help.
"""
_STOPPED = 130  # exit code
_ENDS = ("_regions.mp4", "_sheet.png")
_OF_DATA_SETS = {"--config", "-c", "--ckpt_path", "--data", "--model", "--trainer", "--optimizer", "--lr_scheduler"}
_OF_DATA_SETS |= {"--seed_everything", "--print_config", "--return_predictions", "--weights_only"}


def is_on_files(arguments: Sequence[str]) -> bool:
    """Whether the arguments of ``predict`` are for video files, and not for the clips of a data set.

    Example:
        >>> is_on_files(["--checkpoint", "best.ckpt", "clip.mp4"]), is_on_files(["--config", "run.yaml"])
        (True, False)
    """
    if arguments and not arguments[0].startswith("-"):
        return True
    options = [argument.partition("=")[0] for argument in arguments if argument.startswith("-")]
    return not any(option.startswith("--checkpoint.") or option.split(".")[0] in _OF_DATA_SETS for option in options)


def run(arguments: Sequence[str]) -> int:
    """Run the command, the first of ``arguments``, and return the exit code."""
    options = _parser().parse_intermixed_args(arguments[1:])

    from ..evaluation.record import open_record
    from ..evaluation.video_model import VideoModel
    from ..training.scoring import choose_device

    _check(options)
    choose_device(options.device)
    how = {name: vars(options)[name] for name in ("frame_rate", "views", "device", "stream")}
    model = VideoModel(options.checkpoint, num_frames=options.frames, **how)
    recipe = getattr(model.net, "recipe", None)
    about = {"checkpoint": options.checkpoint, "model": recipe.name if recipe else type(model.net).__name__}
    with open_record(options.output, about, top=options.top, stream=options.stream) as record:
        live = _is_live(options)
        try:
            code = (
                _predict_live(model, options.videos[0], record, options)
                if live
                else _predict_all(model, record, options)
            )
        except KeyboardInterrupt:  # before there was anything of this video to keep
            code = _STOPPED
    print(f"wrote {Path(options.output, 'predictions.csv')} and predictions.json")
    if code == _STOPPED:
        print("Stopped; what was written so far is kept.", file=sys.stderr)
    return code


def _predict_all(model: VideoModel, record: PredictionRecord, options: Namespace) -> int:
    """Predict on all videos; the exit code."""
    from ..datasets import VideoFileError, probe_video

    folder, skipped = Path(options.output), 0
    with tempfile.TemporaryDirectory() as scratch:
        inputs = find_inputs(options.videos, Path(scratch), without=folder)
        taken = {resolved(one.path) for one in inputs}
        for one in inputs:
            target = _unused(folder, one.path, taken)
            try:
                info = probe_video(one.path)
                about = {"frame_rate": info.frame_rate, "num_frames": info.num_frames}
                with _warnings_printed(), record.video(one.name, **about) as entry:
                    film = _predict(model, one, entry, target, options)
                _tell(entry, film, target, options)
            except (ValueError, OSError) as error:  # of this video
                if len(inputs) == 1:
                    raise
                problem = error.problem if isinstance(error, VideoFileError) else ""
                print(f"skipped {printable(one.name)}: {printable(problem) or in_one_line(error)}", file=sys.stderr)
                skipped += 1
            else:
                if not entry.complete:
                    return _STOPPED
    if skipped:
        print(f"{skipped} of {len(inputs)} videos skipped", file=sys.stderr)
    return 2 if skipped else 0


def _predict(model: VideoModel, one: Input, entry: VideoRecord, target: Path, options: Namespace) -> Path | None:
    """Predict on one video and draw the film; Ctrl-C leaves an entry that is not complete."""
    from ..evaluation import draw_video, predict_stream, predict_windows

    every, corrupt, film = options.every, {"on_corrupt": options.on_corrupt}, None
    if options.stream:
        predictions = predict_stream(model, one.path, every or 1.0, **corrupt)
    else:
        predictions = predict_windows(model, one.path, options.window, every, **corrupt)
    steps = _printed(entry.each(predictions), one.name, each=options.stream or options.window is not None)
    try:
        if options.draw:
            how = {"graph": options.graph, "parts": options.draw, "audio": options.audio, **corrupt}
            film = target.with_name(f"{target.name}_regions.mp4")
            draw_video(steps, film, **how)
        else:
            deque(steps, maxlen=0)
    except KeyboardInterrupt:
        entry.complete = False
    if entry.overall is None:
        raise KeyboardInterrupt
    return film


def _tell(entry: VideoRecord, film: Path | None, target: Path, options: Namespace) -> None:
    """Print the best classes of a video and what was written; write the sheet."""
    from ..visualization import save_png

    assert entry.overall is not None
    for name, share in entry.overall.top(options.top):
        print(f"  {100 * share:5.1f} %  {printable(name)}")
    written = [film] if film is not None and film.is_file() else []
    if options.sheet:
        written.append(save_png(target.with_name(f"{target.name}_sheet.png"), entry.overall.sheet()))
    for path in written:
        print(f"  wrote {printable(str(path))}")


def _predict_live(model: VideoModel, source: str, record: PredictionRecord, options: Namespace) -> int:
    """Predict on a camera or an address until it ends, is lost or the user stops it; the exit code."""
    from ..datasets import VideoFileError
    from ..datasets.video.live import LiveVideo
    from ..evaluation.live import draw_live

    film = Path(options.output, f"{_stem(source)}_regions.mp4") if options.draw else None
    how = {"every": options.every or 1.0, "graph": options.graph, "parts": options.draw}
    live, code = LiveVideo(source, tell=lambda text: print(printable(text), file=sys.stderr)), 0

    def add(prediction: VideoPrediction) -> None:
        deque(_printed(entry.each([prediction]), "" if entry.count else live.name, each=True), maxlen=0)

    with _warnings_printed(), live, record.video(live.name) as entry:
        try:
            draw_live(model, live, live.name, film, add, **how)
        except (KeyboardInterrupt, VideoFileError) as error:
            if entry.overall is None:
                raise
            code = 2 if isinstance(error, VideoFileError) else _STOPPED
            if code == 2:
                print(in_one_line(error), file=sys.stderr)
        entry.complete, entry.ending = code == 0, {"dropped": live.dropped}
    if live.dropped:
        print(f"  dropped {live.dropped} frames: the model is slower than the source", file=sys.stderr)
    if film is not None:
        print(f"  wrote {printable(str(film))}")
    return code


def _printed(predictions: Iterator[VideoPrediction], name: str, *, each: bool) -> Iterator[VideoPrediction]:
    """The predictions; the name is printed with the first one, and a line for each if asked for."""
    for number, prediction in enumerate(predictions):
        if number == 0 and name:
            print(printable(name))
        if each:
            (best, share), *_ = prediction.top(1)
            print(f"  {prediction.start:7.1f} to {prediction.end:.1f} s  {100 * share:5.1f} %  {printable(best)}")
        yield prediction


@contextmanager
def _warnings_printed() -> Iterator[None]:
    """Print warnings, each once, in a line."""
    with warnings.catch_warnings(record=True, action="always", category=UserWarning) as told:
        yield
    for message in dict.fromkeys(str(warning.message) for warning in told):
        print_warning(message)


def _parser() -> Parser:
    parser = make_parser("pyg-video predict", _DESCRIPTION)
    add = parser.add_argument
    add("videos", nargs="+", metavar="VIDEO", help="files, patterns, folders, -, or a camera or address")
    add_shared(parser, "--checkpoint")
    add("--output", default="predictions", metavar="FOLDER", help="where to write (default: predictions)")
    add("--top", type=int, default=5, metavar="K", help="number of classes to print (default: 5)")
    add("--frames", type=int, metavar="T", help="frames per clip (default: as in the model's training, else 16)")
    text = "frames per second (default: as in training, else frames of the whole video); with --stream, at most"
    add("--frame-rate", type=float, metavar="FPS", help=text)
    add("--views", type=int, metavar="N", help="1, 3 crops, or 3 crops x 2 clips = 6 (default: 6; 1 for grey models)")
    add("--window", type=float, metavar="SECONDS", help="classify parts of this length (default: the whole video)")
    text = "seconds from part to part (default: half of --window; with --stream, 1)"
    add("--every", type=float, metavar="SECONDS", help=text)
    add("--stream", action="store_true", help="run the model frame by frame, with a memory of all frames before")
    text = "what is drawn: boxes, paths, kernels, with commas between them; or none (default: boxes,paths)"
    add("--draw", type=_parts, default="boxes,paths", metavar="PARTS", help=text)
    add("--graph", metavar="NAME", help="whose regions are drawn (default: the last graph of the model)")
    add("--audio", default="drop", metavar="HOW", help="sound of the drawn video: drop (default) or keep")
    add("--sheet", action="store_true", help="also write NAME_sheet.png, the frames as the model saw them")
    text = "damaged frames: raise (default: skip the video), warn and take them as they are, or skip these frames"
    add("--on-corrupt", default="raise", metavar="HOW", help=text)
    add_shared(parser, "--device", "--import")
    return parser


def _parts(text: str) -> Collection[str]:
    return () if text == "none" else tuple(text.split(","))


def _check(options: Namespace) -> None:
    """Raise a :exc:`ValueError` for options that are wrong or do not go together, before any work."""
    from .._checks import check_option
    from ..datasets.video.reading import ON_CORRUPT
    from ..evaluation.drawing import PARTS
    from ..evaluation.prediction import check_seconds

    if options.top < 1:
        raise ValueError(f"Expected '--top' of at least 1 (got {options.top})")
    check_seconds(**{name: vars(options)[name] for name in ("window", "every", "frame_rate")})
    check_option("audio", options.audio, ("drop", "keep"))
    check_option("on_corrupt", options.on_corrupt, ON_CORRUPT)
    for part in options.draw:
        check_option("draw", part, PARTS if len(options.draw) > 1 else (*PARTS, "none"))
    if not options.draw and (options.graph or options.audio == "keep"):
        raise ValueError("Expected '--graph' and '--audio keep' with a film (got --draw none)")
    if options.stream:
        lone = [name for name in ("window", "frames", "sheet") if vars(options)[name]]
        if lone:
            raise ValueError(f"Expected '--stream' without '--{lone[0]}' (got both); a stream has no clips")
    elif options.every and not options.window:
        raise ValueError("Expected '--every' with --window or --stream (got it alone)")


def _is_live(options: Namespace) -> bool:
    """Whether the video is a camera or an address."""
    from ..datasets.video.live import is_live

    sources = [name for name in options.videos if is_live(name) and not os.path.exists(name)]
    if options.stream and sources and len(options.videos) > 1:
        raise ValueError(f"Expected a single camera or address with --stream (got {len(options.videos)} videos)")
    live = bool(options.stream and sources)
    if live and options.audio == "keep":
        raise ValueError("Expected '--audio drop' for a camera or an address (got keep), whose sound is not read")
    return live


def _stem(source: str) -> str:
    """The name of a camera or an address in the names of files."""
    from ..datasets.video.live import shown_name

    if "://" not in source:
        return f"camera{source}"
    parts = urlsplit(shown_name(source))
    return re.sub(r"[^\w-]+", "_", Path(parts.path).stem or parts.hostname or "stream")


def _unused(folder: Path, path: Path, taken: set[Path]) -> Path:
    """Where the results of a video are written, without the ends of their names: over no other video of this run."""
    for k in count(1):
        target = folder / (path.stem if k == 1 else f"{path.stem}_{k}")
        files = {resolved(target.with_name(f"{target.name}{end}")) for end in _ENDS}
        if not files & taken:
            taken |= files
            return target
    raise AssertionError
