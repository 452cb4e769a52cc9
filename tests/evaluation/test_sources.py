import csv
import json
from typing import NamedTuple

import pytest
import torch
from safetensors.torch import load_file

from pyg_video.backbones import SmallCNN
from pyg_video.checkpoints import save_model
from pyg_video.cli.main import main
from pyg_video.evaluation import VideoSource, configured_clips, evaluate, scores
from pyg_video.evaluation.scores import ClipScores
from pyg_video.models import PoolHead, VideoClassifier, create_model, register_model
from pyg_video.training import SomethingSomethingData, VideoClassification, VideoData

SMALL = {"num_frames": 2, "frame_size": 28, "test_frame": 32, "batch_size": 4, "num_workers": 0, "test_batch_size": 1}


@register_model
def small_rgb(num_classes: int = 174, *, frame_size: int = 28) -> VideoClassifier:
    return VideoClassifier(SmallCNN(3, (4, 4), (2, 2)), PoolHead(4, num_classes))


@pytest.fixture
def data(something_v2):
    def make(**options):
        return VideoSource(SomethingSomethingData(str(something_v2), **{**SMALL, **options}))

    return make


@pytest.fixture
def model():
    return create_model("small_rgb").eval()


def test_the_views_of_every_video_are_averaged(model, data, tmp_path):
    found = evaluate(model, data(), folder=tmp_path)
    videos = data().data.test
    for number in range(3):
        scores = torch.stack([model(view[None])[0] for view in videos[number].video])
        assert len(scores) == 6
        probability, label = scores.mean(0).softmax(0).max(0)
        assert found.answers.label[number] == label
        torch.testing.assert_close(found.answers.probability[number], probability)
    assert found.answers.target.tolist() == [93, 2, 3]
    assert found.ids == ("106", "107", "108")
    assert found.top1.clips == found.top5.clips == int(found.confusion.sum()) == 3
    assert found.protocol["views"] == "3 crops x 2 clips a video, scores averaged"
    assert found.protocol["frames"] == "2 of 32 x 32 pixels, sampling by segments"
    assert found.protocol["videos"] == "Something-Something v2, validation split, 3, none left out"


def test_a_model_that_is_always_right_scores_all(data, tmp_path):
    class Knows(torch.nn.Module):
        recipe, labels, at = None, (93, 2, 3), 0

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, video):
            scores = torch.nn.functional.one_hot(torch.tensor(self.labels[self.at]), 174).float()
            self.at += 1
            return scores.expand(len(video), -1)

    found = evaluate(Knows(), data(), folder=tmp_path)
    assert (found.top1.right, found.top5.right) == (3, 3)


def test_scores_are_written_on_the_way(model, data, tmp_path, monkeypatch):
    monkeypatch.setattr(scores, "_EVERY", 0.0)
    written = []
    monkeypatch.setattr(ClipScores, "write", lambda self: written.append(len(self.missing())))
    evaluate(model, data(), folder=tmp_path)
    assert written == [2, 1, 0, 0]  # after every batch of one video, and at the end


def test_scores_by_another_protocol_are_not_mixed(model, data, tmp_path):
    evaluate(model, data(), folder=tmp_path)
    with pytest.raises(ValueError, match="same evaluation .*got others: views '3 crops x 2 clips"):
        evaluate(model, data(test_crops=1), folder=tmp_path)
    with pytest.raises(ValueError, match="same evaluation .*got others: checkpoint"):
        evaluate(model, data(), folder=tmp_path, checkpoint="other")


def test_only_the_videos_of_the_split_need_be_there(model, data, something_v2, tmp_path):
    for number in range(100, 106):  # those of training
        (something_v2 / "20bn-something-something-v2" / f"{number}.webm").unlink()
    assert evaluate(model, data(), folder=tmp_path).top1.clips == 3


def test_what_cannot_be_scored_is_refused(model, data, tmp_path):
    with pytest.raises(ValueError, match="labels of the test videos to score them"):
        evaluate(model, data(test_split="test"), folder=tmp_path)
    with pytest.raises(ValueError, match="'num_clips' from 1 to the 3"):
        evaluate(model, data(), folder=tmp_path, num_clips=4)
    with pytest.raises(ValueError, match="tell the 174 classes"):
        evaluate(create_model("small_rgb", num_classes=5), data(), folder=tmp_path)
    with torch.no_grad():
        model.head.linear.bias.fill_(torch.nan)
    with pytest.raises(ValueError, match="Expected finite scores"):
        evaluate(model, data(), folder=tmp_path / "nan")


@pytest.fixture
def command(capsys, tmp_path, something_v2, model):
    """Runs ``pyg-video evaluate`` on the three videos."""
    options = "".join(f"    {name}: {value}\n" for name, value in SMALL.items())
    text = f"data:\n  class_path: SomethingSomethingData\n  init_args:\n    root: nowhere\n{options}"
    (tmp_path / "run.yaml").write_text(text)
    path = save_model(model, tmp_path / "small.safetensors")

    def run(*arguments):
        fixed = ("--config", tmp_path / "run.yaml", "--checkpoint", path, "--root", something_v2)
        code = main(list(map(str, ("evaluate", *fixed, "--output", tmp_path / "out", *arguments))))
        return code, *capsys.readouterr()

    return run


def test_one_command_prints_the_protocol_and_writes_the_tables(command, tmp_path):
    code, printed, error = command()
    assert (code, error) == (0, "")
    assert printed.startswith("top-1 ")
    assert "views         3 crops x 2 clips a video, scores averaged\n" in printed
    record = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert record["protocol"]["frames"] == "2 of 32 x 32 pixels, sampling by segments"
    rows = list(csv.DictReader((tmp_path / "out" / "predictions.csv").read_text().splitlines()))
    assert [(row["clip"], row["target"]) for row in rows] == [("106", "93"), ("107", "2"), ("108", "3")]
    classes = list(csv.DictReader((tmp_path / "out" / "per_class.csv").read_text().splitlines()))
    assert sum(int(row["clips"]) for row in classes) == 3
    assert len(classes) == 174


def test_ctrl_c_says_how_to_go_on(command, monkeypatch):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("pyg_video.datasets.SomethingSomething.__getitem__", stop)
    code, _, error = command()
    assert (code, error) == (130, "\nStopped; the scores so far are kept, and the same command resumes from there.\n")


def test_a_damaged_video_ends_in_one_line_and_what_was_scored_is_kept(command, something_v2, tmp_path):
    path = something_v2 / "20bn-something-something-v2" / "107.webm"
    whole = path.read_bytes()
    path.write_bytes(whole[:400])
    code, _, error = command("--batch-size", 1)
    assert (code, error.count("\n")) == (2, 1), error
    assert f"Expected a whole video in '{path}'" in error
    kept = load_file(tmp_path / "out" / "clip_scores.safetensors")["scores"]
    assert kept.isfinite().all(dim=1).tolist() == [True, False, False]
    path.write_bytes(whole)
    assert command("--batch-size", 1)[0] == 0


class Blinks(NamedTuple):
    """Clips that are bright in the first or in the last frame."""

    video: torch.Tensor
    label: torch.Tensor


class BlinkSet:
    def __len__(self):
        return 10

    def batch(self, keys):
        numbers = torch.tensor([key[-1] if isinstance(key, tuple) else key for key in keys])
        video = torch.zeros(len(keys), 2, 1, 8, 8)
        video[torch.arange(len(keys)), numbers % 2] = 1.0
        return Blinks(video, numbers % 2)


class BlinkData(VideoData):
    def __init__(self, batch_size: int = 4) -> None:
        super().__init__()
        self.train = self.val = self.test = BlinkSet()
        self.label_names, self.frame_size, self.num_frames = ("first", "last"), 8, 2
        self.num_train, self.batch_size, self.num_workers = 10, batch_size, 0


def test_data_of_your_own_needs_its_attributes_to_train_and_to_be_scored(tmp_path, tiny_trainer):
    task = VideoClassification("cnn_sync_mnist", 2, 8, model_options={"channels": (4,), "strides": (2,)})
    tiny_trainer(max_epochs=1).fit(task, BlinkData())
    (tmp_path / "run.yaml").write_text("data: {class_path: anywhere.BlinkData, init_args: {batch_size: 3}}")
    clips = configured_clips(tmp_path / "run.yaml")
    found = evaluate(task.net.eval(), clips)
    assert (len(found.answers.label), found.answers.target.tolist()) == (10, [0, 1] * 5)
    assert "test clips of BlinkData, 10, none left out" in found.protocol.values()
    (tmp_path / "other.yaml").write_text("data: {class_path: anywhere.Unknown}")
    with pytest.raises(ValueError, match="BlinkData.*with Unknown.*--import for data of your own"):
        configured_clips(tmp_path / "other.yaml")
