"""A limit for the tensors that the options in a file may ask for."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_SPARE = 1 << 26  # values beside those of the file: buffers, and what is computed while a model is made
_TIMES = 8
_OBJECT = 1 << 12  # values that a tensor counts for, however small: millions of layers fill the memory as well


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
            self.left -= size(*args, **kwargs) + _OBJECT
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
    given = dict(zip(("end",) if len(ends) == 1 else ("start", "end", "step"), ends, strict=False)) | options
    return max(0, math.ceil((given["end"] - given.get("start", 0)) / given.get("step", 1)))


def _sized(*given: Any, **options: Any) -> int:
    """Values of a tensor whose size stands among other arguments."""
    return _values(options.get("size", next((part for part in given if isinstance(part, Sequence)), ())))


def _joined(tensors: Sequence[Tensor], *_: Any, **__: Any) -> int:
    return sum(tensor.numel() for tensor in tensors)


def _repeated(x: Tensor, *times: Any, **options: Any) -> int:
    return x.numel() * _values(*times, **options)


_SIZES: dict[Callable[..., Tensor], Callable[..., int]] = {
    **dict.fromkeys((torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn), _values),
    **dict.fromkeys((Tensor.new_empty, Tensor.new_zeros, Tensor.new_ones), lambda _, *size, **o: _values(*size, **o)),
    **dict.fromkeys((torch.full, Tensor.new_full, torch.randint), _sized),
    **dict.fromkeys((torch.stack, torch.cat), _joined),
    Tensor.repeat: _repeated,
    torch.randperm: lambda n, *_, **__: int(n),
    torch.arange: _steps,
    torch.eye: lambda n, m=None, **_: n * (m or n),
    torch.linspace: lambda start, end, steps, **_: int(steps),  # noqa: ARG005
}
