"""Modules of optional packages."""

from importlib import import_module
from types import ModuleType


def need(module: str, extra: str) -> ModuleType:
    """Import a module that one of the project's extras installs.

    Args:
        module: dotted name of the module.
        extra: the extra of ``pyproject.toml`` that installs its package.

    Raises:
        ModuleNotFoundError: the package is not installed; the message has the line that installs it.

    Example:
        >>> need("math", "plots").sqrt(9.0)
        3.0
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ModuleNotFoundError(
            f"Expected the package that has '{module}' (got none); from a checkout: pip install \".[{extra}]\""
        ) from error
