"""The check that weights fit: none missing, none left over, each of the expected shape; and their checksum."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches

import torch
from torch import Tensor

_LISTED = 8  # names that an error spells out

Shapes = Tensor | Sequence[Sequence[int]]
"""The shapes that a weight may have: that of a tensor, or several."""


def check_weights(given: Mapping[str, Tensor], expected: Mapping[str, Shapes], what: str, repair: str = "") -> None:
    """Raise unless weights have exactly the expected names and shapes, and are whole numbers where those are.

    Args:
        given: the weights.
        expected: a tensor of the expected shape for every name, or all allowed shapes.
        what: name of the model, for errors.
        repair: what to do about weights that do not fit, for errors.

    Raises:
        ValueError: a weight is missing, unexpected, of another shape or of another kind; names it.

    Example:
        >>> from torch import nn
        >>> linear = nn.Linear(3, 2)
        >>> check_weights(linear.state_dict(), linear.state_dict(), "a linear layer")
        >>> check_weights(linear.state_dict(), nn.Linear(2, 2).state_dict(), "a linear layer")
        Traceback (most recent call last):
        ValueError: Expected 'weight' of a linear layer of shape [2, 2] (got [2, 3])
    """
    missing, unexpected = expected.keys() - given.keys(), given.keys() - expected.keys()
    if missing or unexpected:
        raise wrong_names(what, missing=missing, unexpected=unexpected, known=expected, repair=repair)
    for name, shapes in expected.items():
        check_shape(name, given[name], shapes, what, repair)


def checksum(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the names and bytes of tensors, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + b"\0")
        digest.update(tensors[name].detach().cpu().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def check_shape(name: str, given: Tensor, expected: Shapes, what: str, repair: str = "") -> None:
    """Raise a :exc:`ValueError` unless a weight is as expected; arguments as :func:`check_weights`."""
    shapes = [list(shape) for shape in ([expected.shape] if isinstance(expected, Tensor) else expected)]
    if list(given.shape) not in shapes:
        words = " or ".join(map(str, shapes))
        raise ValueError(f"Expected '{name}' of {what} of shape {words} (got {list(given.shape)}){_end(repair)}")
    if isinstance(expected, Tensor) and given.dtype.is_floating_point != expected.dtype.is_floating_point:
        raise ValueError(f"Expected '{name}' of {what} as {expected.dtype} (got {given.dtype}){_end(repair)}")


def wrong_names(
    what: str,
    *,
    missing: Collection[str] = (),
    unexpected: Collection[str] = (),
    known: Collection[str] = (),
    repair: str = "",
) -> ValueError:
    """The error about missing or unexpected names, with a suggestion and the first known names."""
    found = [f"without {_listed(missing)}"] if missing else []
    if unexpected:
        close = get_close_matches(min(unexpected), list(known), n=1)
        found.append(f"with {_listed(unexpected)}" + (f", did you mean {close[0]}?" if close else ""))
    names = f"; known are {_listed(known)}" if known else ""
    count = f"the {len(known)} weights" if known else "the weights"
    return ValueError(f"Expected exactly {count} of {what} (got them {' and '.join(found)}){names}{_end(repair)}")


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    rest = len(ordered) - _LISTED
    return ", ".join(ordered[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def _end(repair: str) -> str:
    return f"; {repair}" if repair else ""
