import pytest
import torch

from pyg_video.datasets.counter_random import clip_key
from pyg_video.datasets.digits.plans import RandomPlan, any_classes, any_set, distinct_classes, one_pair

KEY = clip_key(0, torch.arange(2000))
TARGET = torch.arange(40) % 4
GOOD = {
    "num_digits": 3,
    "num_frames": 2,
    "canvas_size": 30,
    "digit_size": 10,
    "motion": "jumps",
    "max_step": 4,
    "random_probability": 0.25,
    "seed": 0,
}


def test_distinct_classes_are_different_and_equally_frequent():
    chosen = distinct_classes(KEY, 10, 5)
    assert (chosen.sort(1).values.diff(dim=1) > 0).all()
    assert (chosen.flatten().bincount() / len(KEY) - 0.5).abs().max() < 0.05


def test_any_classes_repeat():
    chosen = any_classes(KEY, 10, 5).sort(1).values
    assert 0.6 < (chosen.diff(dim=1) == 0).any(1).float().mean() < 0.8  # expected: 0.698


def test_every_pair_of_places_is_equally_likely():
    pair = one_pair(KEY, 3)
    assert (pair.sum(1) == 2).all()
    assert (pair.float().mean(0) - 2 / 3).abs().max() < 0.05


def test_sets_of_two_to_all_are_equally_frequent():
    size = any_set(KEY, 5).sum(1)
    assert (size.bincount()[2:] / len(KEY) - 0.25).abs().max() < 0.04
    assert size.unique().tolist() == [2, 3, 4, 5]


def test_a_plan_uses_all_images_of_the_classes_and_no_others():
    plan = RandomPlan(TARGET, (3, 0, 1), distinct_classes, one_pair, **GOOD)(torch.arange(2000))
    assert plan.image.unique().tolist() == [k for k in range(40) if k % 4 != 2]
    assert (TARGET[plan.image].sort(1).values == torch.tensor([0, 1, 3])).all()


def test_nothing_moves_together_as_often_as_asked():
    plan = RandomPlan(TARGET, range(4), distinct_classes, one_pair, **GOOD)(torch.arange(2000))
    assert abs((~plan.sync.any(1)).float().mean() - 0.25) < 0.03


@pytest.mark.parametrize("motion", ["jumps", "smooth"])
def test_a_curriculum_begins_with_long_steps_and_ends_with_those_without_it(motion):
    options = GOOD | {"motion": motion, "num_frames": 9}
    plain, eased = (
        RandomPlan(TARGET, range(4), distinct_classes, one_pair, **options, curriculum=curriculum)
        for curriculum in (None, (12, 3000))
    )
    longest = [eased(torch.arange(k, k + 500)).position.diff(dim=1).abs().max() for k in (0, 1500, 2500)]
    assert 9 < longest[0] <= 12
    assert longest[0] > longest[1] > longest[2] > 4
    late = torch.arange(3000, 3100)
    assert torch.equal(eased(late).position, plain(late).position)


def test_a_clip_of_a_curriculum_does_not_depend_on_its_batch():
    plan = RandomPlan(TARGET, range(4), distinct_classes, one_pair, **GOOD, curriculum=(12, 100))
    assert torch.equal(plan(torch.arange(50)).position[7:8], plan(torch.tensor([7])).position)


@pytest.mark.parametrize("curriculum", [(3, 100), (12, 0)])
def test_a_curriculum_that_is_none_is_refused(curriculum):
    with pytest.raises(ValueError, match="'curriculum' to be a step of at least max_step = 4 and a number of clips"):
        RandomPlan(TARGET, range(4), distinct_classes, one_pair, **GOOD, curriculum=curriculum)


def test_salt_separates_the_splits():
    first, second = (
        RandomPlan(TARGET, range(4), distinct_classes, one_pair, **GOOD, salt=salt)(torch.arange(100))
        for salt in (0, 1)
    )
    assert (first.position != second.position).any(dim=(1, 2, 3)).all()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"num_digits": 1}, "'num_digits' to be at least 2"),
        ({"num_frames": 0}, "'num_frames' to be at least 1 .*got 0"),
        ({"digit_size": 31}, "'digit_size' to be at most the canvas, 30 .*got 31.*enlarge 'canvas_size'"),
        ({"motion": "fly"}, r"'motion' to be one of \('jumps', 'smooth'\) \(got 'fly'\)"),
        ({"max_step": 0}, "'max_step' to be at least 1"),
        ({"random_probability": 1.5}, r"'random_probability' to lie in \[0, 1\]"),
    ],
)
def test_impossible_plans_are_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        RandomPlan(TARGET, range(4), distinct_classes, one_pair, **GOOD | bad)


@pytest.mark.parametrize("classes", [(0, 0, 1), (0, 1, 7), (1,)])
def test_impossible_classes_are_refused(classes):
    with pytest.raises(ValueError, match=r"'classes' to be two or more different digits among \[0, 1, 2, 3\]"):
        RandomPlan(TARGET, classes, distinct_classes, one_pair, **GOOD)
