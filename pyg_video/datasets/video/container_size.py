"""Declared size of a video file, to detect truncated downloads."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

_EBML = bytes.fromhex("1a45dfa3")
_SEGMENT = bytes.fromhex("18538067")


def declared_size(path: Path) -> int | None:
    r"""Size in bytes that a ``.webm``, ``.mkv``, ``.mp4`` or ``.mov`` file declares; None if it declares none.

    A truncated ``.webm`` opens and plays up to the cut without an error. Matroska files declare the length of their
    single segment; MP4 files are a chain of boxes with one length each.

    Example:
        >>> path = getfixture("tmp_path") / "cut.mp4"
        >>> _ = path.write_bytes(b"\x00\x00\x00\x10ftypisom....\x00\x00\x01\x00mdat half of it")
        >>> path.stat().st_size, declared_size(path)
        (35, 272)
    """
    with path.open("rb") as file:
        start = file.read(8)
        file.seek(0)
        if start[:4] == _EBML:
            return _matroska_size(file)
        if start[4:] == b"ftyp":
            return _mp4_size(file, path.stat().st_size)
    return None


def _matroska_size(file: BinaryIO) -> int | None:
    for element in (_EBML, _SEGMENT):  # header and segment
        if file.read(4) != element or (length := _variable_integer(file)) is None:
            return None
        file.seek(length, 1)
    return file.tell()


def _variable_integer(file: BinaryIO) -> int | None:
    """EBML's integer: as many leading zero bits as bytes follow; None for "unknown", which is all ones, or the end."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    value = int.from_bytes(first + file.read(more), "big") & ((1 << 7 * (more + 1)) - 1)
    return None if value == (1 << 7 * (more + 1)) - 1 else value


def _mp4_size(file: BinaryIO, end: int) -> int | None:
    position = 0
    while position + 8 <= end:
        file.seek(position)
        length = int.from_bytes(file.read(4), "big")
        if length == 1:  # too long for 32 bits
            file.seek(position + 8)
            length = int.from_bytes(file.read(8), "big")
        if length < 8:  # 0: up to the end of the file; else no box
            return None
        position += length
    return position
