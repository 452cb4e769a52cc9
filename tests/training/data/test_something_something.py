import csv

import pytest
import torch
from pytorch_lightning import Callback

from pyg_video.backbones import SmallCNN
from pyg_video.cli.main import main
from pyg_video.datasets import VideoClip
from pyg_video.models import PoolHead, VideoClassifier, register_model
from pyg_video.training import SomethingSomethingData, VideoClassification
from pyg_video.training.scoring import class_scores

SMALL = {"num_frames": 3, "frame_size": 28, "test_frame": 32, "batch_size": 4, "num_workers": 0}


@register_model
def tiny_rgb(num_classes: int = 174, *, frame_size: int = 28) -> VideoClassifier:
    return VideoClassifier(SmallCNN(3, (4, 4), (2, 2)), PoolHead(4, num_classes))


@pytest.fixture
def tiny(something_v2):
    def make(**options):
        return SomethingSomethingData(str(something_v2), **{**SMALL, **options})

    return make


def test_the_data_know_their_classes(tiny):
    data = tiny()
    assert (data.num_classes, len(data.label_names), data.frame_size, data.num_train) == (174, 174, 28, 6)


def test_batches_of_training_and_validation(tiny):
    batch = next(iter(tiny().train_dataloader()))
    assert batch.video.shape == (4, 3, 3, 28, 28)
    assert batch.video.dtype == torch.float32
    assert batch.box.shape == (4, 3, 0, 4)
    seen = torch.cat([batch.number for batch in tiny().val_dataloader()])
    assert seen.tolist() == [0, 1, 2]


def test_the_test_has_six_views_of_every_validation_video(tiny):
    batches = list(tiny().test_dataloader())
    assert batches[0].video.shape == (2, 6, 3, 3, 32, 32)
    assert torch.cat([batch.number for batch in batches]).tolist() == [0, 1, 2]
    assert next(iter(tiny(test_clips=1, test_crops=1).test_dataloader())).video.shape == (3, 3, 3, 32, 32)
    assert next(iter(tiny(test_split="test").predict_dataloader())).label.tolist() == [-1]
    with pytest.raises(ValueError, match="labels of the test videos to score them"):
        tiny(test_split="test").test_dataloader()


def test_flips_swap_left_and_right(tiny):
    labels = {int(label) for batch in tiny(flip=1.0).train_dataloader() for label in batch.label}
    assert labels == {94, 93, 87, 0, 1, 167}  # of 93, 94, 86, 0, 1 and 166


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_training_epoch_depends_on_seed_and_epoch_alone(tiny, num_workers):
    def epoch(number, **options):
        loader = tiny(num_workers=num_workers, **options).train_dataloader()
        loader.sampler.set_epoch(number)
        return torch.cat([batch.video for batch in loader])

    alone = tiny().train_dataloader()
    alone.sampler.set_epoch(2)
    assert torch.equal(epoch(2), torch.cat([batch.video for batch in alone]))
    assert not torch.equal(epoch(2), epoch(3))
    assert not torch.equal(epoch(2), epoch(2, seed=1))


class Losses(Callback):
    def __init__(self):
        self.seen, self.order = [], []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.seen.append(outputs["loss"].item())
        self.order += batch.number.tolist()


class Cut(Callback):
    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            raise ConnectionError


def task():
    torch.manual_seed(0)
    return VideoClassification("tiny_rgb", 174, 28, warmup_steps=1)


@pytest.mark.slow
def test_a_resumed_run_equals_one_that_was_never_interrupted(tiny, tiny_trainer, tmp_path):
    whole, resumed = Losses(), Losses()
    tiny_trainer(whole, folder="whole", max_epochs=3).fit(task(), tiny())
    with pytest.raises(ConnectionError):
        tiny_trainer(Cut(), folder="part", max_epochs=3).fit(task(), tiny())
    last = next((tmp_path / "part").rglob("last.ckpt"))
    tiny_trainer(resumed, folder="rest", max_epochs=3).fit(task(), tiny(), ckpt_path=last)
    assert len(whole.seen) == 6
    assert len({tuple(whole.order[i : i + 6]) for i in (0, 6, 12)}) == 3
    assert resumed.seen == whole.seen[2:]


def test_scores_of_views_are_averaged():
    module = task().eval()
    video = torch.rand(2, 6, 3, 3, 32, 32)
    expected = torch.stack([module(view) for view in video.unbind(1)]).mean(0)
    none = torch.empty(0)
    assert torch.allclose(class_scores(module, VideoClip(video, none, none, none)), expected, atol=1e-6)


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["pyg-video"])
        monkeypatch.chdir(tmp_path)
        code = main(list(map(str, arguments)))
        return code, capsys.readouterr().err

    return run


@pytest.mark.slow
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_one_command_each_to_train_resume_test_and_predict(request, command, tmp_path, version):
    root = request.getfixturevalue(f"something_{version}")
    run = [
        *("--data=SomethingSomethingData", f"--data.root={root}", f"--data.version={version}"),
        *(f"--data.{name}={value}" for name, value in SMALL.items()),
        "--model.model=tiny_rgb",
        *("--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"),
        "--trainer.log_every_n_steps=1",
    ]
    assert command("fit", *run, "--trainer.max_epochs=1") == (0, "")
    last = tmp_path / "runs" / "version_0" / "checkpoints" / "last.ckpt"
    assert command("fit", *run, "--trainer.max_epochs=2", f"--ckpt_path={last}")[0] == 0
    for name in ("validate", "test", "predict"):
        assert command(name, *run, f"--ckpt_path={last}")[0] == 0
    table = list(csv.DictReader((tmp_path / "runs" / "predictions.csv").read_text().splitlines()))
    assert [row["target"] for row in table] == ["93", "2", "3"] if version == "v2" else len(table) == 3


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_damaged_video_ends_in_one_line_that_names_it(command, something_v2, num_workers):
    path = something_v2 / "20bn-something-something-v2" / "103.webm"
    path.write_bytes(path.read_bytes()[:400])
    code, error = command(
        *("fit", "--data=SomethingSomethingData", f"--data.root={something_v2}", "--model.model=tiny_rgb"),
        *("--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false"),
        *("--data.frame_size=28", "--data.num_frames=3", f"--data.num_workers={num_workers}", "--trainer.logger=false"),
        *("--trainer.enable_model_summary=false", "--trainer.num_sanity_val_steps=0", "--trainer.max_epochs=1"),
    )
    assert (code, error.count("\n")) == (2, 1), error
    assert error.startswith(f"pyg-video: error: Expected a whole video in '{path}' (got a truncated file")


def test_wrong_folders_end_in_one_line(command, tmp_path):
    code, error = command("fit", "--data=SomethingSomethingData", f"--data.root={tmp_path}", "--model.model=x")
    assert (code, error.count("\n")) == (2, 1), error
    assert "Expected Something-Something v2 in 'root', with something-something-v2-labels.json" in error
