"""Packages that only part of the library needs."""

from importlib import import_module
from types import ModuleType


def need(module: str, extra: str) -> ModuleType:
    """Import a module of an optional package, which an extra in ``setup.cfg`` installs.

    Raises:
        ModuleNotFoundError: it is not installed; names the command that installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name if module.startswith("pyg_video.") else module  # what a module of ours did not find
        raise ModuleNotFoundError(
            f"Expected the package that has '{missing}' (got none); from a checkout: pip install \".[{extra}]\"",
            name=missing,
        ) from error
