"""Frames of a video by number: the same frames as by decoding all in order, with as little decoding as possible."""

from __future__ import annotations

import warnings
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from ..._checks import check_option
from ..._extras import need
from .containers import opened, packets_of
from .errors import CannotSeekError, VideoFileError
from .picture import as_displayed
from .timetable import Timetable

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

ON_CORRUPT = ("raise", "warn", "skip")
_BEFORE_ALL = -(2**63)
_BACK = (0, 1, 4)  # key frames by which to seek further back where a seek lands too late


class Damage:
    """The damaged frames met while reading one file.

    Args:
        path: the file, for the message.
        on_corrupt: ``"raise"`` on the first; ``"warn"`` at the end, and show what the decoder made of them; or
            ``"skip"`` them: the frame before is shown instead.
    """

    def __init__(self, path: Path, on_corrupt: str) -> None:
        check_option("on_corrupt", on_corrupt, ON_CORRUPT)
        self.path, self.on_corrupt = path, on_corrupt
        self.numbers: set[int] = set()

    def met(self, number: int) -> None:
        """A frame did not decode, or not whole."""
        self.numbers.add(number)
        if self.on_corrupt == "raise":
            raise VideoFileError.of(
                self.path,
                f"a damaged file, at frame {number}",
                "fetch or copy it again, or go on with on_corrupt 'warn' or 'skip'",
            )

    def tell(self) -> None:
        """Warn if asked for."""
        if self.numbers and self.on_corrupt == "warn":
            first = min(self.numbers)
            warnings.warn(f"'{self.path}' has damaged frames ({len(self.numbers)} read, from {first} on)", stacklevel=4)


class Shown(NamedTuple):
    """What a decoder shows at a time.

    Attributes:
        time: presentation time; None where the file stores none.
        frame: the frame; None if it does not decode.
        whole: whether nothing of it is damaged.
    """

    time: int | None
    frame: VideoFrame | None
    whole: bool


def _time(frame: VideoFrame) -> int:
    return _BEFORE_ALL if frame.pts is None else frame.pts


class FrameReader:
    """Frames of one file by number.

    A frame is found by its time: the reader goes to the key frame before it, unless it is there already, and decodes
    on. That the seek led there is verified by the packet, and that decoding can begin there by the first frame;
    otherwise it goes to the key frame before, and at last to the start of the file. Where a frame is missing, the one
    before is shown, as on a screen.

    Args:
        path: the file.
        table: its timetable.
        damage: takes note of damaged frames.
        transform: applied to every picture as soon as it is decoded.
    """

    def __init__(
        self, path: Path, table: Timetable, damage: Damage, transform: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        self.path, self.table, self.damage, self.transform = path, table, damage, transform

    def read(self, wanted: Sequence[int], *, check_all: bool = False) -> list[Tensor]:
        """The frames of these numbers, in ascending order, as displayed; fewer where the video ends before.

        With ``check_all`` all frames are decoded, so that damage anywhere in the file is met.
        """
        if self.table.times and not check_all:
            try:
                return list(self._pictures(wanted, jump=True))
            except CannotSeekError:
                self.damage.numbers.clear()
        return list(self.each(wanted, check_all=check_all))

    def each(self, wanted: Iterable[int], *, check_all: bool = False) -> Iterator[Tensor]:
        """As :meth:`read`, one after the other and decoded in order, so that a long video takes no more memory."""
        return self._pictures(wanted, check_all=check_all)

    def _pictures(self, wanted: Iterable[int], *, jump: bool = False, check_all: bool = False) -> Iterator[Tensor]:
        from av.video.reformatter import VideoReformatter

        converter = VideoReformatter()
        with opened(self.path, self.table.stream) as (container, stream):
            shown = self._frames(self._shown(packets_of(container, stream)))
            if self.table.times:
                from_key = partial(self._from_key, container, stream) if jump else None
                frames = self._by_time(shown, wanted, from_key)
            else:
                frames = self._by_count(shown, wanted)
            shown_as = (as_displayed(frame, self.table.aspect, converter) for frame in frames)
            yield from shown_as if self.transform is None else map(self.transform, shown_as)
            if check_all:
                deque(shown, maxlen=0)

    def _by_count(self, shown: Iterator[VideoFrame], wanted: Iterable[int]) -> Iterator[VideoFrame]:
        before = -1
        for number in wanted:
            yield from islice(shown, number - before - 1, number - before)
            before = number

    def _by_time(
        self,
        shown: Iterator[VideoFrame],
        wanted: Iterable[int],
        from_key: Callable[[int], Iterator[VideoFrame]] | None,
    ) -> Iterator[VideoFrame]:
        keys = self.table.keys
        current: VideoFrame | None = None  # the last one shown up to the time
        coming: VideoFrame | None = None  # the first one after it, if it is decoded already
        for time in (self.table.times[number] for number in wanted):
            place = bisect_right(keys, time) - 1
            if from_key and place > 0 and (current is None or _time(current) < keys[place]):
                shown, current, coming = from_key(place), None, None
            if coming is not None and _time(coming) <= time:
                current, coming = coming, None
            while coming is None and (current is None or _time(current) < time):
                frame = next(shown, None)
                if frame is None:
                    break
                current, coming = (frame, None) if _time(frame) <= time else (current, frame)
            if (best := current or coming) is None:
                return
            yield best

    def _from_key(self, container: InputContainer, stream: VideoStream, place: int) -> Iterator[VideoFrame]:
        """Frames from a key frame on, or from one before if decoding cannot begin there."""
        for key in range(place, -1, -1):
            time = self.table.keys[key]
            shown = self._shown(self._seek(container, stream, key))
            first = next((one for one in shown if one.time is not None and one.time >= time), None)
            if first is None or first.frame is None or first.time != time or not first.frame.key_frame:
                continue
            later = (one for one in shown if one.time is None or one.time >= time)
            return self._frames(chain([first], later))
        raise CannotSeekError

    def _seek(self, container: InputContainer, stream: VideoStream, key: int) -> Iterator[Packet[VideoStream]]:
        """Packets from a key frame on."""
        time = self.table.keys[key]
        for back in _BACK:
            try:
                container.seek(self.table.seeks[max(0, key - back)], stream=stream)
            except need("av", "video").FFmpegError:
                break
            packets = packets_of(container, stream)
            for packet in packets:
                if packet.is_keyframe and packet.pts is not None and packet.pts >= time:
                    if packet.pts == time:
                        return chain([packet], packets)
                    break  # landed after it
        raise CannotSeekError

    def _shown(self, packets: Iterable[Packet[VideoStream]]) -> Iterator[Shown]:
        """All that a decoder shows; raises a :class:`VideoFileError` where the size of the frames changes."""
        failed = need("av", "video").FFmpegError
        corrupt = set[int | None]()
        for packet in packets:
            if packet.pts is None:
                corrupt.clear()
            if packet.is_corrupt:
                corrupt.add(packet.pts)
            try:
                frames = packet.decode()
            except failed:
                yield Shown(packet.pts, None, False)
                continue
            for frame in frames:
                whole = not (frame.is_corrupt or frame.pts in corrupt)
                if (frame.width, frame.height) != self.table.coded_size:
                    raise VideoFileError.of(self.path, "frames of several sizes", "convert it with ffmpeg")
                yield Shown(frame.pts, frame, whole)

    def _frames(self, shown: Iterable[Shown]) -> Iterator[VideoFrame]:
        """The frames; in place of a damaged one that is to be skipped, the one before."""
        last, count = None, 0
        for one in shown:
            if not one.whole:
                self.damage.met(self._number(one, count))
            if one.frame is not None:
                if one.whole or last is None or self.damage.on_corrupt != "skip":
                    last = one.frame
                yield last
                count += 1

    def _number(self, shown: Shown, count: int) -> int:
        """Number of the frame shown at a time, or where the file stores none after so many others."""
        times = self.table.times
        if not times:
            return count
        return len(times) - 1 if shown.time is None else min(bisect_left(times, shown.time), len(times) - 1)
