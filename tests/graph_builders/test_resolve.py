import pytest
import torch

from pyg_video.graph_builders import GridGraph, PooledGenerator, RegionGraph, list_builders, resolve_builder

NUM_NODES = {"grid": 14}  # three scales, whatever the arrangement


@pytest.mark.parametrize("name", list_builders())
def test_every_name_gives_a_builder_of_the_arrangements_nodes(name):
    builder = resolve_builder(name, 4, size=(6, 8), arrangement=(2, 3))
    given = {"box": torch.rand(1, 2, 6, 4) / 2 + 0.2} if "box" in builder.accepts else {}
    graph = builder(torch.randn(1, 2, 4, 6, 8), **given)
    assert graph.frame_layout == (2, NUM_NODES.get(name, 6))


@pytest.mark.parametrize("name", list_builders())
def test_every_builder_takes_a_connect_rule(name):
    builder = resolve_builder(name, 4, size=(6, 8), arrangement=(2, 3), connect="knn")
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
    fixed = resolve_builder("fixed", 4, size=(6, 8))
    assert isinstance(fixed, GridGraph)
    assert fixed(torch.randn(1, 1, 4, 6, 8)).num_edges == 81  # all pairs, as the others


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="Expected 'builder' to be one of 'grid', 'fixed', .*got 'regions'"):
        resolve_builder("regions", 4, size=(6, 8))
