"""Random access gives the frames of decoding in order, in every container and codec."""

import random
from itertools import product

import pytest
import torch
from av.video.reformatter import VideoReformatter

from pyg_video.datasets import VideoFileError, decode_frames, probe_video
from pyg_video.datasets.video.files import examine_video
from pyg_video.datasets.video.picture import as_displayed
from pyg_video.datasets.video.reading import Damage, FrameReader
from pyg_video.datasets.video.timetable import timetable

from .conftest import CODECS, read_numbers, remux, write_numbered

CONTAINERS = ("mp4", "mov", "mkv", "webm", "avi", "ts", "mpg", "flv", "gif")
NOT_STORED = {  # which codecs a container does not take, or stores without a sign of what they are
    "mp4": ("vp8", "gif"),
    "mov": ("vp8", "vp9", "av1", "ffv1"),
    "mkv": ("gif",),
    "webm": ("h264", "hevc", "mpeg4", "mpeg2", "mjpeg", "ffv1", "gif"),
    "avi": ("hevc", "gif"),
    "ts": ("vp8", "vp9", "av1", "mjpeg", "ffv1", "gif"),
    "mpg": ("vp8", "vp9", "av1", "mjpeg", "ffv1", "gif"),
    "flv": ("mpeg4", "mpeg2", "vp8", "mjpeg", "ffv1", "gif"),
    "gif": ("h264", "hevc", "mpeg4", "mpeg2", "vp8", "vp9", "av1", "mjpeg", "ffv1"),
}
STORED = [(suffix, codec) for suffix, codec in product(CONTAINERS, CODECS) if codec not in NOT_STORED[suffix]]
X264 = {  # streams of H.264 that make random access difficult
    "open": "open-gop=1:bframes=3:keyint=24:min-keyint=24:scenecut=0",
    "deep": "bframes=8:b-pyramid=normal:b-adapt=0:keyint=40:scenecut=0",
    "refresh": "intra-refresh=1:bframes=0:keyint=20:scenecut=0",
    "interlaced": "interlaced=1:bframes=2:keyint=24:scenecut=0",
}


def in_order(path):
    """All frames as ffmpeg decodes them from start to end."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return torch.stack([as_displayed(frame, 1.0, VideoReformatter()) for frame in container.decode(stream)])


def check_random_access(path, *, numbers=None, damaged=()):
    """Any frames in any order are those of decoding in order; ``numbers`` are the ones drawn on these."""
    on_corrupt = "warn" if damaged else "raise"
    frames = in_order(path)
    if numbers is not None:
        assert read_numbers(frames) == list(numbers)
    assert probe_video(path).num_frames == len(frames)
    assert examine_video(path)[1] == list(damaged)
    chance = random.Random(0)
    for size in (1, 1, 2, 5, 16):
        wanted = [chance.randrange(len(frames)) for _ in range(size)]
        assert torch.equal(decode_frames(path, wanted, on_corrupt=on_corrupt), frames[wanted]), wanted
    assert torch.equal(decode_frames(path, range(len(frames)), on_corrupt=on_corrupt), frames)


@pytest.mark.parametrize(("suffix", "codec"), STORED)
def test_every_container_and_codec(numbered_videos, suffix, codec):
    check_random_access(numbered_videos(f"a.{suffix}", codec), numbers=range(80))


@pytest.mark.parametrize(("suffix", "codec"), sorted(set(product(CONTAINERS, CODECS)) - set(STORED)))
def test_what_is_left_out_of_the_table_cannot_be_stored(tmp_path, suffix, codec):
    import av

    refused = r"support|[Ii]nvalid|implemented|without video|not known|End of file"
    with pytest.raises((ValueError, av.FFmpegError), match=refused):
        probe_video(write_numbered(tmp_path / f"a.{suffix}", codec, 4))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts", "mpg", "flv"])
@pytest.mark.parametrize("kind", X264)
def test_difficult_streams_of_h264(numbered_videos, kind, suffix):
    path = numbered_videos(f"{kind}.{suffix}", **{"x264-params": X264[kind]})
    check_random_access(path, numbers=range(80))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "flv"])
def test_open_groups_of_pictures_of_hevc(numbered_videos, suffix):
    params = "log-level=none:open-gop=1:bframes=4:keyint=24:min-keyint=24:scenecut=0"
    check_random_access(numbered_videos(f"open.{suffix}", "hevc", **{"x265-params": params}), numbers=range(80))


@pytest.mark.parametrize("flags", ["frag_keyframe+empty_moov", "dash+delay_moov"])
def test_fragmented_mp4(numbered_videos, flags):
    check_random_access(numbered_videos("fragments.mp4", options={"movflags": flags}), numbers=range(80))


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_edit_lists(numbered_videos, tmp_path, suffix):
    path = numbered_videos("open.mp4", **{"x264-params": X264["open"]})
    frame = 512  # units of the file
    later = remux(path, tmp_path / f"later.{suffix}", shift=30 * frame)
    check_random_access(later, numbers=range(80))
    trimmed = remux(path, tmp_path / f"trimmed.{suffix}", shift=-10 * frame)
    check_random_access(trimmed, numbers=range(10, 80))


def test_frames_that_were_dropped_by_the_camera(numbered_videos, tmp_path):
    path = remux(numbered_videos("a.mkv", "mjpeg"), tmp_path / "vfr.mkv", drop=lambda number: number % 7 in (2, 3))
    check_random_access(path, numbers=[number for number in range(80) if number % 7 not in (2, 3)])


@pytest.mark.parametrize("suffix", ["ts", "mp4"])
def test_recordings_that_begin_between_key_frames(numbered_videos, tmp_path, suffix):
    path = numbered_videos(f"open.{suffix}", **{"x264-params": X264["open"]})
    check_random_access(remux(path, tmp_path / f"middle.{suffix}", drop=lambda number: number < 30))


@pytest.mark.filterwarnings("ignore:.*has damaged frames")  # the counter of packets jumps where the second begins
def test_two_recordings_in_one_file(numbered_videos, tmp_path):
    path = tmp_path / "twice.ts"
    path.write_bytes(2 * numbered_videos("a.ts").read_bytes())
    check_random_access(path, numbers=[*range(80), *range(80)], damaged=[78])


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "flv"])
def test_far_frames_are_reached_by_the_key_frame_before(numbered_videos, monkeypatch, suffix):
    path = numbered_videos(f"keys.{suffix}", **{"x264-params": "keyint=10:min-keyint=10:scenecut=0:bframes=0"})
    shown, decoded = FrameReader._shown, []

    def count(self, packets):
        for one in shown(self, packets):
            decoded.append(one)
            yield one

    monkeypatch.setattr(FrameReader, "_shown", count)
    assert read_numbers(decode_frames(path, [3, 51, 52, 79])) == [3, 51, 52, 79]
    assert len(decoded) == 4 + 3 + 10  # from frames 0, 50 and 70


@pytest.mark.parametrize("seeks", ["late", "lost"])
@pytest.mark.parametrize("suffix", ["mp4", "ts"])
def test_seeks_that_land_elsewhere_are_noticed(numbered_videos, suffix, seeks):
    path = numbered_videos(f"a.{suffix}")
    table = timetable(path)
    last = [table.times[-1]] * len(table.seeks)
    table = table._replace(seeks=[*table.seeks[1:], last[0]] if seeks == "late" else last)
    for wanted in ([30], [2, 30, 79], [78, 79]):
        frames = FrameReader(path, table, Damage(path, "raise")).read(wanted)
        assert read_numbers(torch.stack(frames)) == wanted


@pytest.fixture
def holed(numbered_videos, tmp_path):
    """A video of three groups of pictures with zeros in the middle of the second."""
    path = numbered_videos("holed.mp4", **{"x264-params": "keyint=30:min-keyint=30:scenecut=0:bframes=0"})
    import av

    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for place, size in packets[40:43]:
        content[place : place + size] = bytes(size)
    (tmp_path / "holed.mp4").write_bytes(content)
    return tmp_path / "holed.mp4"


def test_a_hole_names_its_first_frame_and_how_to_go_on(holed):
    assert examine_video(holed)[1][0] == 40
    with pytest.raises(VideoFileError, match=r"a damaged file, at frame 40.*on_corrupt 'warn' or 'skip'"):
        decode_frames(holed, [39, 45])
    assert read_numbers(decode_frames(holed, [39, 61])) == [39, 61]  # on no way to these
    with pytest.raises(VideoFileError, match="a damaged file, at frame 40"):
        decode_frames(holed, [39], check_all=True)


def test_behind_a_hole_frames_keep_their_numbers(holed):
    with pytest.warns(UserWarning, match=r"holed.mp4' has damaged frames"):
        warned = decode_frames(holed, [39, 40, 41, 62, 79], on_corrupt="warn")
    skipped = decode_frames(holed, [39, 40, 41, 62, 79], on_corrupt="skip")
    assert read_numbers(skipped) == [39, 39, 39, 62, 79]
    assert torch.equal(warned[3:], skipped[3:])


def test_frames_of_several_sizes_are_refused_by_all(tmp_path, make_video):
    parts = [make_video(tmp_path / f"{width}.ts", 8, codec="mpeg2video", width=width) for width in (64, 96)]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    for read in (examine_video, lambda path: decode_frames(path, [12], on_corrupt="skip")):
        with pytest.raises(VideoFileError, match=r"frames of several sizes.*convert it with ffmpeg"):
            read(path)


def test_unknown_policies_are_named(tmp_path):
    with pytest.raises(ValueError, match="'on_corrupt' to be one of 'raise', 'warn', 'skip'"):
        decode_frames(tmp_path / "a.mp4", [0], on_corrupt="ignore")
