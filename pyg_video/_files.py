"""Files that are written whole or not at all: the one way in which this package writes."""

import csv
import io
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write ``path`` atomically: the path of a draft, which replaces it when the block ends without an error.

    Missing folders are made. Of several processes that write the same file, the last one wins.

    Example:
        >>> path = getfixture("tmp_path") / "runs" / "note.txt"
        >>> with whole_file(path) as draft:
        ...     written = draft.write_text("done")
        >>> path.read_text(), [file.name for file in path.parent.iterdir()]
        ('done', ['note.txt'])
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield draft
        with draft.open("r+b") as file:
            os.fsync(file.fileno())  # on the disk before it has the name, in case the machine stops
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def write_whole(path: str | os.PathLike[str], content: bytes | str) -> Path:
    """Write a file as :func:`whole_file` does, text in UTF-8 with its own line ends; returns the path."""
    with whole_file(path) as draft:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)
    return Path(path)


def check_disk(folder: str | os.PathLike[str], needed: int, what: str, repair: str) -> None:
    """Raise an :exc:`OSError` unless the disk of a folder, which is made, has room for ``needed`` bytes.

    Args:
        folder: where they are to be written.
        needed: number of bytes.
        what: what they are, for the message.
        repair: what to do.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    if needed > (free := shutil.disk_usage(folder).free):
        raise OSError(
            f"Expected {needed / 1e9:.1f} GB of disk for {what} in '{os.fspath(folder)}' (got {free / 1e9:.1f} GB "
            f"free); {repair}"
        )


def write_table(path: str | os.PathLike[str], rows: Iterable[Iterable[object]]) -> Path:
    """Write rows as CSV as :func:`whole_file` does; returns the path."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return write_whole(path, text.getvalue())
