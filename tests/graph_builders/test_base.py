from inspect import Parameter, signature

import pytest
import torch

from pyg_video.data import Regions
from pyg_video.functional import box_kernel
from pyg_video.graph_builders import (
    BoxGraph,
    ClusterGraph,
    GraphBuilder,
    GridGraph,
    RegionGraph,
    SaliencyGraph,
    SemanticGraph,
    SlotGraph,
    SuperpixelGraph,
    TokenLearnerGraph,
)

BUILDERS = [
    BoxGraph,
    ClusterGraph,
    GridGraph,
    RegionGraph,
    SaliencyGraph,
    SemanticGraph,
    SlotGraph,
    SuperpixelGraph,
    TokenLearnerGraph,
]


class Halves(GraphBuilder):
    def regions(self, x):
        B, T, _, H, W = x.shape
        box = torch.tensor([[0.25, 0.5, 0.5, 1.0], [0.75, 0.5, 0.5, 1.0]]).expand(B, T, 2, 4)
        return Regions(box, box_kernel(box, (H, W)))


def test_one_method_makes_a_builder():
    x = torch.randn(2, 3, 4, 6, 6)
    graph = Halves(4, num_nodes=2)(x)
    torch.testing.assert_close(graph.frames[:, :, 0], x[..., :3].mean((-2, -1)))
    assert graph.validate(raise_on_error=True)


def test_a_builder_that_gives_wrong_shapes_is_named():
    with pytest.raises(ValueError, match=r"Expected Halves.regions to give box \[1, 1, 3, 4\]"):
        Halves(4, num_nodes=3)(torch.randn(1, 1, 4, 6, 6))


def test_nan_boxes_are_a_clear_error():
    class Lost(Halves):
        def regions(self, x):
            regions = super().regions(x)
            return regions._replace(box=regions.box.clone().index_fill_(2, torch.tensor([1]), torch.nan))

    with pytest.raises(ValueError, match=r"Expected Lost.regions to give finite boxes \(got NaN or infinity\)"):
        Lost(4, num_nodes=2)(torch.randn(1, 1, 4, 6, 6))


def test_a_builder_without_regions_is_named():
    class Empty(GraphBuilder):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty needs a method regions\(x\) -> Regions"):
        Empty(4, num_nodes=1)(torch.randn(1, 1, 4, 6, 6))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 4, 6, 6), r"Expected 'x' of shape \[B, T, 4, H, W\] \(got \[1, 4, 6, 6\]\)"),
        ((1, 2, 3, 6, 6), r"Expected 'x' of shape \[B, T, 4, H, W\]"),
        ((1, 0, 4, 6, 6), "at least one clip, frame and pixel"),
        ((0, 2, 4, 6, 6), "at least one clip, frame and pixel"),
    ],
)
def test_wrong_shapes_are_a_clear_error(shape, message):
    with pytest.raises(ValueError, match=message):
        GridGraph(4)(torch.zeros(shape))


def test_bytes_are_a_clear_error():
    with pytest.raises(TypeError, match=r"convert it with x.float\(\)"):
        GridGraph(4)(torch.zeros(1, 2, 4, 6, 6, dtype=torch.uint8))


def test_wrong_lengths_are_a_clear_error():
    x = torch.zeros(2, 3, 4, 6, 6)
    with pytest.raises(ValueError, match=r"Expected 'lengths' as a tensor of integers of shape \[2\]"):
        GridGraph(4)(x, torch.tensor([3]))
    for lengths in ([4, 1], [0, 3]):
        with pytest.raises(ValueError, match="Expected 'lengths' between 1 and T = 3"):
            GridGraph(4)(x, torch.tensor(lengths))


@pytest.mark.parametrize(
    ("edge_index", "message"),
    [
        (torch.tensor([[0], [14]]), "Expected 'edge_index' between 0 and num_nodes - 1 = 13 .got 0 to 14"),
        (torch.tensor([[-1], [3]]), "Expected 'edge_index' between 0"),
        (torch.zeros(3, 2, dtype=torch.long), r"Expected 'edge_index' of shape \[2, E\]"),
        (torch.zeros(2, 2), "type int64"),
    ],
)
def test_wrong_edges_are_a_clear_error(edge_index, message):
    with pytest.raises(ValueError, match=message):
        GridGraph(4, edge_index=edge_index)


def test_no_nodes_are_a_clear_error():
    with pytest.raises(ValueError, match="Expected 'num_nodes' to be a number of nodes"):
        Halves(4, num_nodes=0)


@pytest.mark.parametrize("cls", BUILDERS)
@pytest.mark.parametrize("given", [(), (9,), ((3, 3),), (8,), ((2, 4),), (7,)])
def test_every_builder_is_called_with_channels_and_nodes(cls, given):
    N = {(): 14 if cls is GridGraph else 9, (9,): 9, ((3, 3),): 9, (7,): 7}.get(given, 8)
    builder = cls(4, *given)
    box = {"box": torch.rand(1, 2, N, 4) / 2 + 0.2} if cls is BoxGraph else {}
    graph = builder(torch.randn(1, 2, 4, 8, 8), **box)
    assert (builder.num_nodes, *graph.frames.shape) == (N, 1, 2, N, 4)


@pytest.mark.parametrize("cls", [GraphBuilder, *BUILDERS])
def test_all_other_options_are_keywords(cls):
    channels, num_nodes, *options = signature(cls).parameters.values()
    assert (channels.name, num_nodes.name) == ("channels", "num_nodes")
    assert {option.kind for option in options} <= {Parameter.KEYWORD_ONLY, Parameter.VAR_KEYWORD}
    assert cls(4, 9, connect="complete").rule is not None
    assert cls(4, 9, edge_index=torch.tensor([[0], [8]])).frame_edges.tolist() == [[0], [8]]
    with pytest.raises(TypeError, match="unexpected keyword argument 'conect'"):
        cls(4, 9, conect="complete")


@pytest.mark.parametrize("cls", BUILDERS)
def test_impossible_numbers_of_nodes_are_an_error(cls):
    with pytest.raises(ValueError, match=r"Expected 'num_nodes' to be a number of nodes or .* .got \(3, 0\)"):
        cls(4, (3, 0))


def test_regions_of_a_subclass_replace_the_inherited_ones_and_name_what_they_take():
    class Anywhere(RegionGraph):
        def regions(self, maps, shift=0.0, **others):
            box = torch.full((*maps.shape[:2], self.num_nodes, 4), 0.5 + shift)
            return Regions(box, box_kernel(box, maps.shape[-2:]))

    assert Anywhere.accepts == {"lengths", "shift"}
    x = torch.randn(1, 2, 8, 6, 6)
    assert Anywhere(8, 4)(x).box.eq(0.5).all()
    assert Anywhere(8, 4)(x, shift=0.25).box.eq(0.75).all()
