"""The sound of a video file, packet by packet and not decoded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .containers import open_container
from .errors import errors_of

if TYPE_CHECKING:
    from av import Packet
    from av.audio.stream import AudioStream
    from av.container import InputContainer


class Sound(NamedTuple):
    """The sound of a video.

    Attributes:
        stream: the stream in the file.
        packets: its packets in their order, with the times of the file.
    """

    stream: AudioStream
    packets: Iterator[Packet[AudioStream]]


@contextmanager
def opened_sound(path: str | os.PathLike[str]) -> Iterator[Sound | None]:
    """The sound that a player takes by default; None for a video without sound.

    Raises:
        VideoFileError: the file cannot be read.
    """
    with errors_of(path):
        container = open_container(Path(path), guess=True)  # times of the packets as well
    with container:
        best = container.streams.best("audio")
        stream = next((known for known in container.streams.audio if known is best), None)
        yield None if stream is None else Sound(stream, _packets(path, container, stream))


def _packets(
    path: str | os.PathLike[str], container: InputContainer, stream: AudioStream
) -> Iterator[Packet[AudioStream]]:
    with errors_of(path):
        yield from (packet for packet in container.demux(stream) if packet.size)
