"""Readers that do what a reader must not, for the tests of ``fuzz.py``; imports nothing heavy."""

import ctypes
import resource
import time
from typing import Any, NamedTuple


class Toy(NamedTuple):
    name: str
    read: Any

    def write(self, folder, chance):
        return folder / "a.txt"


def toys(kind, folder):
    return [Toy(read.__name__, read) for read in (wrong, hog, named, crash, unnamed, large, leave, hang, taken)]


def wrong(folder):
    raise TypeError("no list")


def hog(folder):
    return bytearray(b"a") * (150 * 2**20)


def named(folder):
    raise ValueError(f"Expected something else in '{folder}'")


def crash(folder):
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.string_at(0)


def unnamed(folder):
    raise ValueError("Expected something else")


def large(folder):
    return bytearray(8 * 2**30)


def leave(folder):
    raise SystemExit(0)


def hang(folder):
    time.sleep(60)


def taken(folder):
    return folder
