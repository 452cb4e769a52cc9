from itertools import combinations

import pytest
import torch

from pyg_video.datasets.digits.labels import sync_label, sync_label_names


@pytest.mark.parametrize("num_classes", [2, 5, 10])
def test_each_pair_has_its_own_label_and_name(num_classes):
    pairs = list(combinations(range(num_classes), 2))
    both = torch.ones(len(pairs), 2, dtype=torch.bool)
    label = sync_label(torch.tensor(pairs), both, num_classes)
    assert sorted(label.tolist()) == list(range(len(pairs)))
    names = sync_label_names(range(num_classes))
    assert [names[k] for k in label] == [f"{a} and {b} move together" for a, b in pairs]


@pytest.mark.parametrize(
    ("member", "sync", "name"),
    [
        ([7, 3, 9], [1, 1, 0], "3 and 7 move together"),
        ([3, 7, 9], [1, 1, 0], "3 and 7 move together"),
        ([9, 4, 0], [1, 1, 1], "0 and 9 move together"),
        ([4, 0, 4], [1, 0, 1], "4 and 4 move together"),
        ([1, 2, 3], [0, 0, 0], "nothing moves together"),
    ],
)
def test_the_label_names_the_least_and_the_greatest_member(member, sync, name):
    label = sync_label(torch.tensor(member), torch.tensor(sync, dtype=torch.bool), 10)
    assert sync_label_names(range(10))[label] == name


def test_the_published_order_of_labels():
    names = sync_label_names(range(10))
    assert len(names) == 56
    assert (names[0], names[44], names[45], names[46]) == (
        "0 and 1 move together",
        "8 and 9 move together",
        "nothing moves together",
        "0 and 0 move together",
    )


def test_names_use_the_given_classes():
    assert sync_label_names((7, 3, 8))[:3] == [f"{pair} move together" for pair in ("3 and 7", "7 and 8", "3 and 8")]
