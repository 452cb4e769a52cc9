"""A check of places in a model: is what they give read in the right order, and does the model use it?"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import product
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .._checks import first_line
from .inputs import video_among
from .layouts import Layout, VideoInput, to_clips
from .outputs import Keys, element, tensors_in, with_element

_EVIDENCE = 0.1  # mean over the cells of a map, of how clearly (in logarithms) one quarter moves them most
_OF_MAPS = 2.5  # the same, least sum for maps: deep nets with random weights give a few cells any pattern
_ROUNDING = 1e-6  # relative change of features that do not depend on the frames


class Reading(NamedTuple):
    """A way to read the output of a module as clips: the tensor in it, and the tensor's layout.

    A ``daring`` one is right only if the order says so.
    """

    keys: Keys
    layout: Layout
    daring: bool = False


class Verdict(NamedTuple):
    """What the probe found of a reading.

    Attributes:
        local: the share of the map's cells that respond most to the quarter of the frame in which they should lie,
            those that do so clearly counting more: about 0.25 in a wrong order, 0.5 with height and width exchanged, 1
            if all is right; ``None`` where cells respond to two quarters or more alike.
        used: whether the model's output depends on the features, apart from prefix tokens.
        moves: whether the features depend on the frames, as position embeddings do not.
    """

    local: float | None
    used: bool
    moves: bool = True


Readings: TypeAlias = Mapping[str, Sequence[Reading]]
Change: TypeAlias = Callable[[str, object], object]


def judge(
    model: nn.Module, args: tuple[object, ...], video: VideoInput, readings: Readings, *, check_use: bool = True
) -> dict[str, list[Verdict]]:
    """A verdict for every reading of the outputs at some paths; the model is not changed.

    A copy of the model runs on noise of the size of its input, six times without gradients (once to prepare the copy,
    once with the noise as it is, and once with every quarter of the frames changed), and with ``check_use`` once more
    forward and backward. If the video is the only argument, it is a single clip.

    Args:
        model: the model.
        args: its arguments.
        video: what they are, see :func:`~pyg_video.attachment.inputs.describe_input`.
        readings: readings by the path of a module.
        check_use: find out whether the output depends on the features, else take it for granted.
    """
    args = _one_clip(args, video)
    twin = _lively(model, args)
    found = _locality(twin, args, video.frames, readings)
    used = _used(twin, args, video.frames, readings) if check_use else defaultdict(lambda: True)
    return {
        path: [Verdict(found[path, reading][0], used[path, reading], found[path, reading][1]) for reading in several]
        for path, several in readings.items()
    }


@torch.no_grad()
def outputs_at(model: nn.Module, paths: Sequence[str], args: tuple[object, ...]) -> dict[str, list[object]]:
    """Run a model in evaluation mode, without gradients; the outputs of modules by path, one for every call."""
    given: dict[str, list[object]] = {path: [] for path in paths}

    def keep(path: str, output: object) -> None:
        given[path].append(output)

    with hooked(model, paths, keep):
        model(*args)
    return given


@contextmanager
def hooked(model: nn.Module, paths: Sequence[str], change: Change) -> Iterator[None]:
    """The model in evaluation mode, with a function of path and output that may replace the outputs of modules."""

    def hook(path: str, module: nn.Module, args: tuple[object, ...], output: object) -> object:  # noqa: ARG001
        return change(path, output)

    with ExitStack() as stack:
        for part in model.modules():
            stack.callback(setattr, part, "training", part.training)
        if any(part.training for part in model.modules()):
            stack.callback(model.train)  # runs before those: some models forget then what they kept for evaluation
        for path in paths:
            stack.callback(model.get_submodule(path).register_forward_hook(partial(hook, path)).remove)
        model.eval()
        yield


def _one_clip(args: tuple[object, ...], video: VideoInput) -> tuple[object, ...]:
    """The arguments with noise for the video."""
    number = video_among(args)
    given: Tensor = args[number]  # type: ignore[assignment]
    if len(args) == 1:
        given = given[: video.frames if video.axes == "FCHW" else 1]
    noise = torch.randn(given.shape, generator=torch.Generator().manual_seed(0)).to(given)
    return (*args[:number], noise, *args[number + 1 :])


@torch.no_grad()
def _lively(model: nn.Module, args: tuple[object, ...]) -> nn.Module:
    """A copy of a model without the values at initialisation that stop what passes, in either direction.

    What starts at zero, as the last scale of a residual block or a head, becomes noise. Batch norms that have seen no
    data give features of variance one, where small weights would let them vanish.
    """

    def calibrate(norm: nn.Module, args: tuple[Tensor, ...]) -> None:
        x = args[0].float()
        variance = x.square().transpose(0, 1).flatten(1).mean(dim=1)
        norm.running_var.copy_(variance.where(variance > 0, 1))  # type: ignore[operator]

    try:
        twin = copy.deepcopy(model).requires_grad_(False)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"Expected a model that copy.deepcopy copies, for the probe (got {first_line(error)}); use probe=False"
        ) from error
    twin.train().eval()  # some models forget then what they computed from their weights
    with _same_draws(args), hooked(twin, (), lambda path, output: output), ExitStack() as stack:  # noqa: ARG005
        for weight in twin.parameters():
            if not weight.any():
                weight.normal_(std=0.02)
        for part in twin.modules():
            if isinstance(part, _BatchNorm) and _is_untouched(part):
                part.reset_parameters()
                stack.callback(part.register_forward_pre_hook(calibrate).remove)
        twin(*args)
    return twin


def _is_untouched(norm: _BatchNorm) -> bool:
    mean, variance = norm.running_mean, norm.running_var
    return mean is not None and variance is not None and not mean.any() and bool((variance == 1).all())


def _locality(
    model: nn.Module, args: tuple[object, ...], num_frames: int, readings: Readings
) -> dict[tuple[str, Reading], tuple[float | None, bool]]:
    """The ``local`` and ``moves`` of every reading."""
    responses, sizes = defaultdict(list), {}
    before: dict[str, list[object]] = {}
    for x in _with_a_quarter_changed(args):
        with _same_draws(args):
            given = outputs_at(model, tuple(readings), x)
        before = before or given
        if given is not before:
            for path, several in readings.items():
                for reading in several:
                    ends = (element(outputs[path][0], reading.keys) for outputs in (given, before))
                    now, was = (to_clips(end, reading.layout, num_frames).float() for end in ends)
                    responses[path, reading].append((now - was).norm(dim=2).mean(dim=(0, 1)))
                    sizes[path, reading] = was.norm(dim=2).mean()
    stacked = {key: torch.stack(quarters) for key, quarters in responses.items()}
    least = {key: 0.0 if key[1].layout.grid else _OF_MAPS for key in stacked}
    return {
        key: (local_share(each, least[key]), not bool((each <= _ROUNDING * sizes[key]).all()))
        for key, each in stacked.items()
    }


def _with_a_quarter_changed(args: tuple[object, ...]) -> Iterator[tuple[object, ...]]:
    """The arguments; then the same with the quarters of their frames changed: row by row, one at a time."""
    yield args
    number = video_among(args)
    video: Tensor = args[number]  # type: ignore[assignment]
    H, W = video.shape[-2:]
    for top, left in product((0, H // 2), (0, W // 2)):
        changed = video.clone()
        quarter = changed[..., top : top + H // 2, left : left + W // 2]
        quarter.neg_().add_(1)
        yield (*args[:number], changed, *args[number + 1 :])


def local_share(responses: Tensor, least: float = 0.0) -> float | None:
    """The ``local`` of a :class:`Verdict`; ``None`` also if all evidence together is no more than ``least``.

    Shapes:
        - **responses:** how much each cell of the map changed with each quarter of the frame, :math:`(4, H, W)`

    Example:
        >>> local_share(torch.eye(4).view(4, 2, 2)), local_share(torch.ones(4, 2, 2))
        (1.0, None)
    """
    H, W = responses.shape[1:]
    rows, columns = (torch.arange(1, 2 * n, 2) - n for n in (H, W))  # from the middle, 0 between two quarters
    inside = ((rows != 0)[:, None] & (columns != 0)).to(responses.device)
    quarter = (2 * (rows > 0)[:, None] + (columns > 0)).to(responses.device)
    each = responses / responses.mean(dim=(1, 2), keepdim=True)
    (first, second), (best, _) = each.topk(2, dim=0)
    clearly = (first / second).log().clamp(max=1)[inside]
    if not inside.any() or not (clearly.mean() > _EVIDENCE and clearly.sum() > least):  # also where it is NaN
        return None
    return float(((best == quarter)[inside] * clearly).sum() / clearly.sum())


def _used(
    model: nn.Module, args: tuple[object, ...], num_frames: int, readings: Readings
) -> dict[tuple[str, Reading], bool]:
    """Whether a change of the features of each reading changes the output, by gradients."""
    added = defaultdict(list)

    def add(path: str, output: object) -> object:
        for keys in dict.fromkeys(reading.keys for reading in readings[path]):
            features = element(output, keys)
            added[path, keys].append(torch.zeros_like(features, requires_grad=True))
            output = with_element(output, keys, features + added[path, keys][-1])
        return output

    with torch.enable_grad(), _same_draws(args), hooked(model, tuple(readings), add):
        ends = [end for _, end in tensors_in(model(*args)) if end.requires_grad]
        total = sum((end * torch.randn_like(end)).sum().abs() for end in ends)
    everything = [part for parts in added.values() for part in parts]
    found = torch.autograd.grad(total, everything, allow_unused=True) if isinstance(total, Tensor) else ()
    gradients = dict(zip(map(id, everything), found, strict=False))

    def moves(gradient: Tensor | None, layout: Layout) -> bool:
        try:
            return gradient is not None and bool(to_clips(gradient, layout, num_frames).ne(0).any())
        except ValueError:  # a call with features of another kind
            return False

    return {
        (path, reading): any(moves(gradients.get(id(part)), reading.layout) for part in added[path, reading.keys])
        for path, several in readings.items()
        for reading in several
    }


@contextmanager
def _same_draws(args: tuple[object, ...]) -> Iterator[None]:
    """Random numbers from the same seed, for models that draw some; those of the program go on as before."""
    device = next(arg.device for arg in args if isinstance(arg, Tensor))
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        yield
