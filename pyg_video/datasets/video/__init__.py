"""Video files and folders of frames: decoding, sampling, and an index of checked files."""

from .files import VideoFileError, VideoInfo, decode_frames, probe_video

__all__ = ["VideoFileError", "VideoInfo", "decode_frames", "probe_video"]
