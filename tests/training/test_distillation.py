from types import SimpleNamespace

import pytest
import torch
from pytorch_lightning import Callback

from pyg_video.checkpoints import load_model, save_model
from pyg_video.models import create_model
from pyg_video.training import OffsetDistillation, VideoClassification
from pyg_video.training.distillation import find_block, region_loss

PARTS = {"channels": (4, 4), "strides": (2, 2), "region_channels": 4, "num_iterations": 1}
MODEL = "dyreg_gnn_sync_mnist"


@pytest.fixture
def teachers(tmp_path):
    """Checkpoints of a teacher for each of two stages, with regions far from their anchors."""
    paths = {}
    for seed, stage in enumerate(("stage1", "stage2"), start=10):
        torch.manual_seed(seed)
        net = create_model(MODEL, num_classes=6, frame_size=16, **PARTS, stages=(stage,), gain=2.0)
        paths[stage] = str(save_model(net, tmp_path / f"teacher_{stage}.safetensors"))
    return paths


@pytest.fixture
def student():
    def make(**options):
        torch.manual_seed(0)
        parts = {**PARTS, "stages": ("stage1", "stage2"), **options}
        return VideoClassification(MODEL, 6, 16, model_options=parts, lr=0.03, warmup_steps=0, weight_decay=0)

    return make


class Gradients(Callback):
    """Which parameters got a gradient in any step."""

    def __init__(self):
        self.reached = set()

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.reached |= {n for n, p in pl_module.net.named_parameters() if p.grad is not None and p.grad.any()}


def fit(trainer, task, data, **options):
    trainer.fit(task, data, **options)
    return task


def spy(monkeypatch):
    """The values of the added loss, step by step."""
    values = []

    def watched(box, target):
        loss = region_loss(box, target)
        values.append(float(loss.detach()))
        return loss

    monkeypatch.setattr("pyg_video.training.distillation.region_loss", watched)
    return values


def test_the_loss_is_the_squared_distance_of_regions():
    box = torch.zeros(1, 2, 1, 4)
    target = torch.tensor([[1.0, 0, 0, 2], [0, 0, 0, 1]]).view(1, 2, 1, 4)
    assert region_loss(box, target) == (1 + 4 + 1) / 2


@pytest.mark.slow
def test_regions_come_closer_to_the_teachers(teachers, student, tiny_data, tiny_trainer, monkeypatch):
    values = spy(monkeypatch)
    callback = OffsetDistillation(teachers, share=1.0)
    fit(tiny_trainer(callback, max_epochs=1), student(), tiny_data(num_train=160))
    assert len(values) == 2 * 40
    assert sum(values[-8:]) < 0.3 * sum(values[:8])


@pytest.mark.slow
def test_it_ends_exactly_after_its_share_of_the_steps(teachers, student, tiny_data, tiny_trainer, monkeypatch):
    values = spy(monkeypatch)
    callback = OffsetDistillation(teachers, share=0.1)
    trainer = tiny_trainer(callback, max_epochs=1)
    task = fit(trainer, student(), tiny_data(num_train=120))
    assert (trainer.global_step, callback.num_steps) == (30, 3)
    assert len(values) == 3 * len(teachers)
    assert task.extra_losses == []
    assert not any(module._forward_pre_hooks for module in task.net.modules())


@pytest.mark.slow
def test_a_share_of_none_is_training_without_teachers(teachers, student, tiny_data, tiny_trainer):
    with_teachers = fit(tiny_trainer(OffsetDistillation(teachers, share=0.0)), student(), tiny_data())
    without = fit(tiny_trainer(folder="without"), student(), tiny_data())
    for name, value in without.state_dict().items():
        torch.testing.assert_close(with_teachers.state_dict()[name], value, rtol=0, atol=0)


def test_gradients_reach_the_builders_alone(teachers, student, tiny_data, tiny_trainer, monkeypatch):
    gradients, task = Gradients(), student()
    monkeypatch.setattr("pyg_video.training.module.F.cross_entropy", lambda scores, *_, **__: 0.0 * scores.sum())
    fit(tiny_trainer(OffsetDistillation(teachers, share=1.0), gradients), task, tiny_data())
    assert {name.rsplit(".builder.")[0] for name in gradients.reached} == {"blocks.stage1", "blocks.stage2"}
    assert any(".builder.generator." in name for name in gradients.reached)


def test_teachers_stay_as_they_are_and_out_of_the_checkpoint(teachers, student, tiny_data, tiny_trainer, tmp_path):
    callback = OffsetDistillation(teachers, share=1.0)
    task = fit(tiny_trainer(callback), student(), tiny_data())
    for teacher, _ in callback._pairs.values():
        assert not teacher.training
        assert not any(p.requires_grad or p.grad is not None for p in teacher.parameters())
    for (teacher, _), path in zip(callback._pairs.values(), teachers.values(), strict=True):
        fresh = load_model(path).state_dict()
        assert all(torch.equal(value, fresh[name]) for name, value in teacher.state_dict().items())
    saved = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["state_dict"].keys() == task.state_dict().keys() == student().state_dict().keys()


@pytest.mark.slow
def test_a_resumed_run_equals_an_uninterrupted_one(teachers, student, tiny_data, tiny_trainer, tmp_path):
    class StopAt(Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            if trainer.current_epoch == 1:
                raise KeyboardInterrupt

    def run(*callbacks, folder, **options):
        trainer = tiny_trainer(OffsetDistillation(teachers, share=0.75), *callbacks, folder=folder, max_epochs=2)
        return fit(trainer, student(), tiny_data(), **options).state_dict()

    want = run(folder="whole")
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run(StopAt(), folder="cut")
    got = run(folder="resumed", ckpt_path=tmp_path / "cut" / "checkpoints" / "last.ckpt")
    assert all(torch.equal(got[name], value) for name, value in want.items())


def test_teachers_are_not_needed_to_test(student, tiny_data, tiny_trainer):
    tiny_trainer(OffsetDistillation({"stage1": "nowhere.safetensors"})).test(student(), tiny_data(), verbose=False)


def test_what_does_not_fit_is_named(teachers, student, tiny_trainer, tiny_data):
    def start(teachers, **options):
        tiny_trainer(OffsetDistillation(teachers)).fit(student(**options), tiny_data())

    with pytest.raises(FileNotFoundError, match=r"nowhere\.safetensors"):
        start({"stage1": "nowhere.safetensors"})
    with pytest.raises(ValueError, match=r"'stage3' to name one of the blocks of the student: blocks\.stage1\.builder"):
        start({"stage3": teachers["stage1"]})
    with pytest.raises(ValueError, match=r"as many regions in block 'stage1' .*got 4 and 9"):
        start({"stage1": teachers["stage1"]}, arrangement=(2, 2))


@pytest.mark.parametrize("options", [{"share": 1.5}, {"share": -0.1}, {"weight": -1.0}, {"teachers": {}}])
def test_impossible_options_are_refused(options):
    with pytest.raises(ValueError, match="Expected '"):
        OffsetDistillation(**{"teachers": {"stage1": "a"}, **options})


def test_endless_training_has_no_share(teachers):
    trainer = SimpleNamespace(estimated_stepping_batches=float("inf"))
    with pytest.raises(ValueError, match="Expected max_epochs or max_steps"):
        OffsetDistillation(teachers).on_train_start(trainer, None)


def test_fixed_regions_cannot_be_taught(teachers, student, tiny_trainer, tiny_data):
    task = student()
    for block in task.net.blocks.values():
        block.builder.requires_grad_(False)
    with pytest.raises(ValueError, match=r"whose block 'blocks\.stage1\.builder' learns its regions"):
        fit(tiny_trainer(OffsetDistillation(teachers, share=1.0)), task, tiny_data())


def test_a_block_is_found_by_its_stage_or_its_whole_name():
    names = {"blocks.stage1.builder": None, "blocks.stage10.builder": None}
    assert (
        find_block(names, "stage1", "x") == find_block(names, "blocks.stage1.builder", "x") == "blocks.stage1.builder"
    )
    with pytest.raises(ValueError, match="to name one of the blocks"):
        find_block(names, "blocks", "x")
