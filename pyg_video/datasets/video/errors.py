"""The error of one video file, whatever its reason."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ..._checks import first_line
from ..._text import printable

_REPAIR = "fetch or copy it again; for a whole data set, pyg-video prepare lists all such files"


class VideoFileError(ValueError):
    """A video, or a folder of frames, that is missing, empty, truncated, damaged, too large or of no known format.

    Attributes:
        problem: description without the path.
    """

    problem = ""

    @classmethod
    def of(cls, path: str | os.PathLike[str], problem: str, repair: str = _REPAIR) -> VideoFileError:
        """The error for one file."""
        error = cls(f"Expected a whole video in '{os.fspath(path)}' (got {problem}); {repair}")
        error.problem = problem
        return error


class CannotSeekError(Exception):
    """Seeking does not lead to the key frames of a file; it is to be decoded in order."""


class UnreadableError(ValueError):
    """What is wrong with a file, and the repair, raised where its path is not known; for :func:`errors_of`."""


@contextmanager
def errors_of(path: str | os.PathLike[str]) -> Iterator[None]:
    """Raise whatever reading a file raises as a :class:`VideoFileError` of this file.

    Decoders raise errors of many kinds on files that are not as they should be: of ffmpeg, values, text or memory.
    """
    try:
        yield
    except (VideoFileError, CannotSeekError, ModuleNotFoundError):
        raise
    except UnreadableError as error:
        raise VideoFileError.of(path, *error.args) from error
    except Exception as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        raise VideoFileError.of(path, f"an undecodable file: {reason}") from error


def report_skipped(skipped: Mapping[str, str], total: int, on_error: str, repair: str) -> None:
    """Raise, or with ``on_error="skip"`` warn, about videos that a data set leaves out, unless that is all of them.

    Args:
        skipped: the problem of each of them, by id.
        total: number of videos of the data set, with them.
        on_error: ``"raise"`` or ``"skip"``.
        repair: what to do about them.

    Raises:
        VideoFileError: there are some.
    """
    some = ", ".join(f"{printable(name)}: {problem}" for name, problem in list(skipped.items())[:3])
    found = f"{len(skipped)} of {total} videos missing or damaged, as {some}"
    if on_error == "raise" or len(skipped) == total:
        raise VideoFileError(
            f"Expected all videos of the list (got {found}); {repair}, or leave them out with on_error='skip'"
        )
    warnings.warn(f"{found}, are left out", stacklevel=4)
