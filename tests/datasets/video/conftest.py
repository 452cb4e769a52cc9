"""Tiny videos of every kind, whose frames tell their numbers."""

import os

import numpy as np
import pytest
import torch

HEIGHT, WIDTH = 48, 64
COMPLETE = 16  # the version of PyAV from which on every codec here can be encoded
CODECS = {  # encoder, its options, and those of the codec context
    "h264": ("libx264", {"preset": "veryfast"}, {"max_b_frames": 2}),
    "hevc": ("libx265", {"preset": "ultrafast", "x265-params": "log-level=none:bframes=2:keyint=24"}, {}),
    "mpeg4": ("mpeg4", {}, {"max_b_frames": 2}),
    "mpeg2": ("mpeg2video", {}, {"max_b_frames": 2}),
    "vp8": ("libvpx", {"cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "10"}, {}),
    "vp9": ("libvpx-vp9", {"cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "10"}, {}),
    "av1": ("libsvtav1", {"preset": "12"}, {}),
    "mjpeg": ("mjpeg", {}, {"pix_fmt": "yuvj420p"}),
    "ffv1": ("ffv1", {}, {}),
    "gif": ("gif", {}, {"pix_fmt": "rgb8"}),
}


def numbered(number):
    """A frame with its number in ten binary digits, as bright and dark squares."""
    digits = [number >> digit & 1 for digit in range(10)]
    squares = np.array(digits, np.uint8).reshape(2, 5) * 140 + 60
    image = np.full((HEIGHT, WIDTH), 60, np.uint8)
    image[:, :60] = np.kron(squares, np.ones((24, 12), np.uint8))
    return np.repeat(image[..., None], 3, axis=2)


def read_numbers(frames):
    """The numbers of decoded frames ``[T, 3, H, W]``."""
    squares = frames[..., :60].float().mean(1).unfold(1, 24, 24).unfold(2, 12, 12)[..., 6:18, 3:9].mean((-2, -1))
    return ((squares > 130).flatten(1).long() << torch.arange(10)).sum(1).tolist()


def write_numbered(path, codec="h264", num_frames=80, *, options=None, **encoder):
    """Encode frames with their numbers; ``options`` are those of the container."""
    import av

    name, its_options, context = CODECS[codec]
    context = {"pix_fmt": "yuv420p", "gop_size": 24, **context}
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(name, rate=25, options={**its_options, **encoder})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, context.pop("pix_fmt")
        for key, value in context.items():
            setattr(stream.codec_context, key, value)
        for number in range(num_frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(number), format="rgb24")))
        container.mux(stream.encode())
    if codec == "av1" and hasattr(os, "sched_setscheduler"):
        # For root, SVT-AV1 makes the whole process a real-time one, which starves all others on its core.
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return path


def copies_packets():
    """Skip a test where the installed PyAV copies packets wrongly: no version can decode what 14 wrote."""
    import av

    if int(av.__version__.split(".")[0]) < 15:
        pytest.skip(f"PyAV {av.__version__} cannot copy H.264 into another file")


def remux(source, target, *, shift=0, drop=lambda number: False):
    """Copy the packets but for some, all of them later by so many units of the file."""
    import av

    copies_packets()
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for number, packet in enumerate(old.demux(video=0)):
            if packet.size and not drop(number):
                packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                new.mux(packet)
    return target


@pytest.fixture(scope="session")
def numbered_videos(tmp_path_factory):
    """Encodes a numbered video once for all tests: ``numbered_videos("a.mp4", "h264", ...)``."""
    import av

    folder, known = tmp_path_factory.mktemp("numbered"), {}

    def make(name, codec="h264", **arguments):
        key = (name, codec, str(arguments))
        if key not in known:
            try:
                known[key] = write_numbered(folder / f"{len(known)}_{name}", codec, **arguments)
            except ValueError as error:  # of ffmpeg as well
                if int(av.__version__.split(".")[0]) >= COMPLETE:
                    raise
                pytest.skip(f"PyAV {av.__version__} cannot store {codec} in {name}: {error}")
        return known[key]

    return make
