import math

import pytest
import torch
from torch import nn

from pyg_video._version import __version__
from pyg_video.datasets import SyncMNIST
from pyg_video.evaluation import DigitSource, Score, evaluate
from pyg_video.models import create_model
from pyg_video.training.scoring import choose_device

OPTIONS = {"canvas_size": 16, "frame_size": 16, "digit_size": 6, "num_frames": 2, "random_probability": 0}
TINY = {"frame_size": 16, "channels": (4, 4), "strides": (2, 2)}


def clips(size=30, classes=(0, 1, 2, 3)):
    dataset = SyncMNIST(3, split="test", num_clips=size, classes=classes, **OPTIONS)
    return DigitSource(dataset, "some trajectories", "some digits")


class Oracle(nn.Module):
    """Knows the answers, and is wrong on purpose in some clips: it says the class after the right one."""

    recipe = None

    def __init__(self, scored, wrong=()):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.label = scored.clips.batch(range(len(scored.clips))).label
        self.num_classes = scored.clips.num_classes
        self.wrong = torch.zeros(len(self.label), dtype=torch.long)
        self.wrong[list(wrong)] = 1
        self.seen = 0

    def __deepcopy__(self, memo):  # counts clips on from batch to batch
        return self

    def forward(self, video):
        here = slice(self.seen, self.seen + len(video))
        self.seen += len(video)
        said = (self.label[here] + self.wrong[here]) % self.num_classes
        return nn.functional.one_hot(said, self.num_classes).float()


def test_top1_counts_the_clips_that_are_right():
    scored = clips()
    found = evaluate(Oracle(scored, wrong=[3, 7, 8]), scored, batch_size=4)
    assert found.top1 == Score(right=27, clips=30)
    assert found.top1.standard_error == pytest.approx(math.sqrt(0.9 * 0.1 / 30))


def test_the_confusion_matrix_has_the_truth_in_rows():
    scored = clips()
    found = evaluate(Oracle(scored, wrong=[3]), scored)
    label = scored.clips.batch(range(30)).label
    want = torch.zeros(6, 6, dtype=torch.long)
    for k, true in enumerate(label.tolist()):
        want[true, (true + (k == 3)) % 6] += 1
    assert torch.equal(found.confusion, want)


def test_classes_are_scored_by_themselves():
    scored = clips()
    found = evaluate(Oracle(scored, wrong=[3]), scored)
    label = scored.clips.batch(range(30)).label
    assert list(found.per_class) == scored.clips.label_names
    assert sum(score.clips for score in found.per_class.values()) == 30
    wrong = scored.clips.label_names[label[3]]
    for name, score in found.per_class.items():
        assert score.clips - score.right == (name == wrong)


def test_answers_come_clip_by_clip():
    scored = clips()
    found = evaluate(Oracle(scored, wrong=[3]), scored, batch_size=7).answers
    label = scored.clips.batch(range(30)).label
    assert torch.equal(found.target, label)
    assert (found.label != found.target).nonzero().flatten().tolist() == [3]
    torch.testing.assert_close(found.probability, torch.full((30,), math.e / (math.e + 5)))


def test_top5_counts_the_five_highest_scores():
    scored = clips()

    class Descending(Oracle):
        def forward(self, video):
            return -torch.arange(6.0).expand(len(video), 6)  # 0 first, 5 last

    label = scored.clips.batch(range(30)).label
    found = evaluate(Descending(scored), scored)
    assert found.top1.right == (label == 0).sum()
    assert found.top5.right == (label < 5).sum() < 30


def test_five_classes_or_fewer_have_no_top5():
    scored = clips(size=4, classes=(0, 1, 2))
    assert evaluate(Oracle(scored), scored).top5 is None


def test_a_class_without_clips_has_no_accuracy():
    scored = clips(size=1)
    found = evaluate(Oracle(scored), scored)
    empty = [score for score in found.per_class.values() if not score.clips]
    assert len(empty) == 5
    assert math.isnan(empty[0].share)
    assert math.isnan(empty[0].standard_error)


def test_the_first_clips_only():
    scored = clips()
    found = evaluate(Oracle(scored), scored, num_clips=11, batch_size=4)
    assert found.top1.clips == len(found.answers.label) == 11
    assert found.protocol["clips"] == "the first 11 of 30"


@pytest.mark.parametrize("name", ["cnn_sync_mnist", "dyreg_gnn_sync_mnist", "rstg_sync_mnist"])
def test_batches_make_no_difference(name):
    model, scored = create_model(name, num_classes=6, **TINY), clips(size=10)
    one, all_ = (evaluate(model, scored, batch_size=size) for size in (1, 10))
    assert torch.equal(one.confusion, all_.confusion)
    torch.testing.assert_close(one.answers.probability, all_.answers.probability)


def test_the_model_stays_as_it_is():
    model = create_model("cnn_sync_mnist", num_classes=6, **TINY).train()
    model.head.eval()
    evaluate(model, clips(size=2))
    assert model.training
    assert not model.head.training


def test_bfloat16_is_close_and_named():
    model, scored = create_model("dyreg_gnn_sync_mnist", num_classes=6, **TINY), clips(size=8)
    full, half = (evaluate(model, scored, precision=precision) for precision in ("float32", "bfloat16"))
    assert (full.protocol["precision"], half.protocol["precision"]) == ("float32 on cpu", "bfloat16 on cpu")
    assert not torch.equal(full.answers.probability, half.answers.probability)
    torch.testing.assert_close(full.answers.probability, half.answers.probability, atol=0.01, rtol=0)


def test_the_protocol_stands_beside_the_number():
    model = create_model("cnn_sync_mnist", num_classes=6, **TINY)
    protocol = evaluate(model, clips(), checkpoint="best.safetensors").protocol
    assert tuple(protocol.values()) == (
        "some trajectories",
        "some digits",
        "30, none left out",
        "2 of 16 x 16 pixels, from a canvas of 16; 3 digits",
        "float32 on cpu",
        "cnn_sync_mnist",
        "best.safetensors",
        f"pyg_video {__version__}, torch {torch.__version__}",
    )
    assert list(protocol)[:4] == ["trajectories", "digits", "clips", "frames"]
    assert list(protocol)[4:] == ["precision", "model", "checkpoint", "version"]


def test_a_model_of_other_classes_is_refused():
    with pytest.raises(ValueError, match=r"the 6 classes of the clips apart \(got \[5, 4\] scores for 5 clips\)"):
        evaluate(create_model("cnn_sync_mnist", num_classes=4, **TINY), clips(size=5))


def test_a_diverged_model_is_refused():
    model = create_model("cnn_sync_mnist", num_classes=6, **TINY)
    nn.init.constant_(model.head.linear.bias, math.nan)
    with pytest.raises(ValueError, match="Expected finite scores"):
        evaluate(model, clips(size=5))


@pytest.mark.parametrize("options", [{"num_clips": 0}, {"num_clips": 31}, {"batch_size": 0}, {"num_clips": -1}])
def test_impossible_numbers_of_clips_are_refused(options):
    scored = clips()
    with pytest.raises(ValueError, match="Expected 'num_clips' from 1 to the 30 that there are"):
        evaluate(Oracle(scored), scored, **options)


def test_unknown_precisions_and_devices_are_refused():
    scored = clips()
    with pytest.raises(ValueError, match="'precision' to be one of 'float32', 'bfloat16'"):
        evaluate(Oracle(scored), scored, precision="float16")
    with pytest.raises(ValueError, match=r"'device' to be auto or a device .* \(got 'gpu': "):
        choose_device("gpu")
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in ("cpu", "cuda")


def test_no_bar_unless_asked_for(capsys):
    scored = clips(size=4)
    evaluate(Oracle(scored), scored, progress=True)  # the tests' standard error is no terminal
    assert capsys.readouterr() == ("", "")


def tiny(**options):
    return create_model("cnn_sync_mnist", num_classes=6, **TINY, **options).eval()


class Stops(nn.Module):
    """A model that is interrupted after some batches, and counts their clips."""

    def __init__(self, model, after):
        super().__init__()
        self.model, self.after, self.seen = model, after, []

    def __deepcopy__(self, memo):
        return self  # the evaluation runs a copy

    def forward(self, video):
        if len(self.seen) == self.after:
            raise KeyboardInterrupt
        self.seen.append(len(video))
        return self.model(video)


def test_an_interrupted_evaluation_resumes_where_it_was(tmp_path):
    model, source = tiny(), clips()
    whole = evaluate(model, source)
    first = Stops(model, after=2)
    with pytest.raises(KeyboardInterrupt):
        evaluate(first, source, folder=tmp_path, batch_size=8)
    second = Stops(model, after=9)
    resumed = evaluate(second, source, folder=tmp_path, batch_size=8)
    assert (first.seen, second.seen) == ([8, 8], [8, 6])
    assert torch.equal(resumed.answers.target, whole.answers.target)
    torch.testing.assert_close(resumed.answers.probability, whole.answers.probability)
    third = Stops(model, after=0)
    assert evaluate(third, source, folder=tmp_path).top1 == whole.top1  # complete: nothing to do


def test_the_first_clips_are_not_scored_again_when_all_are(tmp_path):
    model = tiny()
    evaluate(model, clips(), folder=tmp_path, num_clips=20)
    rest = Stops(model, after=9)
    with pytest.raises(ValueError, match="same evaluation .*model 'cnn_sync_mnist' instead of 'Stops'"):
        evaluate(rest, clips(), folder=tmp_path)
    rest.recipe = model.recipe
    with pytest.raises(ValueError, match="same evaluation .*weights"):  # other names of the weights
        evaluate(rest, clips(), folder=tmp_path)
    found = evaluate(Stops(model, after=9), clips(), folder=tmp_path / "new", num_clips=20, batch_size=5)
    assert found.top1.clips == 20
    rest = Stops(model, after=9)
    assert evaluate(rest, clips(), folder=tmp_path / "new", batch_size=5).top1.clips == 30
    assert rest.seen == [5, 5]


def test_scores_of_other_weights_are_not_mixed(tmp_path):
    evaluate(tiny(), clips(), folder=tmp_path, num_clips=3)
    with pytest.raises(ValueError, match="same evaluation .*got others: weights"):
        evaluate(tiny(), clips(), folder=tmp_path, num_clips=3)


@pytest.mark.gpu
def test_a_gpu_gives_the_same_answers():
    model, scored = create_model("dyreg_gnn_sync_mnist", num_classes=6, **TINY), clips()
    there, here = (evaluate(model, scored, device=device) for device in ("cuda", "cpu"))
    assert torch.equal(there.confusion, here.confusion)
    assert there.protocol["precision"] != here.protocol["precision"]
