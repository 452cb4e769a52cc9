"""Names of a package that are imported when they are first used."""

from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_names(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package whose names come from submodules.

    Args:
        package: the package's ``__name__``.
        homes: the submodule of every public name.

    Example:
        >>> getter, names = lazy_names("pyg_video", {"VideoGraph": "data"})
        >>> getter("VideoGraph").__name__, names()
        ('VideoGraph', ['VideoGraph'])
    """

    def getter(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return getter, lambda: sorted(homes)
