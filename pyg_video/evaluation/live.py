"""Predictions on frames that come one after the other, from a camera or a network stream."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from ..datasets import VideoFileError
from ..visualization.film import open_film
from .drawing import PARTS, RegionArtist
from .plans import ROUNDING
from .prediction import check_seconds
from .video_model import Seen, VideoModel, joined
from .video_prediction import VideoPrediction

_RATE, _UNIT = Fraction(25), Fraction(1, 1000)  # frames have times of their own, in milliseconds


def predict_live(
    model: VideoModel, frames: Iterable[tuple[float, Tensor]], name: str
) -> Iterator[tuple[float, Tensor, VideoPrediction | None]]:
    """Every frame, its time, and what the model makes of the stream as of this frame; None if it is not shown it.

    Args:
        model: one that was made with ``stream=True``.
        frames: times in seconds, and frames :math:`(3, H, W)`, such as a :class:`LiveVideo`.
        name: of the stream.
    """
    state, coming = None, 0.0
    for number, (time, frame) in enumerate(frames):
        if model.frame_rate is not None:
            if number and time + ROUNDING < coming:
                yield time, frame, None
                continue
            coming = max(coming + 1 / model.frame_rate, time)
        crops = model.crops(frame)[None]
        if number == 0:
            model.warn_of_colour(name, crops)
        seen, state = model.scan(crops, state)
        size = (frame.size(1), frame.size(2))
        numbers, times = torch.tensor([number]), torch.tensor([time], dtype=torch.float64)
        yield (
            time,
            frame,
            VideoPrediction(
                Path(name),
                model.names(len(seen.probability)),
                seen.probability,
                time,
                time,
                numbers,
                times,
                crops[:0, -1].clone(),
                seen.regions,
                seen.kernels,
                size,
                model.place(*size),
            ),
        )


def draw_live(
    model: VideoModel,
    frames: Iterable[tuple[float, Tensor]],
    name: str,
    output: str | os.PathLike[str] | None,
    add: Callable[[VideoPrediction], None],
    *,
    every: float = 1.0,
    graph: str | None = None,
    parts: Collection[str] = PARTS[:2],
) -> None:
    """Write a stream as H.264 with its regions and best class drawn, until it ends or is stopped by Ctrl-C.

    Args:
        model: one that was made with ``stream=True``.
        frames: times in seconds, and frames :math:`(3, H, W)`, such as a :class:`LiveVideo`.
        name: of the stream.
        output: the film to write; None for none.
        add: takes the predictions of every ``every`` seconds, with the regions of all their frames.
        every: seconds between predictions.
        graph: as for :func:`draw_video`.
        parts: as for :func:`draw_video`.

    Raises:
        VideoFileError: the stream is lost, gave no frame, or its frames change in size; the film is whole up to there.
        KeyboardInterrupt: it was stopped; the film is whole up to there.
    """
    check_seconds(every=every)
    artist, stopped = RegionArtist(graph, parts), None
    steps = predict_live(model, frames, name)
    first = next(steps, None)
    if first is None:
        raise VideoFileError.of(name, "no frame", "check that it sends video")
    latest, gathered = first[2], list[VideoPrediction]()
    assert latest is not None
    artist.name_of(latest)
    size = latest.size
    with ExitStack() as stack:
        film = None if output is None else stack.enter_context(open_film(output, *size, _RATE, unit=_UNIT))
        try:
            for time, frame, prediction in chain([first], steps):
                if frame.shape[1:] != size:
                    raise VideoFileError.of(name, "frames of several sizes", "start again")
                if prediction is not None:
                    latest = prediction
                    gathered.append(prediction)
                if film is not None:
                    film.write(artist.draw(frame, time, latest), time)
                if gathered and time - gathered[0].start >= every:
                    done, gathered = _merged(gathered), []
                    add(done)
        except (KeyboardInterrupt, VideoFileError) as error:  # what is written so far is kept
            stopped = error
    if gathered:
        add(_merged(gathered))
    if stopped is not None:
        raise stopped


def _merged(parts: list[VideoPrediction]) -> VideoPrediction:
    """One prediction for several, with the probabilities of the last."""
    last = parts[-1]
    seen = joined([Seen(part.probability, part.regions, part.kernels) for part in parts])
    numbers, times = (
        torch.cat(list(values)) for values in zip(*((part.numbers, part.times) for part in parts), strict=True)
    )
    return last._replace(start=parts[0].start, numbers=numbers, times=times, regions=seen.regions, kernels=seen.kernels)
