import os
import struct

import av
import numpy as np
import pytest
import torch
from av.video.reformatter import VideoReformatter

from pyg_video.datasets import VideoFileError, decode_frames, probe_video
from pyg_video.datasets.video.picture import as_displayed
from pyg_video.datasets.video.timetable import timetable

MATRICES = {  # a, b, c, d of a display matrix, and how a picture [3, H, W] then looks
    "as it is": ((1, 0, 0, 1), lambda x: x),
    "90 clockwise": ((0, 1, -1, 0), lambda x: x.rot90(-1, (1, 2))),
    "180": ((-1, 0, 0, -1), lambda x: x.rot90(2, (1, 2))),
    "90 counterclockwise": ((0, -1, 1, 0), lambda x: x.rot90(1, (1, 2))),
    "mirrored": ((-1, 0, 0, 1), lambda x: x.flip(2)),
    "upside down": ((1, 0, 0, -1), lambda x: x.flip(1)),
    "transposed": ((0, 1, 1, 0), lambda x: x.transpose(1, 2)),
    "other diagonal": ((0, -1, -1, 0), lambda x: x.transpose(1, 2).flip(1, 2)),
    "hardly turned": ((1, 0.01, -0.01, 1), lambda x: x),
    "nothing": ((0, 0, 0, 0), lambda x: x),
}


@pytest.fixture
def with_matrix(make_video, tmp_path):
    """Writes a video, and a copy with a display matrix."""

    def write(a, b, c, d):
        plain = make_video(tmp_path / "plain.mp4", codec="libx264")
        content = bytearray(plain.read_bytes())
        place = content.index(b"tkhd") + 44  # of the track header: a b u c d v x y w
        for offset, value in ((0, a), (4, b), (12, c), (16, d)):
            content[place + offset : place + offset + 4] = struct.pack(">i", round(value * 65536))
        turned = tmp_path / "turned.mp4"
        turned.write_bytes(content)
        return plain, turned

    return write


@pytest.mark.parametrize("kind", MATRICES)
def test_frames_are_laid_on_the_screen_as_the_matrix_says(with_matrix, kind):
    matrix, look = MATRICES[kind]
    plain, turned = with_matrix(*matrix)
    expected = look(decode_frames(plain, [4])[0])
    assert torch.equal(decode_frames(turned, [4])[0], expected)
    assert probe_video(turned)[2:] == expected.shape[1:]
    assert timetable(turned).plain == torch.equal(expected, decode_frames(plain, [4])[0])


def test_other_angles_are_refused(with_matrix):
    half = 0.5**0.5
    _, turned = with_matrix(half, half, -half, half)
    for read in (probe_video, lambda path: decode_frames(path, [0])):
        with pytest.raises(VideoFileError, match=r"turned by 45 degrees, no multiple of 90.; convert it with ffmpeg"):
            read(turned)


@pytest.mark.parametrize(("aspect", "width"), [((16, 11), 93), ((1, 2), 32), ((1, 1), 64)])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.mpg", "a.avi", "a.flv"])
def test_pixels_are_square(tmp_path, name, aspect, width):
    from fractions import Fraction

    import av

    path = tmp_path / name
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(*aspect)
        image = np.full((48, 64, 3), 40, np.uint8)
        image[:, 32:] = 200
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    assert probe_video(path)[2:] == (48, width)
    frame = decode_frames(path, [0])[0].float()
    assert frame.shape == (3, 48, width)
    assert frame[..., : width // 2 - 4].max() < 60 < 180 < frame[..., width // 2 + 4 :].min()


SPACES = {"unknown": (2, 0.299, 0.114), "BT.709": (1, 0.2126, 0.0722), "BT.601": (6, 0.299, 0.114)}
SPACES["BT.2020"] = (9, 0.2627, 0.0593)


@pytest.mark.parametrize("layout", ["yuv420p", "yuv444p"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("space", SPACES)
def test_colours_follow_the_matrix_and_range_of_the_file(tmp_path, space, full, layout):
    number, red, blue = SPACES[space]
    y, u, v = (70, 110, 160), (120, 100, 150), (140, 160, 110)  # three patches
    _write_patches(tmp_path / "a.mkv", number, full, layout, y, u, v)
    y, u, v = (np.array(plane, float) for plane in (y, u, v))
    black, light, colour = (0, 255, 255) if full else (16, 219, 224)
    y, u, v = (y - black) / light, (u - 128) / colour, (v - 128) / colour
    r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
    g = (y - red * r - blue * b) / (1 - red - blue)
    frame = decode_frames(tmp_path / "a.mkv", [0])[0, :, 8, 8::16].double()
    torch.testing.assert_close(frame, torch.tensor(np.stack([r, g, b]) * 255), atol=2.5, rtol=0)  # ffmpeg rounds down


def _write_patches(path, space, full, layout, *planes):
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=5)
        stream.width, stream.height, stream.pix_fmt = 48, 16, layout
        stream.codec_context.colorspace = space
        stream.codec_context.color_range = 2 if full else 1
        frame = av.VideoFrame(48, 16, layout)
        for plane, values in zip(frame.planes, planes, strict=True):
            rows = np.zeros((plane.height, plane.line_size), np.uint8)
            rows[:, : plane.width] = np.repeat(values, plane.width // 3)
            plane.update(rows.tobytes())
        frame.colorspace, frame.color_range = space, 2 if full else 1
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_converting_leaves_no_threads_behind():
    frame, converter = av.VideoFrame(64, 64, "yuv420p"), VideoReformatter()
    before = len(os.listdir("/proc/self/task"))
    as_displayed(frame, 1.0, converter)
    assert len(os.listdir("/proc/self/task")) == before  # a forked process could not end them
