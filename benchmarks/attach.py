"""Attach a block at a middle and at the last place of many models, without hints: what is accepted, and what is not?

The models are the smallest of every file of timm, and torchvision's for classification of images and videos, all with
random weights. A place is an element of the outermost lists of blocks or stages that a model runs, in the order of
their calls. An accepted place must leave the output as it is with an identity there, and after it is detached. A
refusal should name another place, which is tried as well.

python benchmarks/attach.py --output benchmarks/results/attach.json                   # all, hours on two cores
python benchmarks/attach.py --output benchmarks/results/attach.json --limit 20        # the next 20 models
python benchmarks/attach.py --timm resnet swin_transformer --torchvision vit_b_16     # these

Models that the output has already are left out, so it goes on where it was stopped.
"""

import argparse
import json
import re
import time
import warnings
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch
import torchvision
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
    """A model to try: its zoo, and its file in timm or its name in torchvision."""

    zoo: str
    name: str


def subjects(timm_files: Sequence[str] | None, torchvision_names: Sequence[str] | None) -> Iterator[Subject]:
    """The models of these files and names, all by default."""
    if timm_files is None:
        timm_files = sorted(files_of_timm())
    if torchvision_names is None:
        kinds = (torchvision.models, torchvision.models.video)
        torchvision_names = [name for kind in kinds for name in torchvision.models.list_models(module=kind)]
    yield from (Subject("timm", name) for name in timm_files)
    yield from (Subject("torchvision", name) for name in torchvision_names)


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
    name = smallest(files_of_timm()[subject.name]) if subject.zoo == "timm" else subject.name
    about: Row = {"library": subject.zoo, "name": subject.name, "model": name}
    torch.manual_seed(0)
    model = zoo_model(f"timm/{name}" if subject.zoo == "timm" else name).eval()
    video = any(isinstance(part, nn.Conv3d) for part in model.modules())
    x = torch.rand(next(guess_inputs(model, None if video else 1)).shape)  # what attach_blocks takes by itself
    middle, last = places(model, x)
    return [about | {"place": which} | outcome(model, path, x) for which, path in (("middle", middle), ("last", last))]


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
        before = next(tensor for _, tensor in tensors_in(model(x)))
        num_frames = None if x.dim() == 5 else 1
        with attach_blocks(model, {path: nn.Identity()}, num_frames=num_frames, input=x) as attached:
            (place,) = attached.places.values()
            read, inside = place.extra_repr(), next(tensor for _, tensor in tensors_in(model(x)))
        after = next(tensor for _, tensor in tensors_in(model(x)))
    # Not to the bit: products of matrices depend on where the memory lies, also from call to call.
    worst = max(float((other - before).abs().max() / before.abs().max()) for other in (inside, after))
    if worst > 1e-5:
        raise RuntimeError(f"Expected an identity at '{path}' of {type(model).__name__} (got a difference of {worst})")
    return read


def _has_parts(model: nn.Module, name: str) -> bool:
    return any(True for _ in model.get_submodule(name).children())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--timm", nargs="*", metavar="FILE", help="files of timm's models (default: all)")
    parser.add_argument("--torchvision", nargs="*", metavar="NAME", help="torchvision's models (default: all)")
    parser.add_argument("--limit", type=int, metavar="N", help="stop after N models")
    parser.add_argument("--output", type=Path, metavar="FILE", help="JSON file, benchmarks/results/attach.json")
    args = parser.parse_args()
    known = args.output is not None and args.output.exists()
    rows: list[Row] = json.loads(args.output.read_text())["rows"] if known else []
    rows = [row for row in rows if row["outcome"] != "failed"]  # these again
    done = {(row["library"], row["name"]) for row in rows}
    left = (subject for subject in subjects(args.timm, args.torchvision) if subject not in done)
    for subject in islice(left, args.limit):
        try:
            rows += (new := tried(subject))
        except Exception as error:  # of any kind, to be looked at
            rows.append(new := {**subject._asdict(), "outcome": "failed", "reason": f"{type(error).__name__}: {error}"})
        print(new, flush=True)
        if args.output is not None:
            write(args.output, {"environment": environment(), "timm": timm_version(), "rows": rows})


def timm_version() -> str:
    import timm

    return str(timm.__version__)


if __name__ == "__main__":
    main()
