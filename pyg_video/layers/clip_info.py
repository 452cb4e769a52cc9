"""What is known about the clips of a batch, and how it reaches the parts that want to know it."""

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from torch import nn

ClipInfo: TypeAlias = Mapping[str, Any]
"""What is known about a batch beside its values, by name.

About clips: ``lengths`` :math:`(B)`, the frames of every clip that count, where clips were padded to the same
:math:`T`; ``box`` :math:`(B, T, N, 4)` and ``mask`` :math:`(B, T, N)`, boxes from outside and which of them are there;
and whatever else a builder takes. About graphs, for the space stage, see :class:`~pyg_video.layers.RSTG`.
"""


class _Accepted(NamedTuple):
    """The parameters of a ``forward``, and whether it takes any keyword."""

    names: frozenset[str]
    any_name: bool


_accepted: dict[type, _Accepted] = {}  # by class, so that a signature is looked at once


def accepted_info(part: nn.Module) -> frozenset[str]:
    """The names of what a part wants to know: the parameters of its ``forward``.

    A part whose ``forward`` takes ``**info`` and hands it on names what it wants in an attribute or property
    ``accepts``, as :class:`InfoContainer` does for its parts.

    Example:
        >>> from pyg_video.layers import TemporalRNN
        >>> "lengths" in accepted_info(TemporalRNN(8)), "lengths" in accepted_info(nn.Identity())
        (True, False)
    """
    return _look_at(part).names


def taken_by(part: nn.Module, info: ClipInfo) -> dict[str, Any]:
    """Of what is known, that which a part wants to know; what is ``None`` is not known.

    A part that takes any keyword and names nothing of it, such as a wrapper around another part, is given everything.

    Example:
        >>> from pyg_video.layers import TemporalRNN
        >>> taken_by(TemporalRNN(8), {"lengths": 3, "box": 4, "mask": None})
        {'lengths': 3}
    """
    names, any_name = _look_at(part)
    if any_name and not names & info.keys():
        names = frozenset(info)
    return {name: value for name, value in info.items() if value is not None and name in names}


def _look_at(part: nn.Module) -> _Accepted:
    part = getattr(part, "_orig_mod", part)  # compiled
    accepts: frozenset[str] | None = getattr(part, "accepts", None)
    if accepts is not None:
        return _Accepted(accepts, False)
    kind = type(part)
    if kind not in _accepted:
        parameters = list(inspect.signature(kind.forward).parameters.values())[1:]  # without self
        names = frozenset(parameter.name for parameter in parameters[1:])  # nor the input
        _accepted[kind] = _Accepted(names, any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters))
    return _accepted[kind]


class InfoContainer:
    """A module of parts that hands on to them what they want to know about the clips, see :func:`taken_by`."""

    @property
    def accepts(self) -> frozenset[str]:
        """The names of what the parts want to know."""
        return frozenset().union(*map(accepted_info, self.children()))  # type: ignore[attr-defined] # an nn.Module
