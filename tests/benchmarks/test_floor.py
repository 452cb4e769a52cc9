"""Operators are counted with what they work on."""

import torch
from blocks import dyreg_case
from floor import kind, parts
from measuring import Step
from torch.profiler import ProfilerActivity, profile

from pyg_video.layers import TemporalRNN


def kinds(module, x, num_values=-1):
    """The kind of every operator of a call, by name."""
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
        module(x)
    return {event.name: kind(event, num_values) for event in profiler.events()}


def test_a_block_has_operators_of_all_kinds():
    case = dyreg_case(8, 7, clips=2, frames=3)
    assert parts(Step(case.ways["ours"], case.x, backward=True), rounds=1).keys() == {
        "products of nodes",
        "products with the map",
        "other passes over the map",
        "recurrence, without its products",
        "messages",
        "everything else",
    }


def test_products_and_passes_over_the_map_are_told_by_its_size():
    x = torch.randn(4, 6)
    found = kinds(lambda x: (x @ x.mT).relu() + x.sum(), x, num_values=24)
    assert (found["aten::mm"], found["aten::sum"]) == ("products with the map", "other passes over the map")
    assert found["aten::relu"] == "everything else"
    assert kinds(lambda x: x @ x.mT, x)["aten::mm"] == "products of nodes"


def test_operators_belong_to_the_recurrence_around_them():
    found = kinds(TemporalRNN(8), torch.randn(1, 20, 3, 8).requires_grad_())
    assert found["pyg_video::gru"] == found["aten::sigmoid_"] == "recurrence, without its products"
    assert found["aten::bmm"] == "products of nodes"
    assert found["aten::promote_types"] == "everything else"
