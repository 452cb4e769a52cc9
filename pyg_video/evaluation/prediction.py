"""Predictions on a video file as a whole, in a sliding window, or frame by frame."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from itertools import groupby, islice, tee
from pathlib import Path

import torch
from torch import Tensor, nn

from ..datasets import iter_frames
from ..datasets.video.sampling import dense_times, segment_indices, shown_at, window_parts
from ..datasets.video.timetable import frame_times, timetable
from ..training.loading import Trained
from .plans import ROUNDING, ascending, at_rate, frames_within
from .video_model import Seen, VideoModel, joined
from .video_prediction import VideoPrediction

_CHUNK = 16  # frames of a stream that the model sees at once, which bounds the memory

Model = VideoModel | Trained | nn.Module | str | os.PathLike[str]


def predict_video(
    model: Model,
    path: str | os.PathLike[str],
    *,
    num_frames: int | None = None,
    frame_rate: float | None = None,
    views: int | None = None,
    device: str = "auto",
    on_corrupt: str = "raise",
) -> VideoPrediction:
    """Classify a video of any length, frame rate and size.

    Frames are sampled as in the model's training: at a frame rate, in a window in the middle of the video, or in two at
    its ends; else as in the tests of the papers, one from each of ``num_frames`` equal segments of the video. For
    models of colour frames, three crops cover the whole frame; models of grey frames get the central square, in the
    size of their training.

    Args:
        model: a trained model, which is not modified; or its file, ``.safetensors`` of ``save_model`` or ``.ckpt`` of
            ``pyg-video fit``; or the name of a shipped model; or its id on the Hugging Face Hub.
        path: any video file that ffmpeg reads.
        num_frames: frames per clip; by default as in the model's training if its file tells, else 16, or for models of
            grey frames the number of frames of a shorter video.
        frame_rate: frames per second; by default as in the model's training if its file tells, else None for clips over
            the whole video.
        views: 1 for a central crop, 3 for three crops, 6 for three crops of two clips, whose scores are averaged; by
            default 6 for models of colour frames and 1 for those of grey frames.
        device: name of a torch device; ``"auto"`` selects a GPU if there is one.
        on_corrupt: for damaged frames anywhere in the file, as for :func:`~pyg_video.datasets.decode_frames`.

    Raises:
        VideoFileError: the file is missing, empty, truncated, damaged, too large or undecodable; a :exc:`ValueError`.
        ValueError: an option is wrong, or the model needs boxes, or features instead of frames.

    Warns:
        UserWarning: the model is one of grey frames, and the video is in colour.

    Example:
        >>> from pyg_video.visualization import save_mp4
        >>> path = save_mp4(getfixture("tmp_path") / "clip.mp4", torch.rand(8, 1, 40, 40))
        >>> prediction = predict_video("dyreg_gnn_small", path)
        >>> prediction.probability.shape, [box.shape for box in prediction.regions.values()]
        (torch.Size([10]), [torch.Size([8, 9, 4])])
    """
    (prediction,) = predict_windows(
        model,
        path,
        num_frames=num_frames,
        frame_rate=frame_rate,
        views=views,
        device=device,
        on_corrupt=on_corrupt,
    )
    return prediction


def predict_windows(
    model: Model,
    path: str | os.PathLike[str],
    window: float | None = None,
    every: float | None = None,
    *,
    num_frames: int | None = None,
    frame_rate: float | None = None,
    views: int | None = None,
    device: str = "auto",
    on_corrupt: str = "raise",
) -> Iterator[VideoPrediction]:
    """Classify a window that slides over a long video; each part is classified as a video by :func:`predict_video`.

    The video is decoded once, in order, while the predictions are taken; memory depends on the frames per clip and not
    on the length of the video.

    Args:
        model: as for :func:`predict_video`.
        path: any video file that ffmpeg reads.
        window: length of the window in seconds; None for one that is the whole video.
        every: seconds from the start of a window to that of the next; half of a window by default. The last window ends
            with the video.
        num_frames: frames per clip of a window.
        frame_rate: as for :func:`predict_video`.
        views: as for :func:`predict_video`.
        device: as for :func:`predict_video`.
        on_corrupt: as for :func:`predict_video`.

    Raises:
        VideoFileError: as for :func:`predict_video`, damage when the frame is met.
        ValueError: an option is wrong, or the model needs boxes, or features instead of frames.

    Example:
        >>> from pyg_video.visualization import save_mp4
        >>> path = save_mp4(getfixture("tmp_path") / "clip.mp4", torch.rand(25, 1, 40, 40), fps=10)
        >>> [(round(found.start, 1), round(found.end, 1)) for found in predict_windows("cnn_small", path, window=1)]
        [(0.0, 1.0), (0.5, 1.5), (1.0, 2.0), (1.5, 2.5)]
    """
    check_seconds(window=window, every=every)
    if window is None and every is not None:
        raise ValueError(f"Expected 'window' with 'every', in seconds (got {every} without a window)")
    if not isinstance(model, VideoModel):
        model = VideoModel(model, num_frames=num_frames, frame_rate=frame_rate, views=views, device=device)
    return _windows(model, Path(path), window, every, on_corrupt)


def predict_stream(
    model: Model,
    path: str | os.PathLike[str],
    every: float = 1.0,
    *,
    frame_rate: float | None = None,
    views: int | None = None,
    device: str = "auto",
    on_corrupt: str = "raise",
) -> Iterator[VideoPrediction]:
    """Classify a long video frame by frame with a model that :func:`~pyg_video.layers.scan` runs on streams.

    A prediction stands for the next ``every`` seconds; its regions are those of their frames, its probabilities those
    as of all frames up to their end. Its ``frames`` are not kept. Memory does not depend on the length of the video.

    Args:
        model: as for :func:`predict_video`.
        path: any video file that ffmpeg reads.
        every: seconds between predictions.
        frame_rate: frames per second that the model is shown at most; by default as in its training if its file tells,
            else all frames.
        views: 1 for a central crop, 3 for three crops.
        device: as for :func:`predict_video`.
        on_corrupt: as for :func:`predict_video`.

    Raises:
        VideoFileError: as for :func:`predict_video`, damage when the frame is met.
        ValueError: an option is wrong, or the model does not run on streams.

    Example:
        >>> from pyg_video.visualization import save_mp4
        >>> path = save_mp4(getfixture("tmp_path") / "clip.mp4", torch.rand(25, 1, 40, 40), fps=10)
        >>> [(found.start, len(found.times)) for found in predict_stream("cnn_small", path, frame_rate=5)]
        [(0.0, 5), (1.0, 5), (2.0, 3)]
    """
    check_seconds(every=every, frame_rate=frame_rate)
    if not isinstance(model, VideoModel):
        model = VideoModel(model, frame_rate=frame_rate, views=views, device=device, stream=True)
    return _stream(model, Path(path), every, on_corrupt)


def check_seconds(**given: float | None) -> None:
    """Raise a :exc:`ValueError` unless the numbers that are given are above 0 and finite."""
    for name, value in given.items():
        if value is not None and not 0 < value < float("inf"):
            raise ValueError(f"Expected '{name}' above 0 (got {value})")


def _windows(
    model: VideoModel, path: Path, window: float | None, every: float | None, on_corrupt: str
) -> Iterator[VideoPrediction]:
    ends = frame_times(timetable(path))
    duration = float(ends[-1])
    length = duration if window is None else window
    parts = window_parts(0.0, duration, length, every or length / 2)
    plan, ahead = tee((part, _sampled(model, ends, part)) for part in parts)
    frames = iter_frames(path, ascending(numbers for _, numbers in ahead), on_corrupt=on_corrupt)
    crops: dict[int, Tensor] = {}
    for part, numbers in plan:
        crops = {number: crop for number, crop in crops.items() if number >= int(numbers.min())}
        while int(numbers.max()) not in crops:
            number, frame = next(frames)
            crops[number] = model.crops(frame)
        clips = torch.stack([crops[number] for number in numbers.flatten().tolist()]).unflatten(0, numbers.shape)
        if part[0] == 0:
            model.warn_of_colour(path, clips)
        order = numbers[0].argsort(stable=True)  # a short video may have started over
        shown = numbers[0][order]
        yield _prediction(model, path, part, shown, ends[shown], model(clips).at(order), clips[0, order, -1])
    deque(frames, maxlen=0)  # damage behind the last frame that was needed counts


def _stream(model: VideoModel, path: Path, every: float, on_corrupt: str) -> Iterator[VideoPrediction]:
    times = frame_times(timetable(path))
    shown, ahead = tee(at_rate(times[:-1].tolist(), model.frame_rate))
    frames = iter_frames(path, ahead, on_corrupt=on_corrupt)
    state = None
    for k, group in groupby(shown, lambda number: int((float(times[number]) + ROUNDING) // every)):
        numbers, seen = list(group), list[Seen]()
        for few in (numbers[i : i + _CHUNK] for i in range(0, len(numbers), _CHUNK)):
            crops = torch.stack([model.crops(frame) for _, frame in islice(frames, len(few))])
            if few[0] == 0:
                model.warn_of_colour(path, crops)
            one, state = model.scan(crops, state)
            seen.append(one)
        part = (k * every, min((k + 1) * every, float(times[-1])))
        shown_at = times[torch.tensor(numbers)]
        yield _prediction(model, path, part, torch.tensor(numbers), shown_at, joined(seen), crops[:0, -1].clone())
    deque(frames, maxlen=0)


def _sampled(model: VideoModel, times: Tensor, part: tuple[float, float]) -> Tensor:
    """Numbers of the frames that the model sees of a part of a video, ``[S, T]``."""
    first, end = frames_within(times, *part)
    length = model.length(end - first)
    if model.frame_rate is None:
        return first + segment_indices(end - first, length, model.num_clips)
    return shown_at(times, dense_times(*part, length, model.num_clips, frame_rate=model.frame_rate))


def _prediction(
    model: VideoModel,
    path: Path,
    part: tuple[float, float],
    numbers: Tensor,
    times: Tensor,
    seen: Seen,
    frames: Tensor,
) -> VideoPrediction:
    table = timetable(path)
    names, size = model.names(len(seen.probability)), (table.height, table.width)
    return VideoPrediction(
        path,
        names,
        seen.probability,
        *part,
        numbers,
        times,
        frames,
        seen.regions,
        seen.kernels,
        size,
        model.place(*size),
    )
