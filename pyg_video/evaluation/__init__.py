"""How often a model is right, with the protocol beside the number; and what it says about a single video."""

from .digits import Evaluation, Score, evaluate
from .prediction import VideoPrediction, predict_video
from .report import write_evaluation
from .scored_clips import ScoredClips, configured_clips, recorded_clips
from .videos import evaluate_videos

__all__ = [
    "Evaluation",
    "Score",
    "ScoredClips",
    "VideoPrediction",
    "configured_clips",
    "evaluate",
    "evaluate_videos",
    "predict_video",
    "recorded_clips",
    "write_evaluation",
]
