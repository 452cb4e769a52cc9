"""Backbones: frames to feature maps, in stages."""

from .background import MedianDifference
from .features import Stage, VideoBackbone
from .i3d import c2d_resnet, i3d_resnet
from .insertion import insert_block
from .non_local import NonLocal
from .resnet import resnet
from .small import PlainCNN, SmallCNN, SmallI3D
from .stages import ClipStage, StagedBackbone, VolumeStage, run_part, scan_part, split_backbone
from .temporal_shift import OnlineShift, ShiftedBlock, TemporalShift, tsm_resnet

__all__ = [
    "ClipStage",
    "MedianDifference",
    "NonLocal",
    "OnlineShift",
    "PlainCNN",
    "ShiftedBlock",
    "SmallCNN",
    "SmallI3D",
    "Stage",
    "StagedBackbone",
    "TemporalShift",
    "VideoBackbone",
    "VolumeStage",
    "c2d_resnet",
    "i3d_resnet",
    "insert_block",
    "resnet",
    "run_part",
    "scan_part",
    "split_backbone",
    "tsm_resnet",
]
