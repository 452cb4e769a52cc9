"""Weights under the names of another code, as weights of our modules."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from torch import Tensor

from ..weights import check_weights


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
        entries: all of its tensors.
        own: our tensors, for their shapes.
        what: name of the foreign model, for errors.

    Raises:
        ValueError: a tensor is missing, unexpected or of a wrong shape; names it.
    """
    known = {entry.name: entry for entry in entries}
    check_weights(weights, {name: entry.shapes for name, entry in known.items()}, what)
    ours: dict[str, Tensor] = {}
    for entry in known.values():
        tensor = weights[entry.name]
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
        yield Entry(f"{name}.weight_{side}_l0", ((gates * channels, channels),), (f"{ours}.weight_{side}_l0",))
        yield Entry(f"{name}.bias_{side}_l0", ((gates * channels,),), (f"{ours}.bias_{side}_l0",))
