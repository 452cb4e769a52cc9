"""Names of a package that are imported when they are first used."""

from collections.abc import Callable, Mapping

from ._extras import need


def lazy_names(
    package: str, homes: Mapping[str, str], extra: str = "all"
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package whose names come from submodules.

    Args:
        package: the package's ``__name__``.
        homes: the submodule of every public name.
        extra: the extra that installs what the submodules need.

    Example:
        >>> getter, names = lazy_names("pyg_video", {"VideoGraph": "data"})
        >>> getter("VideoGraph").__name__, names()
        ('VideoGraph', ['VideoGraph'])
    """

    def getter(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(need(f"{package}.{homes[name]}", extra), name)

    return getter, lambda: sorted(homes)
