import sys
import types

import pytest
import torch

from pyg_video.datasets import VideoFileError, decode_frames, iter_frames, probe_video
from pyg_video.datasets.video.files import examine_video


def levels(frames):
    """The number of each frame, read off its grey level."""
    return ((frames[:, :, -6:, :6].double().mean((1, 2, 3)) - 20) / 5).round().long().tolist()


@pytest.mark.parametrize(
    ("name", "codec"), [("a.webm", "libvpx"), ("a.webm", "libvpx-vp9"), ("a.mp4", "libx264"), ("a.avi", "mpeg4")]
)
def test_frames_come_by_their_numbers(make_video, tmp_path, name, codec):
    path = make_video(tmp_path / name, codec=codec)
    assert probe_video(path) == (12, 12.0, 48, 64)
    assert examine_video(path) == (probe_video(path), [])
    frames = decode_frames(path, [11, 0, 5, 5])
    assert frames.shape == (4, 3, 48, 64)
    assert frames.dtype == torch.uint8
    assert levels(frames) == [11, 0, 5, 5]


@pytest.mark.parametrize(("name", "codec"), [("a.webm", "libvpx"), ("a.mp4", "libx264"), ("a.mpg", "mpeg2video")])
def test_one_frame_at_a_time_gives_the_same_frames(make_video, tmp_path, name, codec):
    path = make_video(tmp_path / name, codec=codec, rate=25)
    numbers, frames = zip(*iter_frames(path), strict=True)
    assert numbers == tuple(range(12))
    assert torch.equal(torch.stack(frames), decode_frames(path, range(12)))
    asked = []
    for number, frame in iter_frames(path, (asked.append(n) or n for n in (3, 7, 11))):
        assert asked[-1] == number  # numbers may be made on the way
        assert levels(frame[None]) == [number]
    with pytest.raises(VideoFileError, match="no frame number 12, counted from 0"):
        list(iter_frames(path, [3, 12]))


@pytest.mark.parametrize("rate", [1, 24, 30])
def test_any_frame_rate(make_video, tmp_path, rate):
    path = make_video(tmp_path / "a.webm", rate=rate)
    assert probe_video(path).frame_rate == pytest.approx(rate)
    assert levels(decode_frames(path, [3, 9])) == [3, 9]


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
    assert examine_video(tmp_path / "hidden.webm")[0].num_frames == 11
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
    with pytest.raises(VideoFileError, match="no video, but sound"):
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
            self.path = path.removeprefix("file:")

        def get_frames_at(self, indices):
            asked.append(indices)
            if 7 in indices:
                raise RuntimeError("could not decode it")
            given = [9 if number == 8 else number for number in indices]  # as after a seek that lands too late
            return types.SimpleNamespace(
                data=decode_frames(self.path, given), pts_seconds=torch.tensor(given, dtype=torch.float64) / 12
            )

    asked = []
    path = make_video(tmp_path / "a.mp4", codec="libx264")
    monkeypatch.setitem(sys.modules, "torchcodec", types.ModuleType("torchcodec"))
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", types.SimpleNamespace(VideoDecoder=VideoDecoder))
    assert levels(decode_frames(path, [4, 2], backend="torchcodec")) == [4, 2]
    for wanted in (7, 8):  # it fails, or gives another
        assert levels(decode_frames(path, [wanted], backend="torchcodec")) == [wanted]
    assert asked == [[4, 2], [7], [8]]
    with pytest.raises(VideoFileError, match="no frame number 12"):
        decode_frames(path, [12], backend="torchcodec")
    counted = make_video(tmp_path / "a.avi", codec="mpeg4")  # a file without times of its frames
    assert levels(decode_frames(counted, [6], backend="torchcodec")) == [6]
    assert len(asked) == 3


def test_unknown_and_missing_decoders_name_the_repair(make_video, tmp_path, monkeypatch):
    path = make_video(tmp_path / "a.webm")
    with pytest.raises(ValueError, match="'backend' to be one of 'av', 'torchcodec'"):
        decode_frames(path, [0], backend="decord")
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    with pytest.raises(ModuleNotFoundError, match=r'torchcodec.*pip install "\.\[torchcodec\]"'):
        decode_frames(path, [0], backend="torchcodec")
