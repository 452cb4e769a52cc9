"""A limit for the tensors that the options in a file may ask for."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_SPARE = 1 << 26  # values beside those of the file: buffers, and what is computed while a model is made
_TIMES = 8


class SizeLimit(TorchFunctionMode):
    """Within it, making far more values than some weights have is refused, before memory is taken for them.

    Args:
        weights: the weights of a file.

    Example:
        >>> with SizeLimit({"weight": torch.zeros(8, 8)}):
        ...     torch.nn.Linear(100_000, 100_000)
        Traceback (most recent call last):
        ...
        ValueError: Expected options of a model with about 64 values, those of the file (got options that make ...
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.given = sum(tensor.numel() for tensor in weights.values())
        self.most = self.left = _SPARE + _TIMES * self.given

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if (size := _SIZES.get(func)) is not None:
            self.left -= size(*args, **kwargs)
            if self.left < 0:
                raise ValueError(
                    f"Expected options of a model with about {self.given:,} values, those of the file (got options "
                    f"that make more than {self.most:,}); they are not the options of these weights"
                )
        return func(*args, **kwargs)


def _values(*size: Any, **options: Any) -> int:
    """Values of a tensor of some size, given as numbers or as one sequence."""
    given = options.get("size", size[0] if len(size) == 1 else size)
    return math.prod(given) if isinstance(given, Sequence) else int(given)


def _steps(*ends: Any, **options: Any) -> int:
    """Values of a range, from its end, or its start, end and step."""
    start, end, step = (*((0,) if len(ends) == 1 else ()), *ends, options.get("step", 1))[:3] if ends else (0, 0, 1)
    return max(0, math.ceil((end - start) / step))


_SIZES: dict[Callable[..., Tensor], Callable[..., int]] = {
    **dict.fromkeys((torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn), _values),
    torch.full: lambda size, *_, **__: _values(size),
    torch.arange: _steps,
    torch.eye: lambda n, m=None, **_: n * (m or n),
    torch.linspace: lambda start, end, steps, **_: int(steps),  # noqa: ARG005
}
