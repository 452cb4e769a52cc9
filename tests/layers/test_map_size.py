import copy
import io

import pytest
import torch
from torch.nn.parameter import is_lazy

from pyg_video.graph_builders import GridGraph, RegionGraph
from pyg_video.layers import GraphBlock, KernelEmbedding

C = 4


def model(size=None):
    """A block on regions, of a size or of that of the first maps."""
    builder = RegionGraph(C, 4, size=size, region_channels=8, gain=1.0)
    return GraphBlock(C, builder, KernelEmbedding(C, size), residual_scale=1.0)


def maps(*size, num_clips=2):
    return torch.randn(num_clips, 3, C, *size)


@pytest.mark.parametrize("size", [(7, 7), (14, 12), (6, 24)])
def test_the_first_maps_give_the_size(size):
    lazy, sized = model(), model(size)
    lazy(maps(*size))
    sized.load_state_dict(lazy.state_dict())
    for x in (maps(*size), maps(9, 11), maps(30, 30)):
        assert torch.equal(lazy(x), sized(x))
    assert lazy.builder.size == lazy.processor.size == size


def test_a_size_changes_no_names_and_leaves_nothing_lazy():
    assert model().state_dict().keys() == model((7, 8)).state_dict().keys()
    assert not any(is_lazy(p) for p in model((7, 8)).parameters())
    lazy = {name for name, p in model().named_parameters() if is_lazy(p)}
    assert lazy == {
        f"{part}.linear.{kind}" for part in ("builder.generator", "processor") for kind in ("weight", "bias")
    }


def test_every_parameter_is_trained_after_the_first_maps():
    lazy = model()
    optimizer = torch.optim.SGD(lazy.parameters(), lr=0.1)
    lazy(maps(7, 8)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in lazy.parameters())
    before = lazy.processor.linear.weight.clone()
    optimizer.step()
    assert not torch.equal(lazy.processor.linear.weight, before)


def test_copies_take_sizes_of_their_own():
    lazy = model()
    other = copy.deepcopy(lazy)
    lazy(maps(7, 7))
    other(maps(14, 14))
    assert (lazy.builder.size, other.builder.size) == ((7, 7), (14, 14))
    x = maps(14, 14)
    assert torch.equal(copy.deepcopy(other)(x), other(x))


def test_a_type_given_before_the_first_maps_is_kept():
    lazy = model().double()
    assert lazy(maps(7, 7).double()).dtype == torch.float64
    assert {p.dtype for p in lazy.parameters()} == {torch.float64}


def test_parameters_are_reset_before_and_after_the_first_maps():
    lazy = model()
    lazy.reset_parameters()
    x = maps(7, 7)
    before = lazy(x)
    lazy.reset_parameters()
    assert not torch.equal(lazy(x), before)
    assert lazy.builder.size == (7, 7)


def test_loaded_parameters_are_reset_before_the_first_maps():
    weights = dict(KernelEmbedding(C, (7, 7)).state_dict())
    fresh = KernelEmbedding(C)
    fresh.load_state_dict(weights)
    fresh.reset_parameters()
    assert not torch.equal(fresh.linear.weight, weights["linear.weight"])


def test_parameters_that_are_needed_before_the_first_maps_are_an_error():
    with pytest.raises(ValueError, match="uninitialized"):
        sum(p.numel() for p in model().parameters())


@pytest.mark.parametrize("size", [None, (14, 12)])
def test_a_saved_size_is_taken_over(size):
    trained, x = model(size), maps(14, 12)
    trained(x)
    torch.save(trained.state_dict(), file := io.BytesIO())
    file.seek(0)
    fresh = model()
    fresh.load_state_dict(torch.load(file))
    later = maps(28, 28)  # other strides in the hourglass, if it were the first size
    assert torch.equal(fresh(later), trained(later))
    assert torch.equal(fresh(x), trained(x))


def test_a_state_without_its_size_needs_first_maps_of_that_size():
    trained, x = model((14, 12)), maps(14, 12)
    weights = dict(trained.state_dict())  # as a file of safetensors has it
    fresh = model()
    fresh.load_state_dict(weights)
    message = r"Expected the first map .* have 480 inputs .got 7 x 9, 560 inputs.; give 'size'"
    with pytest.raises(ValueError, match=message):
        fresh(maps(7, 9))
    assert torch.equal(fresh(x), trained(x))


def test_kernels_without_their_size_need_first_kernels_of_that_size():
    weights = dict(KernelEmbedding(C, (6, 8)).state_dict())
    fresh = KernelEmbedding(C)
    fresh.load_state_dict(weights)
    with pytest.raises(ValueError, match=r"have 48 inputs .got 6 x 6, 36 inputs."):
        fresh(GridGraph(C)(maps(6, 6)))


def test_maps_too_small_for_the_hourglass_decide_nothing():
    lazy = model()
    with pytest.raises(ValueError, match="Expected a map of at least 3 x 3 pixels .got 2 x 9"):
        lazy(maps(2, 9))
    lazy(maps(7, 7))
    assert lazy.builder.size == (7, 7)
