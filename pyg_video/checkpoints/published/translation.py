"""Weights under the names of another code: nothing missing, nothing left over, every shape as it should be."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import NamedTuple

from torch import Tensor

_LISTED = 8  # names that an error spells out


class Entry(NamedTuple):
    """One tensor of a foreign state dict.

    Attributes:
        name: what it is called there.
        shapes: the shapes that it may have there.
        ours: names of our tensors that it fills, side by side along the columns if several; none for a tensor that
            is read for checks only.
    """

    name: str
    shapes: tuple[tuple[int, ...], ...]
    ours: tuple[str, ...] = ()


def translate(
    weights: Mapping[str, Tensor], entries: Iterable[Entry], own: Mapping[str, Tensor], what: str
) -> dict[str, Tensor]:
    """Our state dict from a foreign one.

    Args:
        weights: the foreign state dict.
        entries: everything that it holds.
        own: our tensors, for their shapes.
        what: whose weights these are, for errors.

    Raises:
        ValueError: a tensor is missing, unexpected or of a wrong shape; names it and what is known.
    """
    known = {entry.name: entry for entry in entries}
    for problem, names in (("without", known.keys() - weights.keys()), ("with", weights.keys() - known.keys())):
        if names:
            raise ValueError(
                f"Expected exactly the {len(known)} weights of {what} (got them {problem} {_listed(names)}"
                f"{_hint(names, known) if problem == 'with' else ''}); known are {_listed(known)}"
            )
    ours: dict[str, Tensor] = {}
    for entry in known.values():
        tensor = weights[entry.name]
        if tuple(tensor.shape) not in entry.shapes:
            shapes = " or ".join(str(list(shape)) for shape in entry.shapes)
            raise ValueError(f"Expected '{entry.name}' of {what} of shape {shapes} (got {list(tensor.shape)})")
        parts = tensor.chunk(len(entry.ours), dim=1) if len(entry.ours) > 1 else (tensor,) * len(entry.ours)
        ours |= {name: part.reshape(own[name].shape) for name, part in zip(entry.ours, parts, strict=True)}
    return ours


def layer(name: str, ours: str, shape: tuple[int, ...], *, out: int | None = None) -> Iterator[Entry]:
    """Weight and bias of a linear layer or convolution; ``out`` where the bias is not as long as the first side."""
    yield Entry(f"{name}.weight", (shape,), (f"{ours}.weight",))
    yield Entry(f"{name}.bias", ((shape[0] if out is None else out,),), (f"{ours}.bias",))


def rnn(name: str, ours: str, channels: int, gates: int) -> Iterator[Entry]:
    """The four tensors of a GRU (3 gates) or LSTM (4 gates) of one layer that keeps the channels."""
    for side in ("ih", "hh"):
        yield from (
            Entry(f"{name}.{kind}_{side}_l0", (shape,), (f"{ours}.{kind}_{side}_l0",))
            for kind, shape in (("weight", (gates * channels, channels)), ("bias", (gates * channels,)))
        )


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    rest = len(ordered) - _LISTED
    return ", ".join(ordered[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def _hint(names: Collection[str], known: Iterable[str]) -> str:
    close = get_close_matches(min(names), list(known), n=1)
    return f", did you mean {close[0]}?" if close else ""
