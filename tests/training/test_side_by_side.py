import pytest
import torch

from pyg_video.backbones import split_backbone
from pyg_video.datasets import SyncMNIST
from pyg_video.models import create_model
from pyg_video.training import SideBySide

TINY = {"num_classes": 3, "frame_size": 16, "channels": (4, 8), "strides": (2, 2)}
NAMES = ("cnn_sync_mnist", "conv_lstm_sync_mnist", "rstg_sync_mnist")
CLIPS = SyncMNIST(classes=(0, 1, 2), num_frames=3, canvas_size=16, frame_size=16, digit_size=8, random_probability=0.0)


def training(*names, num_videos=12):
    torch.manual_seed(0)
    frozen, _ = split_backbone(create_model("cnn_sync_mnist", **TINY).backbone, "stage1")
    models = {}
    for name in names:
        torch.manual_seed(1)
        models[name] = create_model(name, **TINY)
    return SideBySide(frozen, models, CLIPS, num_videos=num_videos, batch_size=4), models


def test_a_model_learns_the_same_alone_and_beside_others():
    together, models = training(*NAMES)
    list(together.run(every=4))
    for name in NAMES:
        alone, single = training(name)
        list(alone.run(every=4))
        for key, value in single[name].state_dict().items():
            assert torch.equal(models[name].state_dict()[key], value), key


def test_models_learn_and_the_frozen_stages_do_not():
    side_by_side, models = training(*NAMES)
    before = {name: {key: value.clone() for key, value in model.state_dict().items()} for name, model in models.items()}
    list(side_by_side.run(every=4))
    for name, model in models.items():
        changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[name][key])}
        assert {key.split(".")[0] for key in changed} >= {"backbone", "head"}
        assert not any(key.startswith("backbone.stages.stage1.") for key in changed)
        assert model.backbone.stages["stage1"] is side_by_side.frozen.stages["stage1"]


def test_reports_are_shares_of_the_latest_videos():
    side_by_side, _ = training(*NAMES, num_videos=20)
    reports = list(side_by_side.run(every=8))
    assert [seen for seen, _ in reports] == [8, 16, 20]
    for _, accuracy in reports:
        assert list(accuracy) == list(NAMES)
        assert all(share * 8 == int(share * 8) for share in accuracy.values())


def test_the_first_report_is_that_of_fresh_models():
    side_by_side, models = training("cnn_sync_mnist")
    clips = CLIPS.batch(range(4))
    model = models["cnn_sync_mnist"]
    model.train().backbone.stages["stage1"].eval()
    share = (model(clips.video).argmax(-1) == clips.label).float().mean().item()
    assert next(side_by_side.run(every=4)) == (4, {"cnn_sync_mnist": share})


def test_blocks_between_frozen_stages_are_refused():
    model = create_model("dyreg_gnn_sync_mnist", **TINY, stages=("stage1",), region_channels=4)
    frozen, _ = split_backbone(model.backbone, "stage1")
    with pytest.raises(ValueError, match=r"Expected blocks after the frozen stages only \(got one after stage1\)"):
        SideBySide(frozen, {"graph": model}, CLIPS, num_videos=4, batch_size=4)


def test_models_with_other_first_stages_are_refused():
    frozen, _ = split_backbone(create_model("cnn_sync_mnist", **TINY).backbone, "stage1")
    other = create_model("cnn_sync_mnist", **TINY | {"channels": (8, 8)})
    with pytest.raises(ValueError, match="Expected models whose first stages are"):
        SideBySide(frozen, {"other": other}, CLIPS, num_videos=4, batch_size=4)


def test_less_than_a_batch_of_videos_is_refused():
    with pytest.raises(ValueError, match="Expected 'num_videos' of at least a batch of 4"):
        training("cnn_sync_mnist", num_videos=3)
