import pytest
import torch
from pytorch_lightning.utilities import move_data_to_device
from torch import nn
from torch.nn import functional as F

from pyg_video.checkpoints import save_model
from pyg_video.datasets import SyncClip
from pyg_video.models import UnknownModelError, create_model
from pyg_video.training import Prediction, VideoClassification, load_trained
from pyg_video.training.module import lr_factor


def test_learning_rate_rises_then_falls_to_zero():
    factors = [lr_factor(step, 10, 100) for step in range(101)]
    assert factors[:10] == sorted(factors[:10])
    assert factors[9:] == sorted(factors[9:], reverse=True)
    assert factors[100] == 0


def test_no_warmup_starts_at_the_top():
    assert lr_factor(0, 0, 10) == 1


def test_steps_down_take_the_place_of_the_cosine():
    assert [lr_factor(step, 0, 10, (0.2, 0.5)) for step in (0, 1, 2, 4, 5, 9)] == [1, 1, 0.1, 0.1, 0.01, 0.01]


def test_sgd_with_steps_down_trains(tiny_task, tiny_data, tiny_trainer):
    task, trainer = tiny_task(optimizer="sgd", drops=(0.5,), lr=0.1, warmup_steps=0), tiny_trainer(max_epochs=2)
    trainer.fit(task, tiny_data())
    assert isinstance(trainer.optimizers[0], torch.optim.SGD)
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.01)


@pytest.mark.parametrize("options", [{"optimizer": "adam"}, {"drops": (1.5,)}])
def test_unknown_ways_to_train_are_refused(options):
    with pytest.raises(ValueError, match=f"Expected '{next(iter(options))}'"):
        VideoClassification("cnn_sync_mnist", 5, **options)


def test_one_epoch_logs_losses_and_shares_of_all_clips(tiny_task, tiny_data, tiny_trainer):
    task, data, trainer = tiny_task(), tiny_data(num_val=7), tiny_trainer(max_epochs=1)
    trainer.fit(task, data)
    assert {"train/loss", "train/acc", "val/loss", "val/acc", "val/acc5"} <= trainer.callback_metrics.keys()
    with torch.no_grad():
        clips = data.val.batch(range(7))  # in batches of 4 and 3
        scores = task.eval()(clips.video)
    share = (scores.argmax(1) == clips.label).float().mean()
    torch.testing.assert_close(trainer.callback_metrics["val/acc"], share)
    torch.testing.assert_close(trainer.callback_metrics["val/loss"], F.cross_entropy(scores, clips.label))


def test_accuracy_on_the_test_clips(tiny_task, tiny_data, tiny_trainer):
    task, data = tiny_task(), tiny_data()
    (results,) = tiny_trainer().test(task, data, verbose=False)
    clips = data.test.batch(range(6))
    assert results["test/acc"] == pytest.approx((task.eval()(clips.video).argmax(1) == clips.label).float().mean())


def test_predictions_name_the_class(tiny_task, tiny_data, tiny_trainer):
    data = tiny_data()
    first, second = tiny_trainer().predict(tiny_task(label_names=data.label_names), data)
    assert isinstance(first, Prediction)
    torch.testing.assert_close(first.probability.sum(1), torch.ones(3))
    assert first.name == [data.label_names[k] for k in first.label]
    assert torch.equal(second.target, data.test.batch(range(3, 6)).label)


def test_clips_move_to_a_device():
    clip = move_data_to_device(SyncClip(*(torch.zeros(2) for _ in SyncClip._fields)), torch.device("meta"))
    assert isinstance(clip, SyncClip)
    assert all(field.is_meta for field in clip)


def test_few_classes_have_no_top_five():
    assert list(VideoClassification("cnn_sync_mnist", 5).val_metrics) == ["val/acc"]


@pytest.mark.parametrize("option", [{"lr": 0.0}, {"weight_decay": -1.0}, {"warmup_steps": -1}])
def test_impossible_rates_are_refused(option):
    with pytest.raises(ValueError, match="Expected 'lr' above 0"):
        VideoClassification("cnn_sync_mnist", 5, **option)


def test_options_cannot_disagree_with_the_data():
    with pytest.raises(ValueError, match=r"'num_classes' in 'model_options' to be that of the data, 5 \(got 6\)"):
        VideoClassification("cnn_sync_mnist", 5, model_options={"num_classes": 6})


def test_models_without_a_frame_option_get_none(monkeypatch):
    from pyg_video.models import registry

    def anywhere(num_classes: int = 3):
        return create_model("cnn_sync_mnist", num_classes=num_classes)

    monkeypatch.setitem(registry._ENTRIES, "anywhere", anywhere)
    assert VideoClassification("anywhere", 4, 40).net(torch.rand(1, 2, 1, 40, 40)).shape == (1, 4)


def test_a_model_on_boxes_gets_the_exact_ones_of_the_data(tiny_data, tiny_trainer):
    options = {"channels": (4, 4), "strides": (2, 2), "num_iterations": 1, "builder": "box"}
    task, data = VideoClassification("graph_sync_mnist", 6, 16, model_options=options).eval(), tiny_data()
    first, _ = tiny_trainer().predict(task, data)
    clips = data.test.batch(range(3))
    torch.testing.assert_close(first.probability, task(clips.video, box=clips.box).softmax(-1))
    moved = task(clips.video, box=clips.box.flip(0)).softmax(-1)
    assert (first.probability - moved).abs().max() > 1e-4


def test_training_may_start_with_the_backbone_of_a_checkpoint(tiny_task, tiny_data, tiny_trainer, tmp_path):
    trained = tiny_task()
    torch.nn.init.normal_(next(trained.net.backbone.parameters()))
    path = save_model(trained.net, tmp_path / "trained.safetensors")
    task = tiny_task(backbone_from=str(path))
    task.lr = 1e-12
    want = next(trained.net.backbone.parameters()).detach().clone()
    assert not torch.allclose(next(task.net.backbone.parameters()), want)
    tiny_trainer(max_epochs=1).fit(task, tiny_data())
    torch.testing.assert_close(next(task.net.backbone.parameters()).detach(), want)


def test_a_backbone_of_other_sizes_is_refused(tiny_task):
    task = tiny_task(backbone_from="dyreg_gnn_small")
    with pytest.raises(ValueError, match="backbone in 'backbone_from' 'dyreg_gnn_small' .*; choose the same channels"):
        task.setup("fit")
    task.setup("test")  # nothing starts
    with pytest.raises(ValueError, match="Expected a shipped checkpoint, one of: cnn_small"):
        tiny_task(backbone_from="missing").setup("fit")


def test_first_stages_of_a_checkpoint_may_stay_as_they_are(tiny_task, tiny_data, tiny_trainer, tmp_path):
    trained = tiny_task()
    torch.nn.init.normal_(trained.net.backbone.stages["stage1"][0].weight)
    trained.net.backbone.stages["stage1"][1].running_mean.fill_(0.5)
    path = save_model(trained.net, tmp_path / "trained.safetensors")
    task = tiny_task(backbone_from=str(path), freeze_to="stage1")
    later = {name: value.clone() for name, value in task.net.backbone.stages["stage2"].state_dict().items()}
    tiny_trainer(max_epochs=1).fit(task, tiny_data())
    for name, value in trained.net.backbone.stages["stage1"].state_dict().items():
        assert torch.equal(task.net.backbone.stages["stage1"].state_dict()[name], value), name
    moved = [
        name for name, value in task.net.backbone.stages["stage2"].state_dict().items() if value.ne(later[name]).any()
    ]
    assert len(moved) == len(later)


def test_stages_to_freeze_need_a_checkpoint(tiny_task):
    with pytest.raises(ValueError, match="'backbone_from' for the stages to freeze .got freeze_to='stage1' alone"):
        tiny_task(freeze_to="stage1")
    with pytest.raises(ValueError, match="Expected 'last' to be a stage"):
        tiny_task(backbone_from="dyreg_gnn_small", freeze_to="stage9")


class Brightness(nn.Module):
    """A module of one's own: any one from videos to class scores."""

    def __init__(self, num_classes=6):
        super().__init__()
        self.linear = nn.Linear(16, num_classes)

    def forward(self, video):
        return self.linear(video.mean((1, 2, 3)))


def test_a_module_from_python_trains_and_resumes(tiny_data, tiny_trainer, tmp_path):
    torch.manual_seed(1)
    whole = VideoClassification(Brightness(), 6, warmup_steps=0)
    tiny_trainer(max_epochs=2, folder="whole").fit(whole, tiny_data())
    torch.manual_seed(1)
    tiny_trainer(max_epochs=1, folder="cut").fit(VideoClassification(Brightness(), 6, warmup_steps=0), tiny_data())
    last = tmp_path / "cut" / "checkpoints" / "last.ckpt"
    saved = torch.load(last, weights_only=True)
    assert (saved["hyper_parameters"]["model"], saved["hyper_parameters"]["num_classes"]) == (None, 6)
    resumed = VideoClassification(Brightness(), 6, warmup_steps=0)
    trainer = tiny_trainer(max_epochs=2, folder="resumed")
    trainer.fit(resumed, tiny_data(), ckpt_path=last)
    assert trainer.global_step == 4
    again = VideoClassification.load_from_checkpoint(
        tmp_path / "resumed" / "checkpoints" / "last.ckpt", model=Brightness(), map_location="cpu", weights_only=True
    )
    assert torch.equal(again.net.linear.weight, resumed.net.linear.weight)
    with pytest.raises(UnknownModelError, match=r"load_from_checkpoint\(path, model=...\)"):
        load_trained(last)


def test_a_module_with_a_recipe_is_recorded_by_it(tmp_path):
    model = create_model("cnn_sync_mnist", num_classes=5, channels=(4, 4), strides=(2, 2))
    task = VideoClassification(model, 5)
    assert task.net is model
    assert task.hparams["model"] == "cnn_sync_mnist"
    assert task.hparams["model_options"] == model.recipe.options
    assert VideoClassification(**task.hparams).net.recipe == model.recipe


def test_options_of_a_module_are_refused():
    with pytest.raises(ValueError, match="Expected no 'model_options' for a module"):
        VideoClassification(Brightness(), 6, model_options={"width": 3})


def test_weights_on_frames_have_channels_last_and_those_on_clips_stay():
    task = VideoClassification(
        "i3d_sync_mnist", 6, 16, model_options={"channels": (4, 4), "strides": (2, 2), "num_2d": 1}
    )
    before = {name: value.clone() for name, value in task.net.state_dict().items()}
    task.setup("fit")
    frames, clips = (task.net.backbone.stages[name][0].weight for name in ("stage1", "stage2"))
    assert (frames.dim(), clips.dim()) == (4, 5)
    assert frames.is_contiguous(memory_format=torch.channels_last)
    assert clips.is_contiguous()
    assert all(torch.equal(value, before[name]) for name, value in task.net.state_dict().items())
    task.net(torch.rand(1, 2, 1, 16, 16)).sum().backward()
