"""Which videos are for training, validation and test."""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence

from .lists import VideoEntry


def in_split(
    entries: Sequence[VideoEntry],
    split: str,
    *,
    shares: tuple[float, float] = (0.15, 0.15),
    fold: int | None = None,
    seed: int = 0,
) -> list[VideoEntry]:
    """The entries of a split: as their list says, by folds, or else by their groups. No group is in two splits.

    With folds, ``fold`` is the test split, the next one the validation split, and the others are for training.
    Otherwise the groups of each class are put into an order that depends on the seed and their names only, and the
    first one is for training, the next ones for the test, then for validation, the others for training; of three groups
    or more, one at least for each. A group of several classes counts for the most frequent one.

    Args:
        entries: all videos.
        split: ``"train"``, ``"val"`` or ``"test"``.
        shares: of the groups of every class, for validation and test.
        fold: the fold to test on.
        seed: of the order of the groups.

    Raises:
        ValueError: the split is empty, a group is in two of them, or ``fold`` is none of the folds.
    """
    if fold is not None:
        folds = sorted({entry.fold for entry in entries} - {-1})
        if fold not in folds or len(folds) < 2:
            raise ValueError(f"Expected 'fold' among those of the list, {folds} (got {fold})")
        following = folds[(folds.index(fold) + 1) % len(folds)]
        place = {fold: "test", following: "val", -1: ""}
        splits = [place.get(entry.fold, "train") for entry in entries]
    elif any(entry.split for entry in entries):
        splits = [entry.split for entry in entries]
    else:
        by_group = _stratified(entries, shares, seed)
        splits = [by_group[entry.group] for entry in entries]
    _check_groups(entries, splits)
    chosen = [entry for entry, own in zip(entries, splits, strict=True) if own == split]
    if not chosen:
        raise ValueError(
            f"Expected videos in the split '{split}' (got none of {len(entries)}); set a share or the splits"
        )
    return chosen


def _stratified(entries: Sequence[VideoEntry], shares: tuple[float, float], seed: int) -> dict[str, str]:
    """The split of every group."""
    labels: dict[str, Counter[str]] = {}
    for entry in entries:
        labels.setdefault(entry.group, Counter())[entry.label] += 1
    strata: dict[str, list[str]] = {}
    for group, count in labels.items():
        strata.setdefault(min(count, key=lambda label: (-count[label], label)), []).append(group)
    splits: dict[str, str] = {}
    for groups in strata.values():
        groups.sort(key=lambda group: _checksum(f"{seed} {group}"))
        val, test = (_number(share, len(groups)) for share in shares)
        if len(groups) >= 3:
            test = min(test, len(groups) - 1 - min(val, 1))
        names = ["train"] + ["test"] * test + ["val"] * val + ["train"] * len(groups)
        splits.update(zip(groups, names, strict=False))
    return splits


def _number(share: float, total: int) -> int:
    """A share of a number of groups, rounded; at least one where there are enough."""
    return max(round(share * total), int(share > 0 and total >= 3))


def _checksum(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def _check_groups(entries: Sequence[VideoEntry], splits: Sequence[str]) -> None:
    for names in ([entry.group for entry in entries], [os.path.normpath(entry.path) for entry in entries]):
        seen: dict[str, str] = {}
        for name, split in zip(names, splits, strict=True):
            if name and split and seen.setdefault(name, split) != split:
                raise ValueError(
                    f"Expected every group, and every video, in one split (got '{name}' in {seen[name]} and {split}); "
                    "mend the list, or its column group"
                )
