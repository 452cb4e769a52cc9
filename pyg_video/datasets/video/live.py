"""Frames of a camera or of a network stream, as they come."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from torch import Tensor

from ..._extras import need
from .containers import FORMATS, video_stream
from .errors import VideoFileError
from .limits import max_frame_pixels
from .picture import as_displayed, aspect_of

if TYPE_CHECKING:
    from av.container import InputContainer

Timed = tuple[float, Callable[[], Tensor]]
"""When a source shows a frame, in seconds from its first one on, and a function that gives the frame."""

# No files, nor what stands for them: a playlist from elsewhere must not open what is on this machine.
_PROTOCOLS = "http,https,tcp,tls,udp,rtp,rtsp,rtmp,rtmps,srtp,crypto,httpproxy"
_FORMATS = f"{FORMATS},rtsp,rtp,sdp,hls,mpjpeg,mjpeg"
_CAMERAS = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}")}  # by sys.platform
_TIMEOUT = 10.0  # seconds to open a source, and to wait for its next bytes
_LONGEST = 2.0  # seconds to wait for the time of a frame, however late the source says it is
_LOOK = 0.2  # seconds between looks whether the user has stopped
_CHECK = "check that it is there and sends video"


def is_live(source: str) -> bool:
    """Whether a name is that of a camera, by its number, or an address on the network."""
    return "://" in source or source.isdecimal()


def shown_name(source: str) -> str:
    """The name of a source for people, without a user, a password or other parameters.

    Example:
        >>> shown_name("rtsp://me:secret@camera.local/live")
        'rtsp://camera.local/live'
        >>> shown_name("rtsp://10.0.0.5/user=admin&password=secret")
        'rtsp://10.0.0.5/user'
    """
    return re.split(r"[?&=;#]", re.sub(r"//[^/]*@", "//", source))[0]


def source_frames(source: str) -> Iterator[Timed]:
    """The frames of a camera or an address, from its start or from now on; damaged ones are left out.

    Raises:
        VideoFileError: it cannot be opened or is lost.
    """
    failed = need("av", "video").FFmpegError
    from av.video.reformatter import VideoReformatter

    try:
        with _opened(source) as container:
            stream = video_stream(shown_name(source), container)
            stream.codec_context.thread_count = 1
            stream.codec_context.options = {"max_pixels": str(max_frame_pixels())}
            show = partial(as_displayed, aspect=aspect_of(stream), converter=VideoReformatter())
            first, step, count = None, 1 / float(stream.average_rate or 25), 0
            for packet in container.demux(stream):
                try:
                    frames = packet.decode()
                except failed:
                    continue
                for frame in frames:
                    shown = count * step if frame.time is None else frame.time
                    first = shown if first is None else first
                    count += 1
                    yield shown - first, partial(show, frame)
    except failed as error:
        reason = error.strerror or type(error).__name__
        raise VideoFileError.of(shown_name(source), reason, _CHECK) from None  # whose text has the address


class LiveVideo:
    """Iterates over the frames of a source as they come: pairs of seconds since the first one, and the frame.

    A thread reads the source, not faster than its frames are to be shown. The latest frames wait in a queue; where
    nobody takes them in time, the oldest are dropped. A source that is lost is opened again.

    Args:
        name: of the source, for messages.
        frames: opens the source; by default the camera or address of that name.
        capacity: frames that wait at most.
        attempts: to open the source again, until a frame comes.
        wait: seconds before each.
        tell: takes messages.

    Attributes:
        dropped: number of frames that were dropped.

    Raises:
        VideoFileError: while iterating, after all attempts.

    Example:
        >>> import torch
        >>> with LiveVideo("test", lambda: iter([(0.02 * k, lambda: torch.zeros(3, 8, 8)) for k in range(3)])) as live:
        ...     [frame.shape for _, frame in live]
        [torch.Size([3, 8, 8]), torch.Size([3, 8, 8]), torch.Size([3, 8, 8])]
    """

    def __init__(
        self,
        name: str,
        frames: Callable[[], Iterator[Timed]] | None = None,
        *,
        capacity: int = 8,
        attempts: int = 3,
        wait: float = 1.0,
        tell: Callable[[str], None] = print,
    ) -> None:
        self.name, self.dropped = shown_name(name), 0
        self._open = frames or partial(source_frames, name)
        self._attempts, self._wait, self._tell = attempts, wait, tell
        self._waiting = deque[Timed](maxlen=capacity)
        self._changed, self._stop = threading.Condition(), threading.Event()
        self._start: float | None = None
        self._ended = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> LiveVideo:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(2 * _TIMEOUT)

    def __iter__(self) -> Iterator[tuple[float, Tensor]]:
        while True:
            with self._changed:
                while not self._waiting and not self._ended:
                    self._changed.wait(_LOOK)
                if not self._waiting:
                    break
                moment, show = self._waiting.popleft()
            yield moment, show()
        if self._error is not None:
            raise self._error

    def _read(self) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                began: float | None = None
                for shown, show in self._open():
                    began = time.monotonic() - shown if began is None else began
                    ahead = began + shown - time.monotonic()
                    if self._stop.wait(min(max(0.0, ahead), _LONGEST)):
                        break
                    if ahead > _LONGEST:  # the clock of the source was set
                        began = time.monotonic() - shown
                    self._put(show)
                    failures = 0
                break
            except VideoFileError as error:
                failures += 1
                if failures > self._attempts:
                    self._error = error
                    break
                self._tell(f"{self.name}: {error.problem}; opening it again, attempt {failures} of {self._attempts}")
                self._stop.wait(self._wait)
            except Exception as error:  # for who takes the frames
                self._error = error
                break
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _put(self, show: Callable[[], Tensor]) -> None:
        with self._changed:
            now = time.monotonic()
            self._start = now if self._start is None else self._start
            self.dropped += len(self._waiting) == self._waiting.maxlen  # which drops the oldest
            self._waiting.append((now - self._start, show))
            self._changed.notify()


def _opened(source: str) -> InputContainer:
    av = need("av", "video")
    if not source.isdecimal():
        allowed = {"protocol_whitelist": _PROTOCOLS, "format_whitelist": _FORMATS}
        return av.open(source, container_options=allowed, metadata_errors="replace", timeout=_TIMEOUT)
    if sys.platform not in _CAMERAS:
        known = ", ".join(_CAMERAS)
        raise VideoFileError.of(source, f"a camera on {sys.platform}, where {known} are known", "give its address")
    kind, name = _CAMERAS[sys.platform]
    return av.open(name.format(source), format=kind, timeout=_TIMEOUT)
