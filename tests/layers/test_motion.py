import pytest
import torch
from torch_geometric.data import Batch

from pyg_video.data import VideoGraph
from pyg_video.functional import complete_edges, repeat_edges
from pyg_video.layers import RSTG, DenseSpaceConv, MotionEdges, SpaceConv, TemporalRNN

T, N = 4, 3


def clip(pos, **attributes):
    """A clip of nodes at these places, :math:`(T, N, 2)`."""
    frames, nodes = pos.shape[:2]
    edges = repeat_edges(complete_edges(nodes), nodes, frames)
    return VideoGraph(
        torch.zeros(frames * nodes, 8, dtype=pos.dtype),
        edges,
        layout=(frames, nodes),
        pos=pos.flatten(0, 1),
        batch=torch.zeros(frames * nodes, dtype=torch.long),
        **attributes,
    )


def alike(graph, widths=(0.1,)):
    """The features as matrices, :math:`(B, T, N, N)`."""
    return MotionEdges(widths)(graph).dense_edges(MotionEdges(widths)(graph).edge_attr)[..., 0]


@pytest.fixture
def pos():
    return torch.rand(T, N, 2, dtype=torch.float64)


def test_nodes_that_move_together_have_ones_and_others_a_gaussian(pos):
    pos[:, 1] = pos[:, 0] + torch.tensor([0.3, -0.1])
    matrix = alike(clip(pos))[0]
    assert not matrix[0].any()  # nothing has moved yet
    torch.testing.assert_close(matrix[1:, 0, 1], torch.ones(T - 1, dtype=torch.float64))
    step = pos[1:] - pos[:-1]
    want = torch.exp(-(step[:, 0] - step[:, 2]).square().sum(-1) / (2 * 0.1**2))
    torch.testing.assert_close(matrix[1:, 0, 2], want)
    torch.testing.assert_close(matrix, matrix.mT)


def test_there_is_a_feature_for_every_width(pos):
    graph = MotionEdges((0.1, 0.3))(clip(pos))
    for i, width in enumerate((0.1, 0.3)):
        torch.testing.assert_close(graph.edge_attr[:, i : i + 1], MotionEdges((width,))(clip(pos)).edge_attr)


def test_a_node_that_was_not_there_has_not_moved(pos):
    mask = torch.ones(T, N, dtype=torch.bool)
    mask[1, 2] = False
    matrix = alike(clip(pos, mask=mask.flatten()))[0]
    assert not matrix[1:3, 2].any()
    assert not matrix[1:3, :, 2].any()
    assert bool((matrix[1:, :2, :2] > 0).all())
    assert bool((matrix[3] > 0).all())


def test_features_that_edges_have_stay_in_front(pos):
    graph = clip(pos)
    given = torch.randn(graph.num_edges, 2, dtype=torch.float64)
    both = MotionEdges((0.1,))(graph.with_attr(edge_attr=given)).edge_attr
    torch.testing.assert_close(both, torch.cat([given, MotionEdges((0.1,))(graph).edge_attr], dim=1))


def test_clips_of_different_length_equal_the_clips_alone(pos):
    clips = [clip(pos), clip(torch.rand(2, N + 1, 2, dtype=torch.float64))]
    batch = MotionEdges()(Batch.from_data_list(clips))
    torch.testing.assert_close(batch.edge_attr, torch.cat([MotionEdges()(one).edge_attr for one in clips]))


def test_the_future_changes_nothing(pos):
    before = alike(clip(pos))[0]
    pos[3] = 0.5
    torch.testing.assert_close(alike(clip(pos))[0, :3], before[:3])


def test_gradients(pos):
    edges = MotionEdges((0.1, 0.3))
    assert torch.autograd.gradcheck(lambda pos: edges(clip(pos)).edge_attr, pos.requires_grad_())


@pytest.mark.parametrize("conv", [SpaceConv, DenseSpaceConv])
def test_messages_see_the_motion(conv, pos):
    torch.manual_seed(0)
    graph = RSTG(conv(8, edge_dim=5), TemporalRNN(8), TemporalRNN(8)).double()
    together = clip(torch.linspace(0, 0.4, T, dtype=torch.float64)[:, None, None].expand(T, N, 2))
    one, other = (graph(MotionEdges()(of)).x for of in (clip(pos), together))
    assert not torch.allclose(one, other)


@pytest.mark.parametrize("widths", [(), (0.1, 0.0)])
def test_widths_are_positive(widths):
    with pytest.raises(ValueError, match="Expected 'widths' with at least one value, all above 0"):
        MotionEdges(widths)


def test_frames_beyond_the_length_leave_the_state(pos):
    _, state = MotionEdges().scan(clip(pos, lengths=torch.tensor([2])))
    _, alone = MotionEdges().scan(clip(pos[:2]))
    for one, other in zip(state, alone, strict=True):
        torch.testing.assert_close(one, other)


def test_a_graph_without_edges_keeps_its_features(pos):
    graph = clip(pos).with_attr(edge_index=torch.empty(2, 0, dtype=torch.long), edge_attr=torch.empty(0, 3))
    assert MotionEdges((0.1,))(graph).edge_attr.shape == (0, 4)
