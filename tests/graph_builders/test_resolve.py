import pytest
import torch

from pyg_video.graph_builders import GridGraph, PooledGenerator, RegionGraph, list_builders, resolve_builder


@pytest.mark.parametrize("name", list_builders())
@pytest.mark.parametrize("given", [(), (9,), ((2, 3),)])
@pytest.mark.parametrize("options", [{}, {"size": (6, 8)}])
def test_every_name_takes_the_same_call(name, given, options):
    N = {(): 14 if name == "grid" else 9, (9,): 9}.get(given, 6)
    builder = resolve_builder(name, 4, *given, **options)
    box = {"box": torch.rand(1, 2, N, 4) / 2 + 0.2} if "box" in builder.accepts else {}
    assert builder(torch.randn(1, 2, 4, 6, 8), **box).frame_layout == (2, N)


@pytest.mark.parametrize("name", list_builders())
def test_every_builder_takes_a_connect_rule(name):
    builder = resolve_builder(name, 4, (2, 3), connect="knn")
    assert builder.rule.k == 4


def test_the_rows_of_the_papers_comparison_are_options_of_one_builder():
    options = {"size": (6, 8), "region_channels": 4}
    assert resolve_builder("static", 4, **options).adapt == "dataset"
    assert resolve_builder("constant_time", 4, **options).adapt == "clip"
    assert not resolve_builder("position_only", 4, **options).learn_size
    assert isinstance(resolve_builder("dyreg_lite", 4, **options).generator, PooledGenerator)
    dyreg = resolve_builder("dyreg", 4, **options)
    assert isinstance(dyreg, RegionGraph)
    assert (dyreg.adapt, dyreg.learn_size) == ("frame", True)
    fixed = resolve_builder("fixed", 4)
    assert isinstance(fixed, GridGraph)
    assert fixed(torch.randn(1, 1, 4, 6, 8)).num_edges == 81  # all pairs, as the others


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="Expected 'builder' to be one of 'grid', 'fixed', .*got 'regions'"):
        resolve_builder("regions", 4)


def test_an_option_that_a_builder_does_not_have_is_answered_with_those_it_has():
    with pytest.raises(
        ValueError, match="of builder 'grid' to be among 'scales', 'edge_index', 'connect', 'track' .got 'gain', 'cell'"
    ):
        resolve_builder("grid", 4, gain=1.0, cell="gru")


def test_edges_of_ones_own_replace_those_of_the_fixed_grid():
    edges = torch.tensor([[0], [1]])
    assert resolve_builder("fixed", 4, edge_index=edges)(torch.randn(1, 2, 4, 6, 8)).num_edges == 2
