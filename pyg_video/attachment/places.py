"""Outputs of the modules of a model, found by running it once."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from difflib import get_close_matches
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .layouts import Layout, VideoInput, check_layout, guess_layout, to_clips

_SIDE = 224  # side of the frames in pixels, if the model has no attribute for it
_FRAMES = 16  # frames per clip, for a model on volumes


class Place(NamedTuple):
    """The output of a module of some model, with ``(height, width)`` of the map and the features of the dry run."""

    path: str
    layout: Layout
    num_frames: int
    channels: int
    size: tuple[int, int]
    features: Tensor


def find_places(
    model: nn.Module,
    paths: Sequence[str],
    *,
    num_frames: int | None = None,
    input: Tensor | tuple[object, ...] | None = None,  # noqa: A002 - the word that torch has for it
    layouts: Mapping[str, Layout] | None = None,
) -> dict[str, Place]:
    """Run a model once and describe the outputs at some paths; see :func:`~pyg_video.attachment.attach_blocks`.

    Example:
        >>> from torchvision.models import resnet18
        >>> place = find_places(resnet18(), ["layer2"], num_frames=2, input=torch.zeros(2, 3, 32, 48))["layer2"]
        >>> place.layout.axes, place.channels, place.size
        ('FCHW', 128, (4, 6))
    """
    _check(model, paths, num_frames, layouts or {})
    if input is None:
        guess = _guess_input(model, num_frames)
        video = _video(model, (guess,), num_frames)
        try:
            given = outputs_at(model, paths, (guess,))
        except (RuntimeError, AssertionError, TypeError, IndexError) as error:  # what modules raise on a wrong shape
            raise ValueError(
                f"Expected an 'input' that the model takes (got none, and a guess of shape {list(guess.shape)} "
                f"fails: {error})"
            ) from error
    else:
        args = input if isinstance(input, tuple) else (input,)
        video, given = _video(model, args, num_frames), outputs_at(model, paths, args)
    told = getattr(model, "num_prefix_tokens", 0)  # of timm's models
    prefix = told if isinstance(told, int) else 0
    layouts, places = layouts or {}, {}
    for path in paths:
        try:
            features, grid = features_of(given[path])
            module = model.get_submodule(path)
            layout = layouts.get(path) or guess_layout(features.shape, video, module, prefix=prefix, grid=grid)
            shape = to_clips(features, layout, video.frames).shape
        except ValueError as error:
            raise ValueError(f"At '{path}': {error}") from error
        places[path] = Place(path, layout, video.frames, shape[2], (shape[3], shape[4]), features)
    return places


def _check(model: nn.Module, paths: Sequence[str], num_frames: int | None, layouts: Mapping[str, Layout]) -> None:
    if not paths:
        raise ValueError("Expected at least one path of a module (got none)")
    if num_frames is not None and num_frames < 1:
        raise ValueError(f"Expected 'num_frames' of at least 1 (got {num_frames})")
    known = [name for name, _ in model.named_modules() if name]
    for path in paths:
        if path not in known:
            close = get_close_matches(path, known, n=5) or [name for name in known if "." not in name]
            raise ValueError(
                f"Expected the path of a module of {type(model).__name__}, such as {', '.join(close)} (got '{path}')"
            )
    if unknown := set(layouts) - set(paths):
        raise ValueError(f"Expected 'layouts' of {', '.join(paths)} (got one of {', '.join(sorted(unknown))})")
    for layout in layouts.values():
        check_layout(layout)


def _first_conv(model: nn.Module) -> nn.Conv2d | nn.Conv3d | None:
    return next((part for part in model.modules() if isinstance(part, (nn.Conv2d, nn.Conv3d))), None)


def _takes_clips(model: nn.Module) -> bool:
    """Whether a model is one of this package, on clips."""
    backbone = getattr(model, "backbone", model)
    return hasattr(backbone, "info") and hasattr(backbone, "stages")


def _guess_input(model: nn.Module, num_frames: int | None) -> Tensor:
    conv = _first_conv(model)
    if conv is None:
        raise ValueError(f"Expected an 'input' for {type(model).__name__}, whose channels cannot be told (got none)")
    side = getattr(model, "image_size", None) or getattr(getattr(model, "patch_embed", None), "img_size", None)
    size = (side, side) if isinstance(side, int) else side if isinstance(side, tuple) else (_SIDE, _SIDE)
    C, T = conv.in_channels, num_frames or _FRAMES
    if _takes_clips(model):
        return conv.weight.new_zeros(1, T, C, *size)
    shape = (1, C, T) if isinstance(conv, nn.Conv3d) else (num_frames or 1, C)
    return conv.weight.new_zeros(*shape, *size)


def _video(model: nn.Module, args: tuple[object, ...], num_frames: int | None) -> VideoInput:
    """Axes and sizes of the video among a model's arguments."""
    shape = next((tuple(arg.shape) for arg in args if isinstance(arg, Tensor) and arg.dim() in (4, 5)), None)
    if shape is None:
        raise ValueError("Expected an 'input' with a tensor of frames [F, C, H, W] or of clips (got none)")
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


@torch.no_grad()
def outputs_at(model: nn.Module, paths: Sequence[str], args: tuple[object, ...]) -> dict[str, object]:
    """Run a model in evaluation mode, without gradients, and return the outputs of the modules at some paths.

    Raises:
        ValueError: the model does not call one of the modules, or calls it several times.
    """
    given: dict[str, list[object]] = {path: [] for path in paths}

    def keep(path: str, module: nn.Module, args: tuple[object, ...], output: object) -> None:  # noqa: ARG001
        given[path].append(output)

    with ExitStack() as stack:
        for part in model.modules():
            stack.callback(setattr, part, "training", part.training)
        for path in paths:
            stack.callback(model.get_submodule(path).register_forward_hook(partial(keep, path)).remove)
        model.eval()(*args)
    for path, outputs in given.items():
        if len(outputs) != 1:
            raise ValueError(
                f"Expected a module that the model calls once (got '{path}', called {len(outputs)} times); choose the "
                "module around it, or one beside it"
            )
    return {path: outputs[0] for path, outputs in given.items()}


def features_of(output: object) -> tuple[Tensor, tuple[int, ...]]:
    """The features among the outputs of a module, and the grid of tokens if the module returns it as MViT does."""
    features, *rest = output if isinstance(output, tuple) and output else (output,)
    if not isinstance(features, Tensor) or features.dim() == 0:
        raise ValueError(f"Expected a module that gives a tensor (got {type(features).__name__})")
    told = len(rest) == 1 and isinstance(rest[0], tuple) and all(isinstance(side, int) for side in rest[0])
    return features, tuple(rest[0]) if told else ()
