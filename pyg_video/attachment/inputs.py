"""The video among the arguments of a model, and a guess of them."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from torch import Tensor, nn

from .layouts import VideoInput

_SIDE = 224  # side of the frames in pixels, if the model does not tell
_FRAMES = 16  # frames per clip, for a model on clips that does not tell


def guess_inputs(model: nn.Module, num_frames: int | None) -> Iterator[Tensor]:
    """Zeros that a model may take, the likeliest first.

    Channels are those of the first convolution, then those that timm's ``pretrained_cfg`` or Hugging Face's ``config``
    tells. The side of the frames is that of the model's ``patch_embed``, ``image_size``, ``pretrained_cfg`` or
    ``config``, else 224.

    Raises:
        ValueError: nothing tells the channels.
    """
    conv = _first_conv(model)
    told = (getattr(conv, "in_channels", None), *_timm_size(model)[:1], _told(model, "num_channels"))
    channels = dict.fromkeys(C for C in told if C is not None)
    if not channels:
        raise ValueError(f"Expected an 'input' for {type(model).__name__}, whose channels cannot be told (got none)")
    T, F, size = num_frames or _told_frames(model) or _FRAMES, num_frames or 1, _told_size(model)
    if _takes_clips(model):
        likely = ["BTCHW", "FCHW"] if num_frames and _told_frames(model) else ["BTCHW"]  # X-CLIP's frames are folded
    else:
        likely = ["BCTHW", "BTCHW"] if isinstance(conv, nn.Conv3d) else ["FCHW"]
    like = next(model.parameters()) if conv is None else conv.weight
    for C, axes in product(channels, likely):
        yield like.new_zeros({"BTCHW": (1, T, C, *size), "BCTHW": (1, C, T, *size), "FCHW": (F, C, *size)}[axes])


def describe_input(model: nn.Module, args: tuple[object, ...], num_frames: int | None) -> VideoInput:
    """Axes and sizes of the video among a model's arguments, :func:`video_among`."""
    shape = tuple(args[video_among(args)].shape)  # type: ignore[attr-defined]
    size = (shape[-2], shape[-1])
    if len(shape) == 4:
        if num_frames is None:
            raise ValueError("Expected 'num_frames', since the model sees folded frames [B * T, C, H, W] (got None)")
        if shape[0] % num_frames:
            raise ValueError(f"Expected an 'input' of whole clips of {num_frames} frames (got {shape[0]} frames)")
        return VideoInput("FCHW", shape[0] // num_frames, num_frames, size)
    conv = _first_conv(model)
    axes = "BCTHW" if isinstance(conv, nn.Conv3d) and not _takes_clips(model) else "BTCHW"
    C = getattr(conv, "in_channels", None)
    if C in shape[1:3] and shape[1] != shape[2]:
        axes = "BCTHW" if shape[1] == C else "BTCHW"
    frames = shape[axes.index("T")]
    if num_frames not in (None, frames):
        raise ValueError(f"Expected an 'input' with 'num_frames' = {num_frames} frames (got {list(shape)}, as {axes})")
    return VideoInput(axes, shape[0], frames, size)


def video_among(args: tuple[object, ...]) -> int:
    """Which of a model's arguments is the video: the first tensor of four or five dimensions.

    Raises:
        ValueError: there is none.
    """
    for number, arg in enumerate(args):
        if isinstance(arg, Tensor) and arg.dim() in (4, 5):
            return number
    if any(isinstance(arg, (list, tuple)) and all(isinstance(image, Tensor) for image in arg) for arg in args):
        raise ValueError(
            "Expected an 'input' with a tensor of frames [F, C, H, W] (got a list of images, which detection models "
            "take); attach blocks to the model's 'backbone', which takes a tensor"
        )
    raise ValueError("Expected an 'input' with a tensor of frames [F, C, H, W] or of clips (got none)")


def _first_conv(model: nn.Module) -> nn.Conv2d | nn.Conv3d | None:
    return next((part for part in model.modules() if isinstance(part, (nn.Conv2d, nn.Conv3d))), None)


def _takes_clips(model: nn.Module) -> bool:
    """Whether a model is one of this package, on clips, or one of Hugging Face's that tells their frames."""
    backbone = getattr(model, "backbone", model)
    return (hasattr(backbone, "info") and hasattr(backbone, "stages")) or _told_frames(model) is not None


def _told(model: nn.Module, *names: str) -> Any:
    """The first of some attributes that Hugging Face's ``config`` has."""
    config = getattr(model, "config", None)
    return next((getattr(config, name) for name in names if hasattr(config, name)), None)


def _told_frames(model: nn.Module) -> int | None:
    frames = _told(model, "num_frames", "frames_per_clip")
    return frames if isinstance(frames, int) else None


def _timm_size(model: nn.Module) -> tuple[int, ...]:
    """Channels, height and width in timm's ``pretrained_cfg``; empty for other models."""
    config = getattr(model, "pretrained_cfg", None)
    return tuple(config.get("input_size") or ()) if isinstance(config, Mapping) else ()


def _told_size(model: nn.Module) -> tuple[int, int]:
    of_patches = getattr(getattr(model, "patch_embed", None), "img_size", None)
    for side in (
        of_patches,
        getattr(model, "image_size", None),
        _timm_size(model)[1:],
        _told(model, "image_size", "crop_size"),
    ):
        if isinstance(side, int) and side > 0:
            return side, side
        if isinstance(side, (tuple, list)) and len(side) == 2:
            return int(side[0]), int(side[1])
    return _SIDE, _SIDE
