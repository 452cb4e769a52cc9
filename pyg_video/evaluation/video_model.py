"""A trained model made ready to look at the frames of video files."""

from __future__ import annotations

import copy
import math
import os
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from os import PathLike
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from .._checks import check_option, first_line
from ..data import VideoGraph
from ..datasets import VideoClip
from ..datasets.video.limits import max_pixels
from ..graph_builders import GraphBuilder
from ..inspection import capture_graphs
from ..layers import accepted_info, scan
from ..models import VideoClassifier
from ..models.classifier import video_channels
from ..training.loading import Trained, load_trained
from ..training.scoring import choose_device
from ..transforms import CentreCrop, Normalize, ShortSide, ThreeCrops

_PER_PIXEL = 8  # times the memory of a pixel that is decoded: its values in a model
_COLOURFUL = 20  # difference of the largest and the smallest of red, green and blue, of 255
_COLOURED = 0.01  # share of colourful pixels: small things in colour count, the noise of grey cameras does not


class Seen(NamedTuple):
    """What a model made of the views of a video.

    Shapes:
        - **probability:** of each class, by the mean of the views' scores :math:`(K)`
        - **regions:** boxes :math:`(T, N, 4)` on the shown view by the name of the graph; NaN for missing nodes
        - **kernels:** :math:`(T, N, h, w)`, by the name of the graph
    """

    probability: Tensor
    regions: dict[str, Tensor]
    kernels: dict[str, Tensor]

    def at(self, frames: Tensor) -> Seen:
        """The same with the regions in these frames."""
        regions, kernels = ({name: of[frames] for name, of in each.items()} for each in (self.regions, self.kernels))
        return self._replace(regions=regions, kernels=kernels)


class VideoModel:
    """A trained model with the size, crops and device of the frames that it is shown; the model is not modified.

    Args:
        model: a trained model, or its file, shipped name or id on the Hub.
        num_frames: frames per clip; by default as in the model's training, if its file tells.
        frame_rate: frames per second; by default likewise, else None for frames over the whole video.
        views: 1 for a central crop, 3 for three crops, 6 for three crops of two clips; by default 6 for models of
            colour frames and 1 for those of grey frames.
        device: name of a torch device; ``"auto"`` selects a GPU if there is one.
        stream: the model is to run frame by frame; then ``views`` is 1 (the default) or 3.

    Attributes:
        colour: whether it sees colours.
        num_clips: clips of a video, whose scores are averaged.

    Raises:
        ValueError: an option is wrong, or the model needs boxes or features, or does not stream but should.
    """

    def __init__(
        self,
        model: Trained | nn.Module | str | PathLike[str],
        *,
        num_frames: int | None = None,
        frame_rate: float | None = None,
        views: int | None = None,
        device: str = "auto",
        stream: bool = False,
    ) -> None:
        if isinstance(model, nn.Module):
            model = Trained(cast(VideoClassifier, model), ())
        _check_sampling(num_frames, frame_rate)
        self.trained = model if isinstance(model, Trained) else load_trained(model)
        net = self.trained.model
        channels = video_channels(net)
        self.colour = channels == 3
        self.views = (6 if self.colour and not stream else 1) if views is None else views
        check_option("views", self.views, (1, 3) if stream else (1, 3, 6))
        _check_model(net, channels)
        self.num_frames = num_frames or self.trained.num_frames or self.trained.option("num_frames", 0) or None
        self.frame_rate = frame_rate or self.trained.frame_rate
        self.num_clips = 2 if self.views == 6 else 1
        self.size = self.trained.option("frame_size", self.trained.frame_size or (224 if self.colour else 64))
        _check_pixels(self.num_frames or 1, self.size, self.views)
        self.device = choose_device(device)
        if net.training or next(net.parameters()).device != self.device:
            net = copy.deepcopy(net).eval().to(self.device)
        self.net = net
        self.has_graphs = any(isinstance(module, GraphBuilder) for module in net.modules())
        if stream:
            self._check_stream()

    def length(self, num_frames: int) -> int:
        """Frames per clip, for a video or a part of it of so many frames."""
        return self.num_frames or (16 if self.colour else min(16, num_frames))

    def names(self, count: int) -> tuple[str, ...]:
        """Names of the classes."""
        return self.trained.label_names or tuple(f"class {k}" for k in range(count))

    def crops(self, frame: Tensor) -> Tensor:
        """The views of a frame :math:`(*, H, W)` of any size: :math:`(V, *, h, w)`, the one to be shown last."""
        return self._cut(self._resized(frame[None]))

    def place(self, height: int, width: int) -> tuple[float, float, float, float]:
        """Where the shown view lies in a frame: left, top, width and height as fractions of the frame."""
        h, w = self._resized(torch.zeros(1, 1, height, width, dtype=torch.uint8)).shape[-2:]
        rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        row, column = self._cut(torch.stack([rows, columns])[None])[-1]  # the coordinates of its pixels
        side = len(row)
        return int(column[0, 0]) / w, int(row[0, 0]) / h, side / w, side / h

    def __call__(self, crops: Tensor) -> Seen:
        """What the model makes of clips.

        Shapes:
            - **crops:** of :meth:`crops`, of every frame of every clip :math:`(S, T, V, 3, h, w)`, uint8
        """
        return self._run(crops.transpose(1, 2).flatten(0, 1), None, shown=crops.size(2) - 1)[0]

    def scan(self, crops: Tensor, state: Any = None) -> tuple[Seen, Any]:
        """What the model makes of a stream as of its next frames :math:`(T, V, 3, h, w)`, and the state after them."""
        return self._run(crops.transpose(0, 1), (state,), shown=-1)

    def warn_of_colour(self, path: str | PathLike[str], crops: Tensor) -> None:
        """Warn if this is a model of grey frames, and the crops of a video are in colour."""
        pixels = crops.flatten(0, -4).float()
        if self.colour or (pixels.amax(dim=1) - pixels.amin(dim=1) >= _COLOURFUL).float().mean() < _COLOURED:
            return
        recipe = getattr(self.net, "recipe", None)
        kind = f"{recipe.name}, " if recipe else ""
        warnings.warn(
            f"'{os.fspath(path)}' is in colour, and the model was made for something else ({kind}grey frames of "
            f"{self.size} x {self.size} pixels): its classes say nothing about this video",
            stacklevel=4,
        )

    @torch.no_grad()
    def _run(self, views: Tensor, state: tuple[Any] | None, shown: int) -> tuple[Seen, Any]:
        video = Normalize().video(views) if self.colour else views.float().mean(dim=2, keepdim=True) / 255
        video = video.to(self.device)
        with ExitStack() as stack:
            graphs = stack.enter_context(capture_graphs(self.net)) if self.has_graphs else {}
            scores, after = scan(self.net, video, *state) if state else (self.net(video), None)
        probability = scores.float().mean(dim=0).softmax(dim=0).cpu()
        regions = {name: _boxes(graph)[shown] for name, graph in graphs.items()}
        kernels = {name: graph.grid(graph.need("kernel"))[shown].float().cpu() for name, graph in graphs.items()}
        return Seen(probability, _stretched(regions, views.size(1)), _stretched(kernels, views.size(1))), after

    def _resized(self, video: Tensor) -> Tensor:
        return ShortSide(self.size if self.views == 1 else round(self.size * 256 / 224))(_clip(video)).video

    def _cut(self, video: Tensor) -> Tensor:
        if self.views == 1:
            return CentreCrop(self.size)(_clip(video)).video
        return ThreeCrops(min(video.shape[-2:]))(_clip(video)).video[:, 0]

    def _check_stream(self) -> None:
        """Raise a :exc:`ValueError` unless the model runs on two frames, one after the other."""
        frame = self.crops(torch.zeros(3, self.size, self.size, dtype=torch.uint8))
        try:
            _, state = self.scan(frame[None])
            self.scan(frame[None], state)
        except (TypeError, ValueError, NotImplementedError) as error:
            raise ValueError(
                f"Expected a model that runs frame by frame for a stream (got one that does not: {first_line(error)}); "
                "take windows"
            ) from error


def _check_model(net: nn.Module, channels: int) -> None:
    """Raise a :exc:`ValueError` for a model that needs more than frames."""
    if channels not in (1, 3):
        raise ValueError(f"Expected a model on grey or colour frames (got one on {channels} channels, maybe features)")
    if "box" in accepted_info(net):
        raise ValueError("Expected a model that finds its regions by itself (got one on given boxes)")


def _check_sampling(num_frames: int | None, frame_rate: float | None) -> None:
    if (num_frames is not None and num_frames < 1) or (frame_rate is not None and not 0 < frame_rate < math.inf):
        raise ValueError(
            f"Expected 'num_frames' of at least 1 and a positive 'frame_rate' (got {num_frames} and {frame_rate})"
        )


def _check_pixels(num_frames: int, size: int, views: int) -> None:
    """Raise a :exc:`ValueError` for clips that a model cannot see in a few GB of memory."""
    most, wanted = max_pixels() // _PER_PIXEL, views * num_frames * size * size
    if num_frames < 1 or size < 1 or wanted > most:
        raise ValueError(
            f"Expected views of 1 to {most:,} pixels (got {views} of {num_frames:,} frames of {size:,} x {size:,}); "
            "give another 'num_frames' or fewer 'views' than the model's file, or set the environment's "
            f"PYG_VIDEO_MAX_PIXELS={_PER_PIXEL * abs(wanted)}"
        )


def joined(parts: Sequence[Seen]) -> Seen:
    """What the model made of a stream in these parts, one after the other."""
    regions = {name: torch.cat([part.regions[name] for part in parts]) for name in parts[0].regions}
    kernels = {name: torch.cat([part.kernels[name] for part in parts]) for name in parts[0].kernels}
    return Seen(parts[-1].probability, regions, kernels)


def _clip(video: Tensor) -> VideoClip:
    return VideoClip(video, torch.tensor(-1), torch.tensor(0), torch.empty(1, 0, 4))


def _stretched(values: dict[str, Tensor], length: int) -> dict[str, Tensor]:
    """Values of every frame; a backbone may have halved the number of frames."""
    return {name: value[torch.arange(length) * len(value) // length] for name, value in values.items()}


def _boxes(graph: VideoGraph) -> Tensor:
    box, present = graph.grid(graph.need("box")).float(), graph.present
    return (box if present is None else box.where(present[..., None], torch.nan)).cpu()
