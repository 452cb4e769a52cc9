"""Open a video file: which formats are read, which stream is the video, and which times its packets have."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..._extras import need
from .container_size import declared_size
from .errors import VideoFileError, errors_of
from .limits import check_pixels, max_frame_pixels
from .picture import aspect_of, square_width
from .shards import found

if TYPE_CHECKING:
    from av import Packet
    from av.container import InputContainer
    from av.video.stream import VideoStream

# By ffmpeg's names. Not here: playlists and lists of files, which open other files; pictures; text; devices.
FORMATS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,gif,ogg,nut,mxf,h264,hevc,m4v,av1,obu,ivf,rm,dv,dirac,vc1,"
    "wtv,dhav,roq,swf"
)


def check_present(path: str | os.PathLike[str]) -> Path:
    """Raise a :class:`VideoFileError` if a file is missing, empty or shorter than it declares."""
    path = Path(path)
    location = found(path)
    if not location.size:
        raise VideoFileError.of(path, "an empty file")
    declared = declared_size(location)
    if declared is not None and declared > location.size:
        raise VideoFileError.of(path, f"a truncated file, {location.size} of at least {declared} bytes")
    return path


@contextmanager
def opened(
    path: str | os.PathLike[str], number: int | None = None, *, guess: bool = False
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Container and video stream of a file; all errors are raised as :class:`VideoFileError`.

    Args:
        path: the file.
        number: of the stream, if it is known, which saves the look for it.
        guess: let ffmpeg make up times where the file stores none; these depend on where reading began.
    """
    with errors_of(path), ExitStack() as stack:
        path = check_present(path) if number is None else Path(path)
        container = stack.enter_context(open_container(path, guess=guess, quick=number is not None))
        stream = next((known for known in container.streams.video if known.index == number), None)
        if stream is None and number is not None:  # it comes later than a quick look goes
            container = stack.enter_context(open_container(path, guess=guess))
        stream = stream or video_stream(path, container)
        stream.codec_context.thread_count = 1  # data loader workers run in parallel already
        stream.codec_context.options = {"max_pixels": str(max_frame_pixels())}
        if number is None:
            check_pixels(path, stream.height, square_width(stream.width, aspect_of(stream)))
        yield container, stream


def open_container(path: Path, *, guess: bool, quick: bool = False) -> InputContainer:
    """Open the file itself, and nothing but it; raises what ffmpeg raises."""
    av = need("av", "video")
    url, protocols = found(path).url()
    options = {"format_whitelist": FORMATS, "protocol_whitelist": protocols}
    options |= ({} if guess else {"fflags": "nofillin"}) | ({"analyzeduration": "1"} if quick else {})
    try:
        return av.open(url, container_options=options, metadata_errors="replace")
    except av.FFmpegError as error:
        if error.errno != errno.EINVAL:
            raise
        problem = "no video, but sound, a picture, a playlist, text or an unknown format"
        raise VideoFileError.of(path, problem) from error


def packets_of(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """Packets in the order of the file with the times stored there, an empty one at the end; hidden frames as well.

    A packet with a decoding time only is shown at that time, unless frames may be reordered.
    """
    reordered = stream.codec_context.codec.reorder
    for packet in container.demux(stream):
        if packet.pts is None and not reordered:
            packet.pts = packet.dts
        yield packet


def is_shown(packet: Packet[VideoStream], codec: str) -> bool:
    """Whether a packet holds a frame to be shown: not one that an edit list leaves out or that others only refer to."""
    return packet.size > 0 and not packet.is_discard and not (codec == "vp8" and not memoryview(packet)[0] & 0x10)


def video_stream(path: str | os.PathLike[str], container: InputContainer) -> VideoStream:
    """The stream to play: no cover picture, and of several the one that ffmpeg takes."""
    from av.stream import Disposition

    still = Disposition.attached_pic | Disposition.timed_thumbnails
    streams = [stream for stream in container.streams.video if not stream.disposition & still]
    if not streams:
        raise VideoFileError.of(path, "a file without video")
    known = [stream for stream in streams if stream.codec_context is not None]
    if not known:
        raise VideoFileError.of(path, "a video of a codec that is not known")
    best = container.streams.best("video")
    return next((stream for stream in known if best is not None and stream.index == best.index), known[0])
