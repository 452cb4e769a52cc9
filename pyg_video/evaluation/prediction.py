"""Class probabilities of a video file, and the regions that the model used."""

from __future__ import annotations

import copy
import os
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from .._checks import check_option
from ..datasets import VideoClip, decode_frames, probe_video
from ..datasets.video.sampling import dense_times, segment_indices, shown_at
from ..datasets.video.timetable import frame_times, timetable
from ..graph_builders import GraphBuilder
from ..inspection import capture_graphs
from ..layers import accepted_info
from ..models import VideoClassifier
from ..training.loading import Trained, load_trained
from ..training.scoring import choose_device
from ..transforms import CentreCrop, Normalize, ShortSide, ThreeCrops
from ..visualization import caption, draw_boxes, save_mp4

_DRAWN = 224  # pixels at least, of a drawn frame's side


class VideoPrediction(NamedTuple):
    """The result of :func:`predict_video`.

    Attributes:
        names: names of the classes.
        frame_rate: frames per second at which ``frames`` take as long as in the video.

    Shapes:
        - **probability:** of each class, :math:`(K)`
        - **frames:** the input frames :math:`(T, 3, H, W)`, uint8; with several views, those of the middle one
        - **regions:** boxes on these frames :math:`(T, N, 4)`, ``cxcywh`` in [0, 1], by the name of the graph in the
          model; empty for a model without graph
    """

    probability: Tensor
    names: tuple[str, ...]
    frames: Tensor
    regions: dict[str, Tensor]
    frame_rate: float

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """The most probable classes and their probabilities, best first."""
        share, label = self.probability.topk(min(k, len(self.probability)))
        return [(self.names[i], float(p)) for i, p in zip(label.tolist(), share, strict=True)]

    def draw(self, lines: int = 3) -> Tensor:
        """The frames with the regions of every graph side by side, and the best classes below.

        Shapes:
            - **output:** :math:`(T, 3, h, w)`, uint8
        """
        scale = -(-_DRAWN // min(self.frames.shape[-2:]))
        boxes = list(self.regions.values()) or [torch.empty(len(self.frames), 0, 4)]
        drawn = torch.cat([draw_boxes(self.frames, box, scale=scale) for box in boxes], dim=-1)
        return caption(drawn, [f"{100 * share:5.1f} %  {name}" for name, share in self.top(lines)])

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the drawn frames as an ``.mp4`` file of the duration of the video."""
        return save_mp4(path, self.draw(), self.frame_rate)


def predict_video(
    model: Trained | nn.Module | str | os.PathLike[str],
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
            ``pyg-video fit``; or its id on the Hugging Face Hub.
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

    Example:
        >>> from pyg_video.checkpoints import shipped_checkpoint
        >>> from pyg_video.visualization import save_mp4
        >>> path = save_mp4(getfixture("tmp_path") / "clip.mp4", torch.rand(8, 1, 40, 40))
        >>> prediction = predict_video(shipped_checkpoint("dyreg_gnn_small"), path)
        >>> prediction.probability.shape, [box.shape for box in prediction.regions.values()]
        (torch.Size([10]), [torch.Size([8, 9, 4])])
    """
    if isinstance(model, nn.Module):
        model = Trained(cast(VideoClassifier, model), ())
    trained = model if isinstance(model, Trained) else load_trained(model)
    net = trained.model
    channels = getattr(getattr(net, "backbone", None), "in_channels", 3)  # of another module, assume colour
    colour = channels == 3
    views = (6 if colour else 1) if views is None else views
    check_option("views", views, (1, 3, 6))
    if channels not in (1, 3):
        raise ValueError(f"Expected a model on grey or colour frames (got one on {channels} channels, maybe features)")
    if "box" in accepted_info(net):
        raise ValueError("Expected a model that finds its regions by itself (got one on given boxes)")
    frame_rate = frame_rate or trained.frame_rate
    if (num_frames is not None and num_frames < 1) or (frame_rate is not None and frame_rate <= 0):
        raise ValueError(
            f"Expected 'num_frames' of at least 1 and a positive 'frame_rate' (got {num_frames} and {frame_rate})"
        )
    info = probe_video(path)
    T = num_frames or trained.num_frames or (16 if colour else min(16, info.num_frames))
    clips = 2 if views == 6 else 1
    if frame_rate is None:
        number = segment_indices(info.num_frames, T, clips)
    else:
        times = frame_times(timetable(Path(path)))
        number = shown_at(times, dense_times(0.0, float(times[-1]), T, clips, frame_rate=frame_rate))
    size = trained.option("frame_size", trained.frame_size or (224 if colour else 64))
    frames = decode_frames(path, number.flatten().tolist(), on_corrupt=on_corrupt, check_all=True)
    pixels = _views(frames, T, size, views)
    video = Normalize().video(pixels) if colour else pixels.float().mean(dim=2, keepdim=True) / 255
    where = choose_device(device)
    if net.training or next(net.parameters()).device != where:
        net = copy.deepcopy(net).eval().to(where)
    probability, regions = _run(net, video.to(where))
    middle = 0 if views == 1 else 2  # of the first clip
    seconds = info.num_frames / info.frame_rate if info.frame_rate else T / 5
    shown_rate = frame_rate or T / seconds
    return VideoPrediction(
        probability,
        trained.label_names or tuple(f"class {k}" for k in range(len(probability))),
        pixels[middle],
        # A backbone may have halved the number of frames.
        {name: box[middle][torch.arange(T) * box.size(1) // T] for name, box in regions.items()},
        min(60.0, max(1.0, shown_rate)),
    )


@torch.no_grad()
def _run(model: VideoClassifier, video: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Probabilities by the mean of the views' scores, and the regions of every view."""
    has_builders = any(isinstance(module, GraphBuilder) for module in model.modules())
    with ExitStack() as stack:
        graphs = stack.enter_context(capture_graphs(model)) if has_builders else {}
        scores = model(video)
    regions = {name: graph.grid(graph.need("box")).float().cpu() for name, graph in graphs.items()}
    return scores.float().mean(dim=0).softmax(dim=0).cpu(), regions


def _views(frames: Tensor, T: int, size: int, views: int) -> Tensor:
    """All views of a video's clips, ``[views, T, 3, H, W]``, uint8."""
    clips = frames.unflatten(0, (-1, T))
    clip = VideoClip(clips, torch.tensor(-1), torch.tensor(0), torch.empty(*clips.shape[:2], 0, 4))
    clip = ShortSide(size if views == 1 else round(size * 256 / 224))(clip)
    side = min(clip.video.shape[-2:])
    return CentreCrop(size)(clip).video if views == 1 else ThreeCrops(side)(clip).video
