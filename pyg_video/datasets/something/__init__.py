"""Something-Something v1 and v2, with the boxes of Something-Else."""

from .preparation import Report, prepare
from .something_else import SomethingElse
from .something_something import SomethingSomething, VideoClip

__all__ = ["Report", "SomethingElse", "SomethingSomething", "VideoClip", "prepare"]
