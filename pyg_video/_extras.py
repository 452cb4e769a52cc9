"""Packages that only part of the library needs."""

from importlib import import_module
from types import ModuleType


def need(module: str, extra: str) -> ModuleType:
    """A module of an optional package.

    Args:
        module: its name.
        extra: the extra of this package's installation that brings it, see ``setup.cfg``.

    Raises:
        ModuleNotFoundError: it is not installed; says what to type.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name if module.startswith("pyg_video.") else module  # what a module of ours did not find
        raise ModuleNotFoundError(
            f"Expected the package that has '{missing}' (got none); from a checkout: pip install \".[{extra}]\"",
            name=missing,
        ) from error
