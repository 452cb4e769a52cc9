"""Which files are read, and which of their streams."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from pyg_video.datasets import VideoFileError, decode_frames, probe_video

from .conftest import copies_packets, numbered, read_numbers


@pytest.mark.parametrize("name", ["12:30:05.mp4", "-i.mp4", "a%03d.mp4", "a b?#&.mp4", "ü.mp4", "a.gif", "no suffix"])
def test_names_are_only_names(numbered_videos, tmp_path, name):
    shutil.copy(numbered_videos("a.mp4"), tmp_path / name)
    assert read_numbers(decode_frames(tmp_path / name, [7])) == [7]


def test_names_in_the_working_directory(numbered_videos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(numbered_videos("a.mp4"), "12:30.mp4")
    os.rename("12:30.mp4", b"12:\xff.mp4")
    assert probe_video(os.fsdecode(b"12:\xff.mp4")).num_frames == 80


PLAYLISTS = {
    "list.mp4": "ffconcat version 1.0\nfile 'other.mp4'\n",
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9.0,\nother.mp4\n#EXT-X-ENDLIST\n",
    "list.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "notes.txt": "Nothing to see here, only words in lines.\n" * 20,
    "page.mp4": "<html><body>404 Not Found</body></html>\n" * 20,
}


@pytest.mark.parametrize("name", PLAYLISTS)
def test_files_that_are_no_video_open_nothing_else(numbered_videos, tmp_path, name):
    shutil.copy(numbered_videos("a.mp4"), tmp_path / "other.mp4")
    (tmp_path / name).write_text(PLAYLISTS[name])
    with pytest.raises(VideoFileError, match="no video, but sound, a picture|an undecodable file: Invalid data"):
        probe_video(tmp_path / name)


def test_pictures_and_patterns_are_no_videos(tmp_path):
    for number in range(3):
        Image.new("RGB", (64, 48)).save(tmp_path / f"seq{number:03d}.jpg")
    for name in ("seq%03d.jpg", "seq*.jpg"):
        with pytest.raises(VideoFileError, match="no file"):
            probe_video(tmp_path / name)
    shutil.copy(tmp_path / "seq000.jpg", tmp_path / "seq%03d.jpg")
    for name in ("seq%03d.jpg", "seq000.jpg"):
        with pytest.raises(VideoFileError, match="no video, but sound, a picture"):
            probe_video(tmp_path / name)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_cover_picture_in_front_is_not_the_video(numbered_videos, tmp_path, suffix):
    picture = {"mp4": "png", "mkv": "mjpeg"}[suffix]  # in Matroska without a word that it is a cover
    path = write_with_cover(numbered_videos(f"a.{suffix}"), tmp_path / f"covered.{suffix}", picture)
    assert probe_video(path)[::2] == (80, 48)
    assert read_numbers(decode_frames(path, [3, 79])) == [3, 79]


def write_with_cover(source, target, picture="png"):
    """Copy a video with a cover picture as its first stream, or with the picture only."""
    import av
    from av.stream import Disposition

    copies_packets()
    with av.open(str(target), "w") as new:
        cover = new.add_stream(picture, rate=1)
        cover.width, cover.height, cover.pix_fmt = 80, 80, "rgb24" if picture == "png" else "yuvj420p"
        cover.disposition = Disposition.attached_pic.value
        image = av.VideoFrame.from_ndarray(np.zeros((80, 80, 3), np.uint8), format="rgb24")
        packets = [*cover.encode(image), *cover.encode()]
        with av.open(str(source)) as old:
            (track,) = old.streams
            stream = new.add_stream_from_template(track)
            for packet in packets:
                new.mux(packet)
            for packet in old.demux(track):
                if packet.size:
                    packet.stream = stream
                    new.mux(packet)
    return target


def test_sound_with_a_cover_picture_is_no_video(tmp_path):
    import av

    with av.open(str(tmp_path / "a.wav"), "w") as new:
        stream = new.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.sample_rate = 8000
        new.mux(stream.encode(frame))
    path = write_with_cover(tmp_path / "a.wav", tmp_path / "a.mov")
    with pytest.raises(VideoFileError, match="a file without video"):
        probe_video(path)


def test_a_stream_of_an_unknown_codec_is_that_files_error(numbered_videos, tmp_path):
    content = numbered_videos("a.mkv").read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/XXX")
    (tmp_path / "a.mkv").write_bytes(content)
    with pytest.raises(VideoFileError, match="a video of a codec that is not known"):
        probe_video(tmp_path / "a.mkv")


def test_titles_in_other_encodings_do_not_matter(tmp_path):
    import av

    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Fruehling"
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(number), format="rgb24")))
        container.mux(stream.encode())
    path.write_bytes(path.read_bytes().replace(b"Fruehling", "Fr\xfchling ".encode("latin-1")))
    assert read_numbers(decode_frames(path, [4])) == [4]


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi", "ts", "flv", "gif"])
@pytest.mark.parametrize("more", [b"\0" * 100, b"appended by a camera", bytes(range(1, 255)) * 3])
def test_bytes_after_the_end_do_not_matter(numbered_videos, tmp_path, suffix, more):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(numbered_videos(path.name, "gif" if suffix == "gif" else "h264").read_bytes() + more)
    assert read_numbers(decode_frames(path, [3, 70])) == [3, 70]


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm", "avi", "ts", "flv", "gif"])
@pytest.mark.parametrize("share", [0.4, 0.77, 0.98])
def test_truncated_files_are_noticed_in_every_container(numbered_videos, tmp_path, suffix, share):
    codec = {"gif": "gif", "webm": "vp9"}.get(suffix, "h264")
    content = numbered_videos(f"a.{suffix}", codec).read_bytes()
    path = tmp_path / f"a.{suffix}"
    end = int(len(content) * share)
    path.write_bytes(content[: end if end % 188 else end - 1])  # MPEG-TS may be cut between its packets
    with pytest.raises(VideoFileError, match="a truncated file"):
        probe_video(path)


def test_a_video_behind_much_sound_is_found(tmp_path):
    import av

    path = tmp_path / "a.flv"
    with av.open(str(path), "w") as container:
        stream, sound = container.add_stream("libx264", rate=25), container.add_stream("adpcm_swf", rate=11025)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        packets = [
            packet
            for number in range(20)
            for packet in stream.encode(av.VideoFrame.from_ndarray(numbered(number), format="rgb24"))
        ]
        packets += stream.encode()
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 11025), np.int16), layout="mono")
        frame.sample_rate = 11025
        for packet in sound.encode(frame):
            container.mux(packet)
        for packet in packets:
            packet.pts, packet.dts = packet.pts + 25, packet.dts + 25  # a second later
            container.mux(packet)
    assert read_numbers(decode_frames(path, [3, 19])) == [3, 19]
