"""Where the bytes of a video lie: a file, or a part of a shard, a tar file that is read as if it were a folder."""

from __future__ import annotations

import io
import os
import tarfile
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from .errors import VideoFileError

SHARD = ".tar"


class Location(NamedTuple):
    """The bytes of a video.

    Attributes:
        file: the file on the disk that they are in.
        start: where they begin in it.
        size: their number.
        modified: when the file was changed, in nanoseconds.
    """

    file: Path
    start: int
    size: int
    modified: int

    def url(self) -> tuple[str, str]:
        """What ffmpeg opens, and the protocols that it needs; with "file:", a name may have a colon."""
        if not self.start:  # in a shard, a header comes before
            return f"file:{self.file}", "file"
        return f"subfile,,start,{self.start},end,{self.start + self.size},,:file:{self.file}", "subfile,file"

    def open(self) -> BinaryIO:
        """The bytes as a file."""
        if not self.start:
            return self.file.open("rb")
        return io.BufferedReader(_Part(self.file, self.start, self.size))


def locate(path: str | os.PathLike[str]) -> Location | None:
    """Find a video: a file, or the member ``NAME`` of a shard under the path ``SHARD.tar/NAME``; None if there is none.

    Members are read where they lie, nothing is unpacked. A shard is listed once for each of its states.

    Raises:
        VideoFileError: the shard is damaged, or compressed.
    """
    path = Path(path)
    if os.path.isfile(path):  # unlike Path.is_file, also of names that no file system takes
        stat = path.stat()
        return Location(path, 0, stat.st_size, stat.st_mtime_ns)
    shard = next((folder for folder in path.parents if folder.suffix == SHARD and os.path.isfile(folder)), None)
    if shard is None:
        return None
    return _listed(shard).get(path.relative_to(shard).as_posix())


def found(path: str | os.PathLike[str]) -> Location:
    """As :func:`locate`, but raises a :class:`VideoFileError` if there is no such video."""
    location = locate(path)
    if location is None:
        raise VideoFileError.of(path, "no file")
    return location


def names_in(shard: Path) -> list[str]:
    """Names of the files in a shard, sorted."""
    return sorted(_listed(shard))


def _listed(shard: Path) -> dict[str, Location]:
    stat = shard.stat()
    return _members(shard, stat.st_size, stat.st_mtime_ns)


class _Part(io.RawIOBase):
    """A part of a file, as a file to read."""

    def __init__(self, path: Path, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = path.open("rb", buffering=0), start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._start + self._at)
        data = self._file.read(max(0, min(len(buffer), self._size - self._at)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


@lru_cache(maxsize=256)
def _members(shard: Path, _size: int, modified: int) -> dict[str, Location]:
    """The files in one state of a shard, by name; links lead nowhere, and names lead to nothing beside it."""
    try:
        with tarfile.open(shard, "r:") as archive:
            members = {os.path.normpath(info.name): info for info in archive if info.isreg() and not info.issparse()}
    except tarfile.TarError as error:
        repair = "write it again, uncompressed: tar -cf SHARD.tar -C FOLDER ."
        raise VideoFileError.of(shard, f"no whole tar file: {error}", repair) from error
    return {
        name: Location(shard, info.offset_data, info.size, modified)
        for name, info in members.items()
        if not name.startswith(("..", "/"))
    }
