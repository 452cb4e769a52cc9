"""Files that are written whole or not at all: the one way in which this package writes."""

import csv
import io
import os
import platform
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ._text import printable


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write ``path`` atomically: the path of a draft, which replaces it when the block ends without an error.

    Missing folders are made. Of several processes that write the same file, the last one wins. The drafts that killed
    processes of this machine left of the file are removed. An :exc:`OSError`, such as of a full disk, names the file.

    Example:
        >>> path = getfixture("tmp_path") / "runs" / "note.txt"
        >>> with whole_file(path) as draft:
        ...     written = draft.write_text("done")
        >>> path.read_text(), [file.name for file in path.parent.iterdir()]
        ('done', ['note.txt'])
    """
    path = Path(path)
    make_folder(path.parent)
    machine = f".{path.name}.{platform.node()}-"
    _remove_left_over(path.parent, machine)
    draft = path.with_name(f"{machine}{os.getpid()}.part")
    try:
        yield draft
        _to_disk(draft)  # before it has the name, in case the machine stops
        os.replace(draft, path)
        if os.name == "posix":
            with suppress(OSError):  # not every file system can
                _to_disk(path.parent)  # the name as well
    except OSError as error:
        if error.errno is not None and error.filename is None:  # a full disk does not tell
            error.filename = os.fspath(path)
        raise
    finally:
        draft.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_left_over(folder: Path, start: str) -> None:
    """Remove drafts whose process no longer runs."""
    if os.name != "posix":  # where asking for a process would end it
        return
    for draft in folder.iterdir():
        process = draft.name.removeprefix(start).removesuffix(".part")
        if draft.name == f"{start}{process}.part" and process.isdecimal() and not _runs(int(process)):
            draft.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it is another user's
        return True
    return True


def write_whole(path: str | os.PathLike[str], content: bytes | str) -> Path:
    """Write a file as :func:`whole_file` does, text in UTF-8 with its own line ends; returns the path."""
    with whole_file(path) as draft:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)
    return Path(path)


def make_folder(folder: str | os.PathLike[str]) -> None:
    """Make a folder and those above it, unless it is there.

    Raises:
        NotADirectoryError: the path or a part of it is a file.
    """
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        file = next(part for part in (path, *path.parents) if part.exists() or part.is_symlink())
        raise NotADirectoryError(
            f"Expected '{path}' to be a folder, or not to be there (got '{file}', which is none); choose another folder"
        ) from error


def check_disk(folder: str | os.PathLike[str], needed: int, what: str, repair: str) -> None:
    """Raise an :exc:`OSError` unless the disk of a folder, which is made, has room for ``needed`` bytes.

    Args:
        folder: where they are to be written.
        needed: number of bytes.
        what: what they are, for the message.
        repair: what to do.
    """
    make_folder(folder)
    if needed > (free := shutil.disk_usage(folder).free):
        raise OSError(
            f"Expected {needed / 1e9:.1f} GB of disk for {what} in '{os.fspath(folder)}' (got {free / 1e9:.1f} GB "
            f"free); {repair}"
        )


def write_table(path: str | os.PathLike[str], rows: Iterable[Iterable[object]]) -> Path:
    """Write rows as CSV as :func:`whole_file` does; returns the path.

    Control characters are escaped, and text that a spreadsheet would compute gets an apostrophe in front.
    """
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(map(as_cell, row) for row in rows)
    return write_whole(path, text.getvalue())


def as_cell(value: object) -> object:
    """A value for a table: text without control characters, and with an apostrophe before a formula."""
    if not isinstance(value, (str, os.PathLike)):
        return value
    text = printable(os.fspath(value))
    try:
        float(text)
    except ValueError:
        return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text
    return text  # a number, such as -1.5
