from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch

from pyg_video.attachment.outputs import element, shown, tensors_in, told_grid, with_element

A, B, C = torch.zeros(1), torch.zeros(2), torch.zeros(3)


class Named(NamedTuple):
    first: Any
    second: Any


@dataclass
class Fields:
    first: Any
    second: Any = None


@pytest.mark.parametrize(
    "output",
    [
        (A, (B, C)), [A, [B, C]], Named(A, (B, C)), Fields(A, [B, C]), {"a": A, "b": {"c": B, "d": C}},
        OrderedDict(a=None, b=A, c=Named(B, C)), (None, 3, A, "text", {"x": Fields(B, C)}),
    ],
)  # fmt: skip
def test_every_tensor_is_found_and_can_be_exchanged(output):
    found = list(tensors_in(output))
    assert [tensor.numel() for _, tensor in found] == [1, 2, 3]
    for keys, tensor in found:
        assert element(output, keys) is tensor
        changed = with_element(output, keys, torch.zeros(4))
        assert type(changed) is type(output)
        others = [other for other in found if other[0] != keys]
        assert element(changed, keys).numel() == 4
        assert all(element(changed, way) is value for way, value in others)
        assert element(output, keys) is tensor


def test_a_tensor_is_its_own_output():
    assert list(tensors_in(A)) == [((), A)]
    assert element(A, ()) is A
    assert with_element(A, (), B) is B
    assert shown(()) == ""


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ((2,), r"Expected an output with a part 2 .got tuple of \[0, 1\]"),
        ((1, "x"), r"Expected an output with a part 'x' .got dict of \['y'\]"),
        ((1,), r"Expected a module that gives a tensor\[1\] .got dict"),
    ],
)
def test_a_way_that_leads_nowhere_is_refused(keys, message):
    with pytest.raises(ValueError, match=message):
        element((A, {"y": B}), keys)


def test_a_grid_is_told_by_whole_numbers_alone():
    assert told_grid((A, (2, 3))) == told_grid((A, 2, 3)) == (2, 3)
    assert told_grid((A, None)) == told_grid((A, (B, C))) == told_grid(A) == told_grid((A, [2, 3])) == ()
