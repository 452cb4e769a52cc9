import math

import pytest
import torch

from pyg_video.evaluation import Score, judge

NAMES = [f"class {k}" for k in range(6)]


def test_a_score_is_a_share_with_its_standard_error():
    score = Score(right=9, clips=10)
    assert score.share == 0.9
    assert score.standard_error == pytest.approx(math.sqrt(0.9 * 0.1 / 10))
    assert str(score) == "90.0 % ± 9.5 %"
    assert str(Score(0, 0)) == "no clips"


def test_judging_by_hand():
    scores = torch.eye(6)[[0, 1, 1, 5]]
    target = torch.tensor([0, 1, 2, 5])
    found = judge(scores, target, NAMES, protocol={"clips": "4"}, ids=["a", "b", "c", "d"])
    assert found.top1 == Score(3, 4)
    assert found.per_class == {
        name: Score(*pair) for name, pair in zip(NAMES, [(1, 1), (1, 1), (0, 1), (0, 0), (0, 0), (1, 1)], strict=True)
    }
    assert found.confusion.nonzero().tolist() == [[0, 0], [1, 1], [2, 1], [5, 5]]
    assert found.answers.label.tolist() == [0, 1, 1, 5]
    torch.testing.assert_close(found.answers.probability, torch.full((4,), math.e / (math.e + 5)))
    assert (found.protocol, found.ids) == ({"clips": "4"}, ("a", "b", "c", "d"))


def test_accuracies_equal_those_of_torchmetrics():
    from torchmetrics.functional.classification import multiclass_accuracy, multiclass_confusion_matrix

    scores, target = torch.randn(200, 6), torch.randint(6, (200,))
    found = judge(scores, target, NAMES)
    assert torch.equal(found.confusion, multiclass_confusion_matrix(scores, target, 6))
    top5 = multiclass_accuracy(scores, target, 6, top_k=5, average="micro")
    assert found.top5.share == pytest.approx(float(top5))


def test_a_whole_video_counts_once_by_the_mean_of_its_parts():
    share = torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6], [0.2, 0.8], [0.6, 0.4]])
    target = torch.tensor([0, 0, 0, 1, 1])
    found = judge(share.log(), target, ["a", "b"], part_of=[0, 0, 0, 4, 4])
    assert (found.top1, found.whole) == (Score(2, 5), Score(2, 2))
    assert judge(share.log(), target, ["a", "b"]).whole is None
