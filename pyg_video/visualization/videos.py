"""Video files and captions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from .._extras import need
from .._files import whole_file
from .draw import write_line
from .pictures import VIDEO, as_bytes, check_frames, check_pixels


def save_mp4(path: str | os.PathLike[str], frames: Tensor, fps: float = 5) -> Path:
    r"""Write frames as an H.264 video, atomically.

    The format requires even sizes; odd ones are padded with a black row or column.

    Shapes:
        - **frames:** :math:`[T, 1, H, W]` or :math:`[T, 3, H, W]`, float in [0, 1] or uint8

    Raises:
        ValueError: the frames have another shape or type, or ``fps`` is not above 0.

    Example:
        >>> path = save_mp4(getfixture("tmp_path") / "clip.mp4", torch.rand(8, 1, 40, 40))
        >>> from pyg_video.datasets import probe_video
        >>> probe_video(path).num_frames
        8
    """
    check_frames(frames, fps)
    pixels = as_bytes(frames).expand(-1, 3, -1, -1)
    pixels = F.pad(pixels, (0, pixels.shape[-1] % 2, 0, pixels.shape[-2] % 2)).permute(0, 2, 3, 1).contiguous()
    with whole_file(path) as draft:
        av = need("av", "video")
        with av.open(str(draft), "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
            stream.height, stream.width, stream.pix_fmt = pixels.shape[1], pixels.shape[2], "yuv420p"
            stream.options = {"crf": "18"}
            for picture in pixels:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture.numpy(), format="rgb24")))
            container.mux(stream.encode())
    return Path(path)


def caption(frames: Tensor, lines: Sequence[str]) -> Tensor:
    r"""Write lines of text below every frame.

    Shapes:
        - **frames:** :math:`[T, 1, H, W]` or :math:`[T, 3, H, W]`, float in [0, 1] or uint8
        - **output:** :math:`[T, 3, h, w]`, uint8, at least as wide as the longest line

    Raises:
        ValueError: the frames have another shape or type.
    """
    check_pixels("frames", frames, VIDEO)
    pixels = as_bytes(frames).expand(-1, 3, -1, -1)
    strips = [write_line(line, pixels.shape[-1]) for line in lines]
    width = max([pixels.shape[-1], *(strip.shape[-1] for strip in strips)])
    parts = [F.pad(pixels, (0, width - pixels.shape[-1]))]
    parts += [F.pad(strip, (0, width - strip.shape[-1])).expand(len(pixels), -1, -1, -1) for strip in strips]
    return torch.cat(parts, dim=-2)
