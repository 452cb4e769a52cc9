"""Named arrays of a published checkpoint, of which each has to be used once."""

from collections.abc import Mapping, Sequence

from torch import Tensor


class Variables:
    """Named arrays, with errors that name what is missing, left over or of another shape.

    Args:
        values: names to tensors.
        where: what they belong to, for the errors.
    """

    def __init__(self, values: Mapping[str, Tensor], where: str) -> None:
        self._values = dict(values)
        self._left = set(values)
        self._where = where

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def names(self) -> list[str]:
        """All names, used or not."""
        return list(self._values)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a variable, which stays to be used."""
        if name not in self._values:
            others = ", ".join(sorted(self._left)[:4]) or "none"
            raise ValueError(f"Expected the variable '{name}' in {self._where} (got {others}, ...)")
        return tuple(self._values[name].shape)

    def take(self, name: str, shape: Sequence[int] | None = None) -> Tensor:
        """A variable, used up."""
        given = self.shape(name)
        if shape is not None and given != tuple(shape):
            raise ValueError(f"Expected '{name}' in {self._where} of shape {list(shape)} (got {list(given)})")
        self._left.discard(name)
        return self._values[name]

    def check_used(self) -> None:
        """Raise if a variable was not used."""
        if self._left:
            left = ", ".join(sorted(self._left))
            raise ValueError(f"Expected no variables in {self._where} but those of a known setting (got {left})")
