"""Accuracy on test clips with its protocol, and predictions for single videos."""

from .accuracy import Answers, Evaluation, Score, judge
from .clips import configured_clips, recorded_clips
from .drawing import draw_video
from .evaluate import evaluate
from .prediction import predict_stream, predict_video, predict_windows
from .report import write_evaluation
from .sources import ClipSource, DigitSource, ModuleSource, VideoSource
from .video_prediction import VideoPrediction

__all__ = [
    "Answers",
    "ClipSource",
    "DigitSource",
    "Evaluation",
    "ModuleSource",
    "Score",
    "VideoPrediction",
    "VideoSource",
    "configured_clips",
    "draw_video",
    "evaluate",
    "judge",
    "predict_stream",
    "predict_video",
    "predict_windows",
    "recorded_clips",
    "write_evaluation",
]
