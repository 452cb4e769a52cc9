"""Video files and folders of frames: reading, sampling, an index of what is there."""

from .files import VideoFileError, VideoInfo, decode_frames, probe_video

__all__ = ["VideoFileError", "VideoInfo", "decode_frames", "probe_video"]
