"""Attach a block at a middle and at the last place of many models, without hints: what is accepted, and what is not?

The models are the smallest of every file of timm, torchvision's for classification of images and videos, and small ones
of Hugging Face's transformers, all with random weights. A place is an element of the outermost lists of blocks or
stages that a model runs, in the order of their calls. An accepted place must leave the output as it is with an identity
there, and after it is detached. A refusal should name another place, which is tried as well.

python benchmarks/attach.py --output benchmarks/results/attach.json                   # all, hours on two cores
python benchmarks/attach.py --output benchmarks/results/attach.json --limit 20        # the next 20 models
python benchmarks/attach.py --only resnet swin_transformer vit_b_16                   # these
python benchmarks/attach.py --zoo transformers --output benchmarks/results/attach_transformers.json  # five minutes

Models that the output has already are left out, so it goes on where it was stopped.
"""

import argparse
import json
import re
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch
import torchvision
from attach_transformers import TRANSFORMERS, transformers_model
from measuring import environment, write
from torch import nn

from pyg_video.attachment import attach_blocks
from pyg_video.attachment.inputs import guess_inputs
from pyg_video.attachment.outputs import tensors_in
from pyg_video.attachment.probe import hooked
from pyg_video.models import zoo_model

Row = dict[str, object]
_NAMED = re.compile(r"; choose another place, such as '([^']+)'")


class Subject(NamedTuple):
    """A model to try: its zoo, and its file in timm, its name in torchvision or its class in transformers."""

    zoo: str
    name: str


def subjects(zoos: Sequence[str], only: Sequence[str] | None = None) -> Iterator[Subject]:
    """The models of some zoos, or those of these names."""
    for zoo in zoos:
        yield from (Subject(zoo, name) for name in names_in(zoo) if only is None or name in only)


def names_in(zoo: str) -> list[str]:
    """Files of timm, names of torchvision's models or classes of transformers."""
    if zoo == "timm":
        return sorted(files_of_timm())
    if zoo == "transformers":
        return list(TRANSFORMERS)
    kinds = (torchvision.models, torchvision.models.video)
    return [name for kind in kinds for name in torchvision.models.list_models(module=kind)]


def files_of_timm() -> dict[str, list[str]]:
    """Names of models by the file of timm that defines them."""
    import timm

    files: dict[str, list[str]] = {}
    for name in timm.list_models():
        files.setdefault(timm.model_entrypoint(name).__module__.rpartition(".")[2], []).append(name)
    return files


def smallest(names: Sequence[str]) -> str:
    """The model of timm with the fewest parameters."""
    sizes = {}
    for name in names:
        try:
            with torch.device("meta"):
                sizes[name] = sum(parameter.numel() for parameter in zoo_model(f"timm/{name}").parameters())
        except (ValueError, RuntimeError, NotImplementedError):  # it computes values while it is made
            continue
    return min(sizes, key=sizes.__getitem__) if sizes else names[0]


def tried(subject: Subject) -> list[Row]:
    """Rows of the results for the two places of a model."""
    torch.manual_seed(0)
    name, model = made(subject)
    about: Row = {"library": subject.zoo, "name": subject.name, "model": name}
    x = taken_by(model.eval())
    middle, last = places(model, x)
    return [about | {"place": which} | outcome(model, path, x) for which, path in (("middle", middle), ("last", last))]


def made(subject: Subject) -> tuple[str, nn.Module]:
    """A model and its name."""
    if subject.zoo == "transformers":
        return subject.name, transformers_model(subject.name)
    name = smallest(files_of_timm()[subject.name]) if subject.zoo == "timm" else subject.name
    return name, zoo_model(f"timm/{name}" if subject.zoo == "timm" else name)


def taken_by(model: nn.Module) -> torch.Tensor:
    """The input that attach_blocks takes by itself, with noise: a clip, folded frames of one clip, or a frame."""
    frames = getattr(getattr(model, "config", None), "num_frames", None)
    video = any(isinstance(part, nn.Conv3d) for part in model.modules())
    for guess in guess_inputs(model, frames or (None if video else 1)):
        with suppress(ValueError, RuntimeError), torch.no_grad():
            model(guess)
            return torch.rand(guess.shape)
    raise ValueError(f"Expected a model that takes a guessed input (got {type(model).__name__})")


def places(model: nn.Module, x: torch.Tensor) -> tuple[str, str]:
    """The paths of a middle and of the last place."""
    called: list[str] = []
    paths = [name for name, _ in model.named_modules() if name]
    with torch.no_grad(), hooked(model, paths, lambda name, output: called.append(name)):  # noqa: ARG005
        model(x)
    blocks = [name for name in dict.fromkeys(called) if name.rpartition(".")[2].isdecimal() and _has_parts(model, name)]
    blocks = [name for name in blocks if not any(name.startswith(f"{other}.") for other in blocks)]
    if len(blocks) < 2:
        blocks = [name for name in dict.fromkeys(called) if "." not in name and _has_parts(model, name)]
    return blocks[(len(blocks) - 1) // 2], blocks[-1]


def outcome(model: nn.Module, path: str, x: torch.Tensor) -> Row:
    """What becomes of a place: it is ``accepted``, ``led`` to another one that is, or ``refused``."""
    start = time.perf_counter()
    found: Row = {"path": path}
    try:
        found |= {"outcome": "accepted", "read": attached_as(model, path, x)}
    except ValueError as error:
        named = _NAMED.search(str(error))
        found |= {"outcome": "led" if named else "refused", "reason": " ".join(str(error).split())}
        if named:
            found |= {"to": named[1], "read": attached_as(model, named[1], x)}
    return found | {"seconds": round(time.perf_counter() - start, 1)}


@torch.no_grad()
def attached_as(model: nn.Module, path: str, x: torch.Tensor) -> str:
    """How the features at a place are read; raises unless an identity there is one, and can be undone."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a block that is not run
        before = _run(model, x)
        with attach_blocks(model, {path: nn.Identity()}, num_frames=None if x.dim() == 5 else len(x), input=x) as found:
            (place,) = found.places.values()
            read, inside = place.extra_repr(), _run(model, x)
        after = _run(model, x)
    # Not to the bit: products of matrices depend on where the memory lies, also from call to call.
    worst = max(float((other - before).abs().max() / before.abs().max()) for other in (inside, after))
    if worst > 1e-5:
        raise RuntimeError(f"Expected an identity at '{path}' of {type(model).__name__} (got a difference of {worst})")
    return read


def _run(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The first tensor of the output, with the same random numbers every time."""
    torch.manual_seed(0)
    return next(tensor for _, tensor in tensors_in(model(x)))


def _has_parts(model: nn.Module, name: str) -> bool:
    return any(True for _ in model.get_submodule(name).children())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    zoos = ["timm", "torchvision", "transformers"]
    parser.add_argument("--zoo", nargs="+", choices=zoos, default=zoos[:2], help="default: timm torchvision")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="models of these names (default: all)")
    parser.add_argument("--limit", type=int, metavar="N", help="stop after N models")
    parser.add_argument("--output", type=Path, metavar="FILE", help="JSON file, benchmarks/results/attach.json")
    args = parser.parse_args()
    known = args.output is not None and args.output.exists()
    rows: list[Row] = json.loads(args.output.read_text())["rows"] if known else []
    rows = [row for row in rows if row["outcome"] != "failed"]  # these again
    done = {(row["library"], row["name"]) for row in rows}
    left = (subject for subject in subjects(args.zoo, args.only) if subject not in done)
    for subject in islice(left, args.limit):
        try:
            rows += (new := tried(subject))
        except Exception as error:  # of any kind, to be looked at
            rows.append(
                new := {
                    "library": subject.zoo,
                    "name": subject.name,
                    "outcome": "failed",
                    "reason": f"{type(error).__name__}: {error}",
                }
            )
        print(new, flush=True)
        if args.output is not None:
            versions = {library: version(library) for library in {str(row["library"]): None for row in rows}}
            write(args.output, {"environment": environment(), **versions, "rows": rows})


if __name__ == "__main__":
    main()
