import struct
import sys
import types

import pytest
import torch

from pyg_video.datasets import VideoFileError, decode_frames, probe_video
from pyg_video.datasets.video.files import _by_time, _opened, _times, count_frames


def shade(number, height, width):
    return torch.full((height, width, 3), 16 + 5 * (number % 47), dtype=torch.uint8).numpy()


def levels(frames):
    """The number of each frame, read off its grey level."""
    return ((frames[:, :, -6:, :6].double().mean((1, 2, 3)) - 20) / 5).round().long().tolist()


@pytest.mark.parametrize(
    ("name", "codec"), [("a.webm", "libvpx"), ("a.webm", "libvpx-vp9"), ("a.mp4", "libx264"), ("a.avi", "mpeg4")]
)
def test_frames_come_by_their_numbers(make_video, tmp_path, name, codec):
    path = make_video(tmp_path / name, codec=codec)
    assert probe_video(path) == count_frames(path) == (12, 12.0, 48, 64)
    frames = decode_frames(path, [11, 0, 5, 5])
    assert frames.shape == (4, 3, 48, 64)
    assert frames.dtype == torch.uint8
    assert levels(frames) == [11, 0, 5, 5]


@pytest.mark.parametrize("rate", [1, 24, 30])
def test_any_frame_rate(make_video, tmp_path, rate):
    path = make_video(tmp_path / "a.webm", rate=rate)
    assert probe_video(path).frame_rate == pytest.approx(rate)
    assert levels(decode_frames(path, [3, 9])) == [3, 9]


@pytest.mark.parametrize(("name", "codec"), [("long.webm", "libvpx-vp9"), ("long.mp4", "libx264")])
def test_far_frames_of_a_long_video_are_the_same_as_by_counting(make_video, tmp_path, monkeypatch, name, codec):
    path = make_video(tmp_path / name, 400, codec=codec, height=16, width=16, frame=shade)
    wanted = [7, 130, 131, 256, 399, 399]
    jumped = decode_frames(path, wanted)
    monkeypatch.setattr("pyg_video.datasets.video.files._FAR", 1000)
    assert torch.equal(jumped, decode_frames(path, wanted))


def test_far_frames_are_reached_by_the_key_frames_before_them(make_video, tmp_path):
    class Spy:
        decoded = 0

        def __init__(self, container):
            self.container = container

        def seek(self, *arguments, **options):
            self.container.seek(*arguments, **options)

        def decode(self, stream):
            for frame in self.container.decode(stream):
                Spy.decoded += 1
                yield frame

    path = make_video(tmp_path / "long.webm", 120, height=16, width=16, frame=shade)
    with _opened(path) as (container, stream):
        times, keys = _times(container, stream)
    assert [times.index(key) for key in keys] == list(range(0, 120, 8))
    with _opened(path) as (container, stream):
        wanted = [3, 4, 61, 62, 119]
        frames = list(_by_time(Spy(container), stream, wanted, times, keys))
    assert [times.index(frame.pts) for frame in frames] == wanted
    assert Spy.decoded == 5 + 7 + 8  # from frames 0, 56 and 112


@pytest.mark.parametrize(
    ("turns", "clockwise"),
    [(1, (0, 1, 0, -1, 0, 0, 0, 0, 0)), (2, (-1, 0, 0, 0, -1, 0, 0, 0, 0)), (3, (0, -1, 0, 1, 0, 0, 0, 0, 0))],
)
def test_a_phone_held_upright_gives_upright_frames(make_video, tmp_path, turns, clockwise):
    lying = make_video(tmp_path / "lying.mp4", codec="libx264")
    content = bytearray(lying.read_bytes())
    matrix = content.index(b"tkhd") + 44  # of the track header: x' = a x + c y, y' = b x + d y, as a b u c d v ...
    turned = struct.pack(">9i", *(value << 16 for value in clockwise))
    content[matrix : matrix + 36] = turned[:32] + content[matrix + 32 : matrix + 36]
    upright = tmp_path / "upright.mp4"
    upright.write_bytes(content)
    assert probe_video(upright)[2:] == ((48, 64) if turns == 2 else (64, 48))
    assert torch.equal(decode_frames(upright, [4]), decode_frames(lying, [4]).rot90(-turns, (2, 3)))


def test_packets_that_are_not_shown_are_not_counted(make_video, tmp_path):
    import av

    path = make_video(tmp_path / "shown.webm")
    with av.open(str(path)) as source, av.open(str(tmp_path / "hidden.webm"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            content = bytearray(bytes(packet))
            if number == 5:
                content[0] &= 0xEF  # the bit that says "show"
            if content:
                copy = av.Packet(bytes(content))
                copy.pts, copy.dts, copy.time_base, copy.stream = packet.pts, packet.dts, packet.time_base, stream
                copy.is_keyframe = packet.is_keyframe
                target.mux(copy)
    assert probe_video(tmp_path / "hidden.webm").num_frames == 11
    assert count_frames(tmp_path / "hidden.webm").num_frames == 11
    assert levels(decode_frames(tmp_path / "hidden.webm", [4, 5, 10])) == [4, 6, 11]


def test_portrait_frames(make_video, tmp_path):
    path = make_video(tmp_path / "a.webm", height=64, width=36)
    assert decode_frames(path, [0]).shape == (1, 3, 64, 36)


@pytest.mark.parametrize(("name", "codec"), [("a.webm", "libvpx"), ("a.webm", "libvpx-vp9"), ("a.mp4", "libx264")])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
def test_truncated_files_are_noticed(make_video, tmp_path, name, codec, share):
    path = make_video(tmp_path / name, codec=codec)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    for read in (probe_video, lambda path: decode_frames(path, [0])):
        with pytest.raises(VideoFileError, match=f"a truncated file, {path.stat().st_size} of at least"):
            read(path)


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "no file"), (b"", "an empty file"), (b"no video" * 99, "an undecodable file")]
)
def test_other_broken_files_name_themselves_and_the_repair(tmp_path, content, problem):
    path = tmp_path / "a.webm"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VideoFileError, match=f"'{path}' .got {problem}.*; fetch or copy it again") as caught:
        probe_video(path)
    assert caught.value.problem.startswith(problem)


def test_a_file_without_video(tmp_path):
    import wave

    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\0\0" * 800)
    with pytest.raises(VideoFileError, match="a file without video"):
        probe_video(tmp_path / "a.wav")


def test_frames_beyond_the_end_are_refused(make_video, tmp_path):
    path = make_video(tmp_path / "a.webm")
    with pytest.raises(VideoFileError, match="no frame number 12, counted from 0"):
        decode_frames(path, [3, 12, 40])
    with pytest.raises(VideoFileError, match="no frame number 300"):
        decode_frames(path, [3, 300])
    for wrong in ([], [-1, 3]):
        with pytest.raises(ValueError, match="'indices' to be frame numbers of at least 0"):
            decode_frames(path, wrong)


def test_torchcodec_is_asked_for_the_same_frames(make_video, tmp_path, monkeypatch):
    class VideoDecoder:
        def __init__(self, path, **options):
            self.path = path

        def get_frames_at(self, indices):
            if max(indices) > 11:
                raise IndexError("no such frame")
            return types.SimpleNamespace(data=decode_frames(self.path, indices))

    path = make_video(tmp_path / "a.webm")
    monkeypatch.setitem(sys.modules, "torchcodec", types.ModuleType("torchcodec"))
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", types.SimpleNamespace(VideoDecoder=VideoDecoder))
    assert levels(decode_frames(path, [4, 2], backend="torchcodec")) == [4, 2]
    with pytest.raises(VideoFileError, match="no such frame"):
        decode_frames(path, [12], backend="torchcodec")


def test_unknown_and_missing_decoders_name_the_repair(make_video, tmp_path, monkeypatch):
    path = make_video(tmp_path / "a.webm")
    with pytest.raises(ValueError, match="'backend' to be one of 'av', 'torchcodec'"):
        decode_frames(path, [0], backend="decord")
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    with pytest.raises(ModuleNotFoundError, match=r'torchcodec.*pip install "\.\[torchcodec\]"'):
        decode_frames(path, [0], backend="torchcodec")
