"""Information about the clips of a batch, passed to the parts whose ``forward`` names it."""

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import nn

ClipInfo: TypeAlias = Mapping[str, Any]
"""Information about a batch, by name.

About clips: ``lengths`` :math:`(B)`, the frames of every clip that count, where clips were padded to the same
:math:`T`; ``box`` :math:`(B, T, N, 4)` and ``mask`` :math:`(B, T, N)`, given boxes and which of them are
present; and whatever else a builder takes. About graphs, for the space stage, see :class:`~pyg_video.layers.RSTG`.
"""


class Accepted(NamedTuple):
    """The parameters of a ``forward`` after its input.

    Attributes:
        names: the names of all of them.
        any_name: whether it takes any keyword.
        order: those that may be given by position, in order.
        required: those without a default, in order.
    """

    names: frozenset[str]
    any_name: bool = False
    order: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


_accepted: dict[type, Accepted] = {}  # by class, so that a signature is looked at once


def accepted_info(part: nn.Module) -> frozenset[str]:
    """The information that a part takes: the names of the parameters of its ``forward``.

    A part whose ``forward`` takes ``**info`` and passes it on has these names in an attribute or property ``accepts``,
    as :class:`InfoContainer` does.

    Example:
        >>> from pyg_video.layers import TemporalRNN
        >>> "lengths" in accepted_info(TemporalRNN(8)), "lengths" in accepted_info(nn.Identity())
        (True, False)
    """
    return signature_of(part).names


def taken_by(part: nn.Module, info: ClipInfo) -> dict[str, Any]:
    """The part of ``info`` that a module takes, without entries that are ``None``.

    A module that takes any keyword and names none of them, such as a wrapper, takes everything.

    Example:
        >>> from pyg_video.layers import TemporalRNN
        >>> taken_by(TemporalRNN(8), {"lengths": 3, "box": 4, "mask": None})
        {'lengths': 3}
    """
    given = {name: value for name, value in info.items() if value is not None}
    if not given:  # which saves a look at all parts of a backbone, for every frame of a stream
        return given
    names, any_name, _, _ = signature_of(part)
    if any_name and not names & info.keys():
        return given
    return {name: value for name, value in given.items() if name in names}


def signature_of(part: nn.Module) -> Accepted:
    """What a part takes after its input, by the signature of its ``forward`` or by ``accepts``."""
    part = getattr(part, "_orig_mod", part)  # compiled
    accepts: frozenset[str] | None = getattr(part, "accepts", None)
    if accepts is not None:
        return Accepted(accepts)
    if isinstance(part, nn.Sequential):
        return Accepted(frozenset().union(*map(accepted_info, part)))
    kind = type(part)
    accepted = _accepted.get(kind) or _of_class(kind)
    if not torch.compiler.is_compiling():  # which would guard on the cache
        _accepted[kind] = accepted
    wrapped = getattr(part, "module", None)
    if accepted.any_name and isinstance(wrapped, nn.Module):  # such as nn.DataParallel
        return signature_of(wrapped)
    return accepted


def _of_class(kind: type[nn.Module]) -> Accepted:
    parameters = list(inspect.signature(kind.forward).parameters.values())[1:]  # without self
    named = [p for p in parameters[1:] if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]  # nor the input
    return Accepted(
        names=frozenset(parameter.name for parameter in parameters[1:]),
        any_name=any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters),
        order=tuple(p.name for p in named if p.kind is p.POSITIONAL_OR_KEYWORD),
        required=tuple(p.name for p in named if p.default is p.empty),
    )


class InfoContainer:
    """Base class of modules that pass the information about the clips on to their parts, see :func:`taken_by`."""

    @property
    def accepts(self) -> frozenset[str]:
        """The names of the information that the parts take."""
        return frozenset().union(*map(accepted_info, self.children()))  # type: ignore[attr-defined] # an nn.Module
