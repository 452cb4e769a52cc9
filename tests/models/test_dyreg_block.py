import pytest
import torch

from pyg_video.graph_builders import GridGraph, PooledGenerator, RegionGraph
from pyg_video.models import dyreg_block

SIZE = (6, 8)
NODES = ("fixed", "static", "constant_time", "position_only", "dyreg_lite", "dyreg")


def boxes(nodes, x):
    block = dyreg_block(8, SIZE, builder=nodes, region_channels=6, gain=1.0)
    graph = block.builder(x)
    return graph.grid(graph.box)


@pytest.mark.parametrize("nodes", [*NODES, "semantic", "slots", "token_learner"])
def test_every_way_to_make_nodes_gives_nine_all_connected(nodes):
    block = dyreg_block(8, SIZE, builder=nodes, node_channels=4, region_channels=6, residual_scale=1.0)
    x = torch.randn(2, 3, 8, *SIZE)
    graph = block.builder(block.project(x.flatten(0, 1)).unflatten(0, (2, 3)))
    assert graph.frame_layout == (3, 9)
    assert graph.edge_index.size(1) == 2 * 3 * 81
    assert block(x).shape == x.shape


def test_what_moves_is_what_the_paper_says():
    x = torch.randn(2, 3, 8, *SIZE)
    moves = {}
    for nodes in NODES:
        box = boxes(nodes, x)
        center, size = box[..., :2], box[..., 2:]
        over_time, over_clips = not torch.allclose(center[:, 0], center[:, 1]), not torch.allclose(center[0], center[1])
        in_size = not torch.allclose(size, size[:1, :1].expand_as(size))
        moves[nodes] = (over_time, over_clips, in_size)
    assert moves == {
        "fixed": (False, False, False),
        "static": (False, False, False),
        "constant_time": (False, True, True),
        "position_only": (True, True, False),
        "dyreg_lite": (True, True, True),
        "dyreg": (True, True, True),
    }


def test_names_stand_for_builders():
    builders = {nodes: dyreg_block(8, SIZE, builder=nodes, region_channels=6).builder for nodes in NODES}
    assert isinstance(builders["fixed"], GridGraph)
    assert isinstance(builders["dyreg_lite"].generator, PooledGenerator)
    assert all(isinstance(builder, RegionGraph) for nodes, builder in builders.items() if nodes != "fixed")


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"Expected 'builder' to be one of 'grid', 'fixed', .*\(got 'lite'\)"):
        dyreg_block(8, SIZE, builder="lite")


@pytest.mark.parametrize(("option", "value"), [("adapt", "clip"), ("region_size", "fixed")])
def test_only_dyreg_takes_its_ablations(option, value):
    dyreg_block(8, SIZE, region_channels=6, **{option: value})
    wanted = f"Expected '{option}' to be '.*' with builder='static' .got '{value}'.; use builder='dyreg'"
    with pytest.raises(ValueError, match=wanted):
        dyreg_block(8, SIZE, builder="static", region_channels=6, **{option: value})


@pytest.mark.parametrize(("builder", "option"), [("static", {"threshold": 0.5}), ("box", {"extent": 0.5})])
def test_options_without_an_effect_are_refused(builder, option):
    with pytest.raises(
        ValueError, match=f"Expected '{next(iter(option))}' to be 0.0 with builder='{builder}' .got 0.5.; use "
    ):
        dyreg_block(8, (6, 6), builder=builder, **option)
