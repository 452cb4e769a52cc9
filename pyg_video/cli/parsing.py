"""What the commands of ``pyg-video`` share: parsers, common options, imports of the user's modules, error messages."""

from __future__ import annotations

import argparse
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NoReturn

from .._text import printable

_LONGEST = 1900  # signs of a message, about that of an unknown model, which lists all
IMPORT = "--import"  # taken out by take_option before the arguments are parsed
_SHARED: dict[str, dict[str, Any]] = {
    "--checkpoint": {
        "required": True,
        "metavar": "FILE",
        "help": ".safetensors, .ckpt of pyg-video fit, or id on the Hub",
    },
    "--device": {"default": "auto", "metavar": "NAME", "help": "auto (default), cpu, cuda, cuda:1, ..."},
    IMPORT: {"metavar": "MODULE", "help": "import your own module first, for its models; repeatable"},
}


class Parser(argparse.ArgumentParser):
    """An argument parser that raises a :exc:`ValueError` instead of exiting."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; {self.prog} --help lists all options")


def make_parser(command: str, description: str) -> Parser:
    """The parser of one command."""
    raw = argparse.RawDescriptionHelpFormatter
    return Parser(prog=command, description=description, formatter_class=raw, allow_abbrev=False)


def add_shared(parser: Parser, *options: str) -> None:
    """Add options that several commands have."""
    for option in options:
        parser.add_argument(option, **_SHARED[option])


def run_command(run: Callable[[], int]) -> int:
    """Exit code of a command, which prints warnings in one line.

    So are errors about options, files, values and memory, with exit code 2.
    """
    traced = bool(os.environ.get("PYG_VIDEO_TRACEBACK"))
    with warnings.catch_warnings():
        if not traced:
            warnings.showwarning = print_warning
        try:
            return run()
        except (ValueError, OSError, ModuleNotFoundError, MemoryError, RuntimeError) as error:
            told = isinstance(error, (ValueError, OSError, ModuleNotFoundError))
            message = in_one_line(error) if told else _out_of_memory(error)
            if not message or traced:
                raise
            print(f"pyg-video: error: {message}", file=sys.stderr)
            return 2


def print_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Print a warning in one line, without the place in the code."""
    print(f"warning: {in_one_line(Warning(message))}", file=sys.stderr)


def _out_of_memory(error: BaseException) -> str:
    """The message of an error that says so; "" for others."""
    text = in_one_line(error)
    if not isinstance(error, MemoryError) and not re.search("can't allocate memory|out of memory", text):
        return ""
    wanted = "Expected enough memory for the model and a batch"
    return f"{wanted} (got none: {text or 'MemoryError'}); take smaller frames, fewer of them, or a smaller batch"


def in_one_line(error: BaseException) -> str:
    """The message of an error in one line, without the traceback that a worker of a data loader puts before it.

    It may quote a file: control characters are escaped, and the middle of a very long message is left out.
    """
    message = printable(" ".join(str(error).split()))
    message = re.sub(r"Caught (\w+) in DataLoader worker.*\1: ", "", message)
    half = _LONGEST // 2
    return message if len(message) <= _LONGEST else f"{message[:half]} ... {message[-half:]}"


def take_option(arguments: Sequence[str], *names: str) -> tuple[list[str], list[str]]:
    """The values of a repeatable option, and the arguments without it; raises ValueError where a value is missing.

    Example:
        >>> take_option(["fit", "--import", "my_nets", "--config=run.yaml", "--import=my_data"], "--import")
        (['my_nets', 'my_data'], ['fit', '--config=run.yaml'])
    """
    values, rest = [], []
    left = iter(arguments)
    for argument in left:
        name, equals, value = argument.partition("=")
        if name not in names:
            rest.append(argument)
            continue
        try:
            values.append(value if equals else next(left))
        except StopIteration:
            raise ValueError(f"{name}: expected one argument") from None
    return values, rest


def import_modules(names: Sequence[str]) -> None:
    """Import modules by name; raises what they raise. The working directory is searched last, from now on."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    for name in names:
        try:
            if not all(part.isidentifier() for part in name.split(".")):
                raise ModuleNotFoundError("no name of a module")
            import_module(name)
        except ModuleNotFoundError as error:
            raise ValueError(
                f"Expected '{IMPORT}' with the name of a module, such as my_models for my_models.py in the working "
                f"directory (got '{name}': {error})"
            ) from error
