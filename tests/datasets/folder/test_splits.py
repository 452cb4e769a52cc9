from pathlib import Path

import pytest

from pyg_video.datasets.folder.lists import VideoEntry
from pyg_video.datasets.folder.splits import in_split

SPLITS = ("train", "val", "test")


def many(number=1000, label="cat"):
    return [VideoEntry(Path(f"{label}{k}.mp4"), label, group=f"{label} {k // 5}") for k in range(number)]


def test_groups_stay_together_and_every_class_has_its_shares():
    entries = many() + many(100, "dog")
    splits = {split: in_split(entries, split, shares=(0.1, 0.3)) for split in SPLITS}
    groups = [{entry.group for entry in chosen} for chosen in splits.values()]
    assert sum(map(len, splits.values())) == 1100
    assert sum(map(len, groups)) == len(set.union(*groups)) == 220
    for label, number in (("cat", 1000), ("dog", 100)):
        shares = [sum(entry.label == label for entry in splits[split]) / number for split in SPLITS]
        assert shares == [0.6, 0.1, 0.3]


def test_splits_depend_on_the_seed_and_not_on_the_order():
    entries = many(100)
    chosen = {entry.path for entry in in_split(entries, "test")}
    assert {entry.path for entry in in_split(entries[::-1], "test")} == chosen
    assert {entry.path for entry in in_split(entries, "test", seed=1)} != chosen


def test_other_classes_do_not_move_a_video():
    assert set(in_split(many(), "val")) < set(in_split(many() + many(70, "dog"), "val"))


@pytest.mark.parametrize(("number", "sizes"), [(1, [1, 0, 0]), (2, [2, 0, 0]), (3, [1, 1, 1]), (10, [6, 2, 2])])
def test_small_classes_are_in_all_splits_if_they_can_be(number, sizes):
    entries = [VideoEntry(Path(f"{k}"), "cat", group=f"{k}") for k in range(number)] + many(50, "dog")
    found = [sum(entry.label == "cat" for entry in in_split(entries, split)) for split in SPLITS]
    assert found == sizes


def test_a_group_counts_for_its_most_frequent_class():
    entries = [VideoEntry(Path(f"{k}"), "cat" if k % 3 else "dog", group=f"{k // 3}") for k in range(60)]
    splits = [in_split(entries, split) for split in SPLITS]
    assert [len(chosen) for chosen in splits] == [42, 9, 9]
    assert [sum(entry.label == "dog" for entry in chosen) for chosen in splits] == [14, 3, 3]


@pytest.mark.parametrize("options", [{}, {"fold": 0}])
def test_a_group_in_two_splits_is_refused(options):
    entries = [
        VideoEntry(Path("a"), "cat", 0, 5, "day", 0, "train"),
        VideoEntry(Path("a"), "cat", 5, 9, "day", 1, "val"),
    ]
    with pytest.raises(ValueError, match=r"in one split .got 'day' in (train|test) and val.; mend the list"):
        in_split(entries, "train", **options)


def test_folds_take_turns():
    entries = [VideoEntry(Path(f"{fold}"), "cat", fold=fold) for fold in (0, 1, 2, 3, -1)]
    for fold, (val, train) in enumerate([(1, [2, 3]), (2, [0, 3]), (3, [0, 1]), (0, [1, 2])]):
        found = {split: [one.fold for one in in_split(entries, split, fold=fold)] for split in ("test", "val", "train")}
        assert found == {"test": [fold], "val": [val], "train": train}
    with pytest.raises(ValueError, match=r"'fold' among those of the list, \[0, 1, 2, 3\] .got 7"):
        in_split(entries, "test", fold=7)


def test_a_list_may_say_the_splits():
    entries = [VideoEntry(Path(f"{k}"), "cat", split=split) for k, split in enumerate(("train", "test", "test", ""))]
    assert len(in_split(entries, "test")) == 2
    with pytest.raises(ValueError, match="videos in the split 'val' .got none of 4"):
        in_split(entries, "val")


def test_parts_of_a_video_are_in_one_split_whatever_their_groups():
    parts = [VideoEntry(Path("v/a"), "cat", group="day", split="train"), VideoEntry(Path("v/./a"), "cat", split="test")]
    with pytest.raises(ValueError, match=r"every video, in one split .got 'v/a' in train and test"):
        in_split(parts, "train")


def test_three_groups_are_in_three_splits_whatever_the_shares():
    entries = [VideoEntry(Path(f"{k}"), "cat", group=f"{k}") for k in range(3)]
    assert [len(in_split(entries, split, shares=(0.15, 0.5))) for split in SPLITS] == [1, 1, 1]
