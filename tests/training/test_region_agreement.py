import pytest
import torch
from torch.utils.data import DataLoader

from pyg_video.datasets import VideoClip
from pyg_video.inspection import find_graphs
from pyg_video.metrics import RegionObjectDistance
from pyg_video.training import RegionAgreement, VideoClassification
from pyg_video.training.region_agreement import agreement

NAMES = {"coverage", "distance", "identity", "iou", "motion"}


def regions_of(task, clips):
    (graph,) = find_graphs(task.net.eval(), clips.video).values()
    return graph.grid(graph.box)


def test_the_test_logs_the_agreement_of_all_clips(tiny_task, tiny_data, tiny_trainer):
    task, data = tiny_task(), tiny_data()
    torch.nn.init.ones_(task.net.blocks["stage2"].builder.gain)
    (results,) = tiny_trainer(RegionAgreement()).test(task, data, verbose=False)
    assert {f"test/region_{name}" for name in NAMES} <= results.keys()
    clips, metrics = data.test.batch(range(6)), agreement(region_scale=0.5)
    want = metrics(regions_of(task, clips), clips.box)
    for name in NAMES:
        assert results[f"test/region_{name}"] == pytest.approx(float(want[name]), abs=1e-6)  # of batches of other sizes


def test_each_validation_starts_anew(tiny_task, tiny_data, tiny_trainer):
    task, data = tiny_task(), tiny_data()
    trainer = tiny_trainer(RegionAgreement(("val",)), max_epochs=2)
    trainer.fit(task, data)
    clips, metric = data.val.batch(range(8)), RegionObjectDistance()
    want = metric(regions_of(task, clips), clips.box)
    torch.testing.assert_close(trainer.callback_metrics["val/region_distance"], want)
    assert not any(module._forward_hooks for module in task.net.modules())


def test_several_blocks_are_told_apart(tiny_data, tiny_trainer):
    options = {"channels": (4, 4), "strides": (2, 2), "region_channels": 4, "num_iterations": 1}
    task = VideoClassification("dyreg_gnn_sync_mnist", 6, 16, model_options=options | {"stages": ("stage1", "stage2")})
    (results,) = tiny_trainer(RegionAgreement(("test",))).test(task, tiny_data(), verbose=False)
    assert {f"test/region_iou/blocks.stage{k}.builder" for k in (1, 2)} <= results.keys()


def test_equal_sums_do_not_make_metrics_the_same():
    metrics = agreement()
    still, moving = torch.rand(1, 2, 3, 4), torch.rand(1, 2, 3, 4)
    metrics.update(still, still)  # coverage, iou, identity: the same sums
    metrics.update(still, moving)
    values = metrics.compute()
    assert len({float(values[name]) for name in ("coverage", "iou", "identity")}) == 3


def test_views_of_a_video_count_as_clips(tiny_task, tiny_data, tiny_trainer):
    task, clips = tiny_task(), tiny_data().test.batch(range(4))
    video, box = clips.video.unflatten(0, (2, 2)), clips.box.unflatten(0, (2, 2))
    views = VideoClip(video, clips.label[::2], torch.arange(2), box)
    (results,) = tiny_trainer(RegionAgreement()).test(task, DataLoader([views], batch_size=None), verbose=False)
    want = RegionObjectDistance()(regions_of(task, clips), clips.box)
    assert results["test/region_distance"] == pytest.approx(float(want), abs=1e-6)
    without = DataLoader([views._replace(box=box[..., :0, :])], batch_size=None)
    with pytest.raises(ValueError, match="Expected clips with a 'box' for every object"):
        tiny_trainer(RegionAgreement()).test(task, without, verbose=False)


def test_objects_and_regions_that_are_not_there_do_not_count(tiny_data, tiny_trainer):
    options = {"builder": "box", "channels": (4, 4), "strides": (2, 2), "num_iterations": 1, "arrangement": (1, 3)}
    task, clips = (
        VideoClassification("graph_sync_mnist", 6, 16, model_options=options),
        tiny_data().test.batch(range(4)),
    )
    box = clips.box.clone()
    box[:, 1, 0] = torch.nan  # neither an object nor a region
    box[:, 2, 0] = torch.tensor([-0.2, 0.0, 0.1, 0.1])  # an object out of the frame: no region
    batch = VideoClip(clips.video, clips.label, torch.arange(4), box)
    (results,) = tiny_trainer(RegionAgreement()).test(task, DataLoader([batch], batch_size=None), verbose=False)
    others = (box[:, 2, 1:, :2] - box[:, 2, :1, :2]).norm(dim=-1).amin(1)
    count = int(box.isfinite().all(-1).sum())
    assert results["test/region_distance"] == pytest.approx(float(others.sum()) / count, abs=1e-6)


def test_a_model_without_regions_is_refused(tiny_data, tiny_trainer):
    task = VideoClassification("cnn_sync_mnist", 6, 16)
    with pytest.raises(ValueError, match="Expected 'model' with a GraphBuilder in it"):
        tiny_trainer(RegionAgreement()).test(task, tiny_data(), verbose=False)


def test_an_error_in_a_batch_leaves_no_hook(tiny_task, tiny_data, tiny_trainer, monkeypatch):
    task = tiny_task()
    monkeypatch.setattr(task, "test_step", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tiny_trainer(RegionAgreement()).test(task, tiny_data(), verbose=False)
    assert not any(module._forward_hooks for module in task.net.modules())


def test_unknown_stages_are_refused():
    with pytest.raises(ValueError, match="Expected 'stages' to be one of 'val', 'test'"):
        RegionAgreement(("train",))
