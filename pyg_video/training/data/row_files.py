"""A large array on disk and what is known of it, with checksums."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import torch
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

from ..._checks import naming
from ..._files import whole_file
from ...checkpoints.weights import checksum

_REPAIR = "remove it to have it made again"
_KIND, _ROWS, _ALL = "kind", "crc32", "sha256"  # entries of 'about' beside those of the writer


class RowFiles(NamedTuple):
    """A large array, written row by row and mapped into memory, and small arrays about it.

    Attributes:
        rows: file of the large array, ``.npy``.
        about: file of the small arrays, ``.npz``, with a checksum of every row and one of all that it holds.
        what: what the rows are, in words.
    """

    rows: Path
    about: Path
    what: str

    def complete(self) -> bool:
        """Whether the files exist; they are written atomically, the rows last."""
        return self.rows.is_file() and self.about.is_file()

    @contextmanager
    def written(self, shape: Sequence[int], dtype: DTypeLike) -> Iterator[RowWriter]:
        """Write both files: neither of them if the block ends with an error.

        Args:
            shape: of the large array, whatever the shapes of its rows.
            dtype: of its values.
        """
        kind = np.dtype(dtype)
        # Not through a memory map: where the disk is full, that kills the process.
        with whole_file(self.rows) as draft, draft.open("wb") as file:
            header = {"descr": npy.dtype_to_descr(kind), "fortran_order": False, "shape": tuple(shape)}
            npy.write_array_header_1_0(file, header)
            writer = RowWriter(file, kind)
            yield writer
            about: dict[str, Any] = {**writer.about, _KIND: _kind(kind, shape)}
            about[_ROWS] = np.array(writer.crc32, dtype=np.uint32)
            about[_ALL] = self._checksum(about)
            with whole_file(self.about) as draft_of_about, draft_of_about.open("wb") as file_of_about:
                np.savez(file_of_about, **about)

    def opened(self) -> Rows:
        """The array, mapped into memory, with what is known of it.

        Raises:
            ValueError: a file is damaged, or belongs to another one.
        """
        with naming(self.rows, self.what, _REPAIR):
            array = np.load(self.rows, mmap_mode="r")
        with naming(self.about, f"what is known of {self.what}", _REPAIR):
            with self.about.open("rb") as file, np.load(file) as arrays:
                about = dict(arrays)
            expected = about.pop(_ALL)
            same = np.array_equal(about[_KIND], _kind(array.dtype, array.shape))
            if not same or not np.array_equal(expected, self._checksum(about)):
                raise ValueError("one that has changed, or of others")
        return Rows(array, about, self)

    def _checksum(self, about: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """Of all small arrays, and of the name, so that files which change places are noticed."""
        known = {f"{name} {array.dtype} {array.shape}": np.ascontiguousarray(array) for name, array in about.items()}
        known["name of the rows"] = _text(self.rows.name)
        return _text(checksum({name: torch.from_numpy(array) for name, array in known.items()}))


class RowWriter:
    """Writes the rows of an array in order; ``about`` takes the small arrays."""

    def __init__(self, file: IO[bytes], dtype: np.dtype[Any]) -> None:
        self.file, self.dtype = file, dtype
        self.about: dict[str, NDArray[Any]] = {}
        self.crc32: list[int] = []

    def add(self, rows: NDArray[Any]) -> None:
        """Write the next rows, along the first dimension."""
        rows = np.ascontiguousarray(rows, dtype=self.dtype)
        self.crc32 += _crc32(rows)
        self.file.write(rows.data)


class Rows(NamedTuple):
    """The large array of :class:`RowFiles`, and the small ones by name."""

    array: NDArray[Any]
    about: dict[str, NDArray[Any]]
    files: RowFiles

    def check(self, rows: NDArray[Any], numbers: Sequence[int] | NDArray[Any]) -> None:
        """Raise a :exc:`ValueError` unless rows that were read are those of these numbers as they were written."""
        if not np.array_equal(self.about[_ROWS][numbers], _crc32(rows)):
            files = self.files
            raise ValueError(f"Expected {files.what} in '{files.rows}' (got some that have changed); {_REPAIR}")


def _crc32(rows: Iterable[NDArray[Any]]) -> list[int]:
    return [zlib.crc32(np.ascontiguousarray(row).data) for row in rows]


def _kind(dtype: np.dtype[Any], shape: Sequence[int]) -> NDArray[Any]:
    return _text(json.dumps([dtype.str, list(shape)]))


def _text(text: str) -> NDArray[Any]:
    return np.frombuffer(bytearray(text.encode()), dtype=np.uint8)  # of a bytearray, so that torch may write to it
