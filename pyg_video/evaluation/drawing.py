"""Films of what a model made of a video: the video itself, with regions and classes drawn on its frames."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from .._checks import check_option
from ..datasets import VideoFileError, iter_frames
from ..datasets.video.sound import Sound, opened_sound
from ..datasets.video.timetable import frame_times, timetable
from ..visualization import draw_regions
from ..visualization.film import Film, open_film
from .plans import ROUNDING
from .video_prediction import VideoPrediction

PARTS = ("boxes", "paths", "kernels")
_TRAIL = 8  # frames that the model saw, over which a path goes back


class Drawn(NamedTuple):
    """The regions at some moment: boxes on the frame, :math:`(N, 4)`, and kernels :math:`(N, h, w)`."""

    box: Tensor
    kernel: Tensor


class RegionArtist:
    """Draws the regions of predictions on frames that come in the order of time.

    Args:
        graph: name of the graph whose regions are drawn; the last one of the model by default.
        parts: what is drawn of them, of ``PARTS``.
    """

    def __init__(self, graph: str | None = None, parts: Collection[str] = PARTS[:2]) -> None:
        for part in parts:
            check_option("parts", part, PARTS)
        self.graph, self.parts = graph, frozenset(parts)
        self._trail = deque[Tensor](maxlen=_TRAIL)
        self._seen = -1.0

    def draw(self, frame: Tensor, time: float, prediction: VideoPrediction) -> Tensor:
        """The frame at a time in seconds, with the regions and the best class of a prediction."""
        (name, share), *_ = prediction.top(1)
        lines = [f"{100 * share:.0f} %  {name}"]
        graph = self.name_of(prediction)
        if graph is None or not self.parts:
            return draw_regions(frame, torch.empty(0, 4), lines=lines)
        box, kernel = _between(prediction, graph, time)
        passed = (prediction.times > self._seen) & (prediction.times <= time)
        self._trail.extend(prediction.on_frame(graph)[passed][:, :, :2])
        self._seen = max(self._seen, time)
        return draw_regions(
            frame,
            box if "boxes" in self.parts else box.new_full(box.shape, torch.nan),
            path=torch.stack([*self._trail, box[:, :2]]) if "paths" in self.parts else None,
            kernel=kernel if "kernels" in self.parts else None,
            place=prediction.place,
            lines=lines,
        )

    def name_of(self, prediction: VideoPrediction) -> str | None:
        """The graph that is drawn, None for a model without graphs; raises a :exc:`ValueError` for an unknown name."""
        names = tuple(prediction.regions)
        if self.graph is None:
            return names[-1] if names else None
        if not names:
            raise ValueError(f"Expected no 'graph' for a model without graphs (got '{self.graph}')")
        check_option("graph", self.graph, names)
        return self.graph


def draw_video(
    predictions: VideoPrediction | Iterable[VideoPrediction],
    output: str | os.PathLike[str],
    *,
    graph: str | None = None,
    parts: Collection[str] = PARTS[:2],
    audio: str = "drop",
    on_corrupt: str = "raise",
) -> Path:
    """Write a video again as H.264 in its size and rate, with what a model made of it drawn on its frames.

    Every frame shows the prediction whose middle is nearest in time: its best class at the top, and its regions.
    Between the frames that the model saw, regions move in straight lines; before the first and after the last they
    stand still. Paths show the centres over the last eight frames that the model saw. A thin outline is the square that
    the model saw, if that is not the whole frame.

    Frames are decoded, drawn and encoded one after the other while the predictions are taken, so memory does not depend
    on the length of the video. On Ctrl-C, the film so far is finished before :exc:`KeyboardInterrupt` is raised.

    Args:
        predictions: of :func:`predict_video`, or those of :func:`predict_windows` or :func:`predict_stream`, all of the
            same video.
        output: the file to write, ``.mp4``.
        graph: the graph whose regions are drawn, by name; by default the last one of the model.
        parts: which of ``"boxes"``, ``"paths"`` and ``"kernels"`` are drawn.
        audio: ``"drop"``, or ``"keep"`` to copy the sound of the video.
        on_corrupt: for damaged frames, as for the predictions.

    Raises:
        VideoFileError: the video cannot be read, or an mp4 file cannot hold its sound.
        ValueError: there is no prediction, or an option is unknown.

    Example:
        >>> from pyg_video.datasets import probe_video
        >>> from pyg_video.evaluation import predict_video
        >>> from pyg_video.visualization import save_mp4
        >>> folder = getfixture("tmp_path")
        >>> path = save_mp4(folder / "clip.mp4", torch.rand(20, 1, 96, 128), fps=10)
        >>> probe_video(draw_video(predict_video("dyreg_gnn_small", path), folder / "drawn.mp4"))
        VideoInfo(num_frames=20, frame_rate=10.0, height=96, width=128)
    """
    check_option("audio", audio, ("drop", "keep"))
    artist = RegionArtist(graph, parts)
    steps = _Steps([predictions] if isinstance(predictions, VideoPrediction) else predictions)
    first = steps.at(0.0)
    artist.name_of(first)
    table = timetable(first.path)
    stopped: KeyboardInterrupt | None = None
    with ExitStack() as stack:
        sound = stack.enter_context(opened_sound(first.path)) if audio == "keep" else None
        film = _opened_film(stack, first.path, output, sound)
        start = (table.times[0] if table.times else 0) * table.unit
        track = _SoundTrack(film, sound, start)
        times = frame_times(table)
        try:
            for number, frame in iter_frames(first.path, on_corrupt=on_corrupt):
                time = float(times[number])
                film.write(artist.draw(frame, time, steps.at(time)), time)
                track.copy(until=time)
            track.copy(until=float(times[-1]))
            steps.exhaust()
        except KeyboardInterrupt as error:  # what is written so far is kept
            stopped = error
    if stopped:
        raise stopped
    return Path(output)


class _Steps:
    """Predictions by time: the one whose middle is nearest. Times may not go back."""

    def __init__(self, predictions: Iterable[VideoPrediction]) -> None:
        self._coming = iter(predictions)
        first = next(self._coming, None)
        if first is None:
            raise ValueError("Expected 'predictions' with at least one (got none)")
        self._current, self._next = first, next(self._coming, None)

    def at(self, time: float) -> VideoPrediction:
        while self._next is not None and 4 * time >= sum(self._current.part) + sum(self._next.part):
            if time + ROUNDING < self._next.start:  # of a stream, whose parts do not overlap
                break
            self._current, self._next = self._next, next(self._coming, None)
        return self._current

    def exhaust(self) -> None:
        """Take all that are left, so that damage at the end of the video is met."""
        deque(self._coming, maxlen=0)


class _SoundTrack:
    """Copies the sound of a video into a film, whose time begins at ``start`` seconds of the video."""

    def __init__(self, film: Film, sound: Sound | None, start: float) -> None:
        self._film, self._start = film, start
        self._packets = iter(()) if sound is None else sound.packets
        self._next = next(self._packets, None)

    def copy(self, until: float) -> None:
        """Copy what begins up to a time of the film."""
        while (packet := self._next) is not None:
            if packet.pts is not None and packet.dts is not None:
                shift = round(self._start / packet.time_base)
                if (packet.pts - shift) * packet.time_base > until:
                    return
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                if packet.pts + (packet.duration or 0) >= 0:
                    self._film.add_sound(packet)
            self._next = next(self._packets, None)


def _opened_film(stack: ExitStack, path: Path, output: str | os.PathLike[str], sound: Sound | None) -> Film:
    """A film of the size, rate and times of a video, which the stack closes."""
    table = timetable(path)
    rate = Fraction(table.frame_rate or 1.0).limit_denominator(1001)
    unit = Fraction(table.unit).limit_denominator(10**7) if table.times else None
    size = (table.height, table.width)
    if sound is None:
        return stack.enter_context(open_film(output, *size, rate, unit=unit))
    try:
        return stack.enter_context(open_film(output, *size, rate, unit=unit, sound=sound.stream))
    except ValueError as error:
        problem = f"sound of {sound.stream.codec_context.name}, which no mp4 file can hold"
        raise VideoFileError.of(path, problem, "leave it out with audio 'drop'") from error


def _between(prediction: VideoPrediction, graph: str, time: float) -> Drawn:
    """The regions at a time between two frames that the model saw."""
    times = prediction.times
    after = int(torch.searchsorted(times, time, right=True))
    left, right = max(after - 1, 0), min(after, len(times) - 1)
    gap = float(times[right] - times[left])
    share = (time - float(times[left])) / gap if gap > 0 else 0.0
    box, kernel = prediction.on_frame(graph), prediction.kernels[graph]
    nearest = left if share < 0.5 else right
    return Drawn(*(_mixed(of[left], of[right], of[nearest], share) for of in (box, kernel)))


def _mixed(left: Tensor, right: Tensor, nearest: Tensor, share: float) -> Tensor:
    """Between two values; the nearest one where the other is missing."""
    mixed = left.lerp(right, share)
    return mixed.where(mixed.isfinite(), nearest)
