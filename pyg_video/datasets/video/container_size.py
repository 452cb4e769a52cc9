"""Declared size of a video file, to detect truncated downloads."""

from __future__ import annotations

from typing import BinaryIO

from .shards import Location

_EBML = bytes.fromhex("1a45dfa3")
_SEGMENT = bytes.fromhex("18538067")
_BOXES = frozenset(  # of the top level
    b"ftyp moov mdat moof mfra free skip wide pnot PICT uuid meta udta sidx ssix styp pdin emsg prft idat junk".split()
)
_FLV_TAGS = b"\x08\x09\x12"  # audio, video, data
_TS_PACKET = 188


def declared_size(location: Location) -> int | None:
    r"""Size in bytes that a video file declares; None if it declares none.

    Many truncated files open and play up to the cut without an error. Matroska files declare the length of their single
    segment; MP4 files are a chain of boxes with one length each, AVI files of RIFF chunks, FLV files of tags; GIF files
    have an end, and MPEG-TS files consist of packets of 188 bytes. Whatever follows is not part of the video.

    Example:
        >>> from pyg_video.datasets.video.shards import locate
        >>> path = getfixture("tmp_path") / "cut.mp4"
        >>> _ = path.write_bytes(b"\x00\x00\x00\x10ftypisom....\x00\x00\x01\x00mdat half of it")
        >>> location = locate(path)
        >>> location.size, declared_size(location)
        (35, 272)
    """
    end = location.size
    with location.open() as file:
        start = file.read(2 * _TS_PACKET)
        file.seek(0)
        if start[:4] == _EBML:
            return _matroska_size(file)
        if start[4:8] == b"ftyp":
            return _mp4_size(file, end)
        if start[:4] == b"RIFF":
            return _riff_size(file, end)
        if start[:3] == b"FLV":
            return _flv_size(file, end)
        if start[:6] in (b"GIF87a", b"GIF89a"):
            return _gif_size(file, end)
        if start[:1] == start[_TS_PACKET : _TS_PACKET + 1] == b"G":
            return _ts_size(file, end)
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
        if file.read(4) not in _BOXES:  # what follows the last box
            break
        if length == 1:  # too long for 32 bits
            length = int.from_bytes(file.read(8), "big")
        if length < 8:  # 0: up to the end of the file; else no box
            return None
        position += length
    return position


def _riff_size(file: BinaryIO, end: int) -> int | None:
    position = 0
    while position + 8 <= end:
        file.seek(position)
        if file.read(4) != b"RIFF":
            break
        length = int.from_bytes(file.read(4), "little")
        if length in (0, 0xFFFFFFFF):  # written as a stream
            return None
        position += 8 + length
    return position


def _flv_size(file: BinaryIO, end: int) -> int:
    file.seek(max(0, end - 4))
    last = int.from_bytes(file.read(4), "big")  # the size of the tag before
    if last and last + 4 <= end and _flv_tag(file, end - 4 - last) == last:
        return end
    file.seek(5)
    position = int.from_bytes(file.read(4), "big") + 4
    while position < end and (length := _flv_tag(file, position)) is not None:
        position += length + 4
    return position


def _flv_tag(file: BinaryIO, position: int) -> int | None:
    """Length of a tag; None where there is none."""
    file.seek(position)
    head = file.read(4)
    return 11 + int.from_bytes(head[1:], "big") if head[:1] and head[0] in _FLV_TAGS else None


def _gif_size(file: BinaryIO, end: int) -> int | None:
    file.seek(10)
    _skip_colours(file, 2)  # background and aspect lie between
    while file.tell() < end:
        block = file.read(1)
        if block == b";":  # the end
            return file.tell()
        if block == b",":  # an image
            file.seek(8, 1)
            _skip_colours(file, 0)
        elif block != b"!":  # an extension
            return None
        file.seek(1, 1)
        while file.tell() < end and (length := file.read(1)[0]):
            file.seek(length, 1)
    return max(end + 1, file.tell())


def _skip_colours(file: BinaryIO, between: int) -> None:
    flags = (file.read(1) or b"\0")[0]
    file.seek(between + (3 << (flags & 7) + 1 if flags & 0x80 else 0), 1)


def _ts_size(file: BinaryIO, end: int) -> int:
    whole = end - end % _TS_PACKET
    file.seek(whole)
    return whole + _TS_PACKET if file.read(1) == b"G" else whole
