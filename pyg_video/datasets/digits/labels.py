"""Labels of the synchronous digits and their names."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def sync_label(member: Tensor, sync: Tensor, num_digit_classes: int) -> Tensor:
    r"""Label of a clip: the smallest and the largest class among the digits that move together.

    Of :math:`K` classes and :math:`P = K(K-1)/2` pairs, in the order of the published code: a set from class :math:`j`
    to class :math:`i > j` has label :math:`i(i-1)/2 + j`; "nothing" has label :math:`P`; a set of one class :math:`i`
    only has :math:`P + 1 + i`.

    Args:
        member: index of each digit's class in the list of classes.
        sync: which digits move together.
        num_digit_classes: number of classes, :math:`K`.

    Shapes:
        - **member:** :math:`[*, D]`, int64
        - **sync:** :math:`[*, D]`, bool
        - **output:** :math:`[*]`, int64

    Example:
        >>> sync_label(torch.tensor([7, 3, 9]), torch.tensor([True, True, False]), num_digit_classes=10)
        tensor(24)
        >>> sync_label_names(range(10))[24]
        '3 and 7 move together'
    """
    low = member.masked_fill(~sync, num_digit_classes).amin(-1)
    high = member.masked_fill(~sync, -1).amax(-1)
    num_pairs = num_digit_classes * (num_digit_classes - 1) // 2
    pair = high * (high - 1) // 2 + low
    one_class = num_pairs + 1 + low
    return torch.where(sync.any(-1), torch.where(high > low, pair, one_class), num_pairs)


def sync_label_names(classes: Sequence[int]) -> list[str]:
    """Name of every label of ``sync_label``; the k-th name is that of label k.

    Example:
        >>> sync_label_names((3, 7))
        ['3 and 7 move together', 'nothing moves together', '3 and 3 move together', '7 and 7 move together']
    """
    pairs = [sorted((classes[j], classes[i])) for i in range(len(classes)) for j in range(i)]
    names = [f"{a} and {b} move together" for a, b in [*pairs, *zip(classes, classes, strict=True)]]
    return [*names[: len(pairs)], "nothing moves together", *names[len(pairs) :]]
