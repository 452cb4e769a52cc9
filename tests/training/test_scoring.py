import pytest
import torch

from pyg_video.datasets import SyncMNIST, VideoClip
from pyg_video.models import create_model
from pyg_video.training.scoring import class_scores

TINY = {
    "num_classes": 46,
    "frame_size": 16,
    "channels": (4, 4),
    "strides": (2, 1),
    "num_iterations": 1,
    "region_channels": 4,
}


def test_a_model_on_boxes_gets_those_of_the_data_and_another_none():
    clips = SyncMNIST(num_frames=2, frame_size=16, num_clips=2).batch([0, 1])
    for builder, given in (("box", {"box": clips.box}), ("dyreg", {})):
        model = create_model("graph_sync_mnist", **TINY, builder=builder)
        torch.testing.assert_close(class_scores(model, clips), model(clips.video, **given))


def test_scores_are_of_single_precision():
    clips = SyncMNIST(num_frames=2, frame_size=16, num_clips=1).batch([0])
    model = create_model("graph_sync_mnist", **TINY).bfloat16()
    assert class_scores(model, clips._replace(video=clips.video.bfloat16())).dtype == torch.float32


def test_a_model_on_boxes_needs_some():
    video, none = torch.rand(1, 2, 1, 16, 16), torch.empty(0)
    model = create_model("graph_sync_mnist", **TINY, builder="box")
    with pytest.raises(ValueError, match="Expected clips with boxes for a model on boxes"):
        class_scores(model, VideoClip(video, none, none, torch.empty(1, 2, 0, 4)))
