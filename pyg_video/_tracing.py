"""What torch.fx and TorchScript get of modules that they cannot look into."""

from collections.abc import Mapping
from typing import Any, NoReturn, TypeGuard

import torch
from torch import fx, nn

_INSTEAD = "use torch.compile or torch.export, see docs/export.md"


class NotScriptable:
    """A module that ``torch.jit.script`` refuses in words, before it reads any code."""

    def __prepare_scriptable__(self) -> NoReturn:
        """Raise a :exc:`TypeError`; TorchScript calls this for a model and all of its parts."""
        raise TypeError(
            f"Expected a model that TorchScript can hold (got {type(self).__name__} in it, whose graphs it cannot); "
            f"{_INSTEAD}"
        )


def is_proxy(x: object) -> TypeGuard[fx.Proxy]:
    """Whether this is what torch.fx puts in the place of a tensor while it traces a model."""
    return isinstance(x, fx.Proxy)


def refuse_fx(x: object, repair: str) -> None:
    """Raise a :exc:`TypeError` while torch.fx traces a model."""
    if is_proxy(x):
        raise TypeError(f"Expected a tensor (got a Proxy of torch.fx, which cannot trace what is done here); {repair}")


def refuse_jit_trace() -> None:
    """Raise a :exc:`TypeError` while ``torch.jit.trace`` records a model."""
    if torch.jit.is_tracing():  # type: ignore[attr-defined] # which torch does not list
        raise TypeError(
            "Expected a graph to be built outside of torch.jit.trace (got one within, where the edges of any batch "
            f"would be those of the example); {_INSTEAD}"
        )


def as_leaf(module: nn.Module, x: fx.Proxy, *given: Mapping[str, Any]) -> Any:
    """One call of a module in the graph that torch.fx makes, in place of all that the module does.

    Raises:
        TypeError: the module is the model that is traced, or is not in it.
    """
    tracer = x.tracer
    path = tracer.path_of_module(module) if isinstance(tracer, fx.Tracer) else ""
    if not path:
        raise TypeError(
            f"Expected a model with a {type(module).__name__} in it (got this part alone, which torch.fx cannot look "
            f"into); {_INSTEAD}"
        )
    named = {name: value for some in given for name, value in some.items() if value is not None}
    return tracer.create_proxy("call_module", path, (x,), named)
