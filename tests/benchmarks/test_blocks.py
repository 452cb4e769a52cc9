"""What is compared computes the same thing."""

import pytest
import torch
from blocks import check, differences, dyreg_case
from curves import rstg_case


@pytest.mark.parametrize(("side", "deep"), [(7, False), (14, True), (28, False)])
def test_released_code_and_plain_pyg_compute_our_dyreg_block(side, deep):
    torch.manual_seed(0)
    found = differences(dyreg_case(8, side, deep=deep, clips=2, frames=3))
    assert found.keys() == {"released", "pyg"}
    assert max(found.values()) < 1e-10


def test_other_numbers_of_regions():
    torch.manual_seed(0)
    assert max(differences(dyreg_case(8, 7, rows=2, clips=2, frames=3)).values()) < 1e-10


def test_plain_pyg_and_dense_stages_compute_our_rstg_block_and_all_pairs_the_released_one():
    torch.manual_seed(0)
    found = differences(rstg_case(16, clips=2, frames=3))
    assert found.keys() == {"ours_all_pairs", "pyg", "ours_dense"}
    assert max(found.values()) < 1e-10


@pytest.mark.parametrize("part", ["builder.gain", "processor.1.space.send.weight", "processor.1.time.weight_hh_l0"])
def test_other_weights_are_noticed(part):
    torch.manual_seed(0)
    case = dyreg_case(8, 7, clips=2, frames=3)
    weight = case.ways["ours"].module.get_parameter(part)
    with torch.no_grad():
        weight.mul_(1.01)
    with pytest.raises(RuntimeError, match="Expected (released|pyg) to agree with ours"):
        check(case)


def test_the_rest_of_a_block_is_shared_with_the_transformer():
    ways = dyreg_case(8, 7, clips=1, frames=2).ways
    ours, other = ways["ours"].module, ways["transformer"].module
    assert other.builder is ours.builder
    assert other.processor is not ours.processor
