"""Outputs of the modules of a model, found by running it once."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .._checks import first_line
from .inputs import describe_input, guess_inputs
from .layouts import Layout, VideoInput, check_layout, possible_layouts, to_clips
from .outputs import Key, Keys, element, shown, tensors_in, told_grid
from .probe import Reading, Verdict, hooked, judge, outputs_at
from .verdicts import best_reading, is_open, lent_orders

_TRIED = 24  # modules near one that is refused
_REFUSALS = (RuntimeError, AssertionError, TypeError, IndexError, ValueError)  # what modules raise on a wrong shape


class Place(NamedTuple):
    """The output of a module of some model, with ``(height, width)`` of the map and the features of the dry run.

    ``keys`` lead to the features, where the output is more than a tensor; ``calls`` is how often the model calls the
    module in a forward pass.
    """

    path: str
    layout: Layout
    num_frames: int
    channels: int
    size: tuple[int, int]
    features: Tensor
    keys: Keys = ()
    calls: int = 1


class _Run(NamedTuple):
    """A model, its arguments, the video among them, and the number of its prefix tokens, if it tells."""

    model: nn.Module
    args: tuple[object, ...]
    video: VideoInput
    prefix: int


def find_places(
    model: nn.Module,
    paths: Sequence[str],
    *,
    num_frames: int | None = None,
    input: Tensor | tuple[object, ...] | None = None,  # noqa: A002 - the word that torch has for it
    layouts: Mapping[str, Layout] | None = None,
    elements: Mapping[str, Key | Keys] | None = None,
    probe: bool = True,
    check_use: bool = True,
) -> dict[str, Place]:
    """Run a model and describe the outputs at some paths; see :func:`~pyg_video.attachment.attach_blocks`.

    Args:
        model: as there, like the other arguments.
        paths: of modules.
        num_frames: frames per clip.
        input: an input of the model.
        layouts: layouts by path.
        elements: the way to the features in an output, by path.
        probe: whether to check the order of the features, see :func:`~pyg_video.attachment.probe.judge`.
        check_use: with ``probe``, whether to check that the model uses them.

    Example:
        >>> from torchvision.models import resnet18
        >>> place = find_places(resnet18(), ["layer2"], num_frames=2, input=torch.zeros(2, 3, 32, 48))["layer2"]
        >>> place.layout.axes, place.channels, place.size
        ('FCHW', 128, (4, 6))
    """
    layouts = layouts or {}
    ways = {path: keys if isinstance(keys, tuple) else (keys,) for path, keys in (elements or {}).items()}
    _check(model, paths, num_frames, layouts, ways)
    args, outputs = _first_run(model, paths, num_frames, input)
    run = _Run(model, args, describe_input(model, args, num_frames), _told_prefix(model))
    readings = {}
    for path in paths:
        if not outputs[path]:
            raise ValueError(
                f"Expected a module that the model calls (got '{path}', which a forward pass leaves out: perhaps its "
                f"weights are used by themselves, or it is checkpointed part by part){_such_as(run, path, check_use)}"
            )
        try:
            readings[path] = _readings(run, path, outputs[path][0], layouts.get(path), ways.get(path))
        except ValueError as error:
            raise ValueError(f"At '{path}': {error}") from error
        if not readings[path]:
            wrong = f"At '{path}': Expected {_unreadable(run, outputs[path][0])})"
            raise ValueError(wrong + _such_as(run, path, check_use) + ", or give it in 'layouts'")
    verdicts = _judged(run, readings, check_use) if probe else {}
    places = {}
    for path, several in readings.items():
        reading, wrong = best_reading(several, verdicts.get(path) or [Verdict(None, True)] * len(several))
        if reading is None:
            raise ValueError(f"At '{path}': Expected {wrong}){_such_as(run, path, check_use)}, or 'probe=False'")
        places[path] = _place(run, path, reading, outputs[path])
    return places


def _first_run(
    model: nn.Module, paths: Sequence[str], num_frames: int | None, given: Tensor | tuple[object, ...] | None
) -> tuple[tuple[object, ...], dict[str, list[object]]]:
    """The arguments of the model, and its outputs at the paths."""
    if given is not None:
        args = given if isinstance(given, tuple) else (given,)
        describe_input(model, args, num_frames)  # before the run
        return args, outputs_at(model, paths, args)
    failed = []
    for guess in guess_inputs(model, num_frames):
        describe_input(model, (guess,), num_frames)
        try:
            return (guess,), outputs_at(model, paths, (guess,))
        except _REFUSALS as error:
            failed.append(f"{list(guess.shape)} fails: {first_line(error)}")
    wanted = "Expected an 'input' that the model takes (got none, and a guess of shape "
    raise ValueError(wanted + ", and one of ".join(failed) + ")")


def _readings(run: _Run, path: str, output: object, layout: Layout | None, keys: Keys | None) -> list[Reading]:
    """The ways to read an output as clips, the likeliest first; of that layout and tensor, if they are given."""
    tensors = list(tensors_in(output)) if keys is None else [(keys, element(output, keys))]
    if layout is not None:
        tensors.sort(key=lambda pair: pair[1].dim() < 3)  # the first that is no vector
        for way, features in tensors[:1]:
            to_clips(features, layout, run.video.frames)  # raises where it does not fit
            return [Reading(way, layout)]
    module, grid = run.model.get_submodule(path), told_grid(output)
    return [
        Reading(way, layout, daring=layout.prefix not in (0, 1, run.prefix))
        for way, features in tensors
        if features.dim() > 2 and features.is_floating_point()
        for layout in possible_layouts(features.shape, run.video, module, prefix=run.prefix, grid=grid)
    ]


def _judged(run: _Run, readings: Mapping[str, Sequence[Reading]], check_use: bool) -> dict[str, list[Verdict]]:
    """Verdicts of the probe on readings; where it leaves the order of tokens open, modules near them are asked too."""
    verdicts = judge(run.model, run.args, run.video, readings, check_use=check_use)
    unsure = {
        path: {
            reading.layout
            for reading, verdict in zip(several, verdicts[path], strict=True)
            if is_open(reading, verdict)
        }
        for path, several in readings.items()
    }
    if not any(unsure.values()):
        return verdicts
    known = _all_readings(run) | dict(readings)  # in the order in which they end
    near: dict[str, Sequence[Reading]] = {}
    for path, layouts in unsure.items():
        akin = [name for name, several in known.items() if layouts & {reading.layout for reading in several}]
        near |= {name: known[name] for name in _by_distance(path, akin)[:_TRIED] if name not in readings}
    if near:
        verdicts |= judge(run.model, run.args, run.video, near, check_use=False)
    return lent_orders({name: several for name, several in known.items() if name in verdicts}, verdicts)


def _place(run: _Run, path: str, reading: Reading, outputs: Sequence[object]) -> Place:
    T, features = run.video.frames, [element(output, reading.keys) for output in outputs]
    _, _, C, H, W = to_clips(features[0], reading.layout, T).shape
    for other in features[1:]:
        if other.dim() != features[0].dim() or to_clips(other, reading.layout, T).size(2) != C:
            raise ValueError(
                f"Expected a module whose calls give features of one kind (got '{path}', called {len(outputs)} times, "
                f"with {list(features[0].shape)} and {list(other.shape)}); choose the module around it or one beside it"
            )
    return Place(path, reading.layout, T, C, (H, W), features[0], reading.keys, len(outputs))


def _unreadable(run: _Run, output: object) -> str:
    """What is wrong with an output that is no map of the video."""
    T, (H, W) = run.video.frames, run.video.size
    shapes = ", ".join(f"{list(tensor.shape)}{shown(keys)}" for keys, tensor in tensors_in(output))
    return (
        "features of a video: [F, C, H, W], [F, H, W, C], [B, C, T, H, W], [B, T, H, W, C], or tokens [F, L, C] or "
        f"[B, L, C], of more than one pixel (got {shapes or type(output).__name__} from {run.video.batch} clip(s) of "
        f"{T} frames of {H} x {W}"
    )


def _such_as(run: _Run, path: str, check_use: bool) -> str:
    """The end of an error: a module near a refused one whose features can be taken.

    Modules around it and modules of its class come first, then those near it, then others with another layout, then
    some from all over the model.
    """
    found = _all_readings(run)
    kind = type(run.model.get_submodule(path))

    def is_strange(name: str) -> bool:
        return not (path.startswith(f"{name}.") or type(run.model.get_submodule(name)) is kind)

    names = [name for name in _by_distance(path, list(found)) if found[name] and name != path]
    names.sort(key=is_strange)
    near, others = names[:_TRIED], names[_TRIED:]
    of_near = {reading.layout for name in near for reading in found[name]}
    unlike = [name for name in others if not of_near.issuperset(reading.layout for reading in found[name])]
    for tried in filter(None, (near, unlike[:_TRIED], others[:: len(others) // _TRIED + 1])):
        verdicts = judge(run.model, run.args, run.video, {name: found[name] for name in tried}, check_use=check_use)
        verdicts = lent_orders({name: found[name] for name in found if name in verdicts}, verdicts)
        for name in tried:
            if best_reading(found[name], verdicts[name])[0] is not None:
                return f"; choose another place, such as '{name}'"
    return "; choose another place"


def _all_readings(run: _Run) -> dict[str, list[Reading]]:
    """The readings of all modules that the model calls, in the order in which they end."""
    found: dict[str, list[Reading]] = {}

    def keep(name: str, output: object) -> None:
        found.setdefault(name, _readings(run, name, output, None, None))

    model = run.model
    with torch.no_grad(), hooked(model, [name for name, _ in model.named_modules() if name], keep):
        model(*run.args)
    return found


def _by_distance(path: str, names: Sequence[str]) -> list[str]:
    """Modules in the order of their calls by the number of those between them and one."""
    here = names.index(path) if path in names else len(names)
    return sorted(names, key=lambda name: abs(names.index(name) - here))


def _told_prefix(model: nn.Module) -> int:
    """Prefix tokens as timm's models count them, also inside of another module."""
    counts = (getattr(part, "num_prefix_tokens", None) for part in model.modules())
    return next((count for count in counts if isinstance(count, int)), 0)


def _check(
    model: nn.Module,
    paths: Sequence[str],
    num_frames: int | None,
    layouts: Mapping[str, Layout],
    elements: Mapping[str, object],
) -> None:
    if any(isinstance(part, torch.jit.ScriptModule) for part in model.modules()):
        raise ValueError("Expected a model of Python modules (got parts of torch.jit); attach blocks before jit.trace")
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
    for name, given in {"layouts": layouts, "elements": elements}.items():
        if unknown := set(given) - set(paths):
            raise ValueError(f"Expected '{name}' of {', '.join(paths)} (got one of {', '.join(sorted(unknown))})")
    for layout in layouts.values():
        check_layout(layout)
