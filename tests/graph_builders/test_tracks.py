import pytest
import torch

from pyg_video.graph_builders import BoxGraph, SaliencyGraph, TrackNodes

B, T, N, C = 2, 6, 5, 4


def shuffled(x, pos, seed=0):
    """Nodes in another order in every frame but the first, and the order."""
    order = torch.rand(B, T, N, generator=torch.Generator().manual_seed(seed)).argsort(-1)
    order[:, 0] = torch.arange(N)
    return x.gather(2, order[..., None].expand_as(x)), pos.gather(2, order[..., None].expand_as(pos)), order


@pytest.fixture
def objects():
    """Features that stay nearly the same, at places that jump."""
    kind = torch.eye(N)[:, :C] + torch.arange(N)[:, None]
    return kind + 0.01 * torch.randn(B, T, N, C), torch.rand(B, T, N, 2)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_nodes_are_tracked_by_their_features_at_any_scale(objects, scale):
    x, pos, order = shuffled(*objects)
    found = TrackNodes(distance_weight=0.0)(scale * x + 7 * scale, pos)
    torch.testing.assert_close(order.gather(2, found), torch.arange(N).expand(B, T, N))


def test_nodes_that_look_alike_are_tracked_by_their_places():
    path = torch.rand(B, 1, N, 2) + torch.linspace(0, 0.05, T)[:, None, None]
    x, pos, order = shuffled(torch.ones(B, T, N, C), path)
    found = TrackNodes()(x, pos)
    torch.testing.assert_close(order.gather(2, found), torch.arange(N).expand(B, T, N))


def test_every_number_is_given_once_to_nodes_that_are_not_alike():
    found = TrackNodes()(torch.randn(B, T, N, C), torch.rand(B, T, N, 2))
    torch.testing.assert_close(found.sort(-1).values, torch.arange(N).expand(B, T, N))


def test_the_best_pair_is_taken_first():
    x = torch.tensor([[[[0.0], [10.0]], [[9.0], [-20.0]]]])  # node 0 would go to either; 1 is the better one
    assert TrackNodes(distance_weight=0.0)(x, torch.zeros(1, 2, 2, 2))[0, 1].tolist() == [1, 0]


def test_a_node_that_was_away_gets_its_number_back():
    x = torch.eye(3).expand(1, 4, 3, 3).clone()
    mask = torch.ones(1, 4, 3, dtype=torch.bool)
    x[0, 2] = x[0, 2, [2, 0, 1]]
    x[0, 2, 1], mask[0, 2, 1] = torch.inf, False  # object 0, with features of no meaning
    x[0, 3] = x[0, 3, [1, 2, 0]]
    found = TrackNodes()(x.nan_to_num(posinf=1e3), torch.zeros(1, 4, 3, 2), mask)
    assert found[0, 2].tolist() == [1, 2, 0]
    assert found[0, 3].tolist() == [2, 0, 1]


def test_objects_that_come_later_take_free_numbers():
    x = torch.eye(3).expand(1, 2, 3, 3).clone()
    mask = torch.tensor([[[True, False, False], [True, True, False]]])
    x[0, 1] = x[0, 1, [1, 0, 2]]  # the new object comes first
    assert TrackNodes()(x, torch.zeros(1, 2, 3, 2), mask)[0, 1].tolist() == [1, 0, 2]


def test_a_builder_orders_all_that_it_makes():
    box = torch.tensor([[0.2, 0.2, 0.3, 0.3], [0.8, 0.8, 0.3, 0.3]])
    box = torch.stack([box, box.flip(0)])[None]
    x = torch.randn(1, 1, C, 9, 9).expand(1, 2, C, 9, 9)
    graph, plain = BoxGraph(C, 2, track=True)(x, box=box), BoxGraph(C, 2)(x, box=box)
    for name in ("x", "kernel", "box", "pos", "mask"):
        now, before = graph.grid(graph[name]), plain.grid(plain[name])
        torch.testing.assert_close(now[:, 0], before[:, 0])
        torch.testing.assert_close(now[:, 1], before[:, 1].flip(1))
    assert not torch.equal(plain.frames[:, 0], plain.frames[:, 1])


def test_a_digit_that_jumps_keeps_its_node():
    x = torch.zeros(1, 8, 2, 12, 12)
    generator = torch.Generator().manual_seed(1)
    for t in range(8):
        for kind, column in enumerate((0, 6)):
            row, col = torch.randint(1, 5, (2,), generator=generator).tolist()
            side = column if t % 2 else 6 - column
            x[0, t, kind, 2 * row, side + col] = 5.0 + kind * (-1) ** t  # whose rank changes
    follows = SaliencyGraph(2, 2, track=True)(x).frames[0].argmax(-1)
    assert bool((follows == follows[0]).all())
    ranks = SaliencyGraph(2, 2)(x).frames[0].argmax(-1)
    assert not bool((ranks == ranks[0]).all())


def test_the_choice_of_builders_with_own_settings():
    own = TrackNodes(momentum=0.0)
    assert SaliencyGraph(2, 2, track=own).tracks is own
    assert SaliencyGraph(2, 2).tracks is None


@pytest.mark.parametrize("options", [{"distance_weight": -1.0}, {"momentum": 1.0}, {"momentum": -0.1}])
def test_settings_without_a_meaning_are_refused(options):
    with pytest.raises(ValueError, match=r"Expected 'distance_weight' of at least 0 and 'momentum' in \[0, 1\)"):
        TrackNodes(**options)


def test_centres_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"and 'pos' \[B, T, N, 2\] .got \[1, 2, 3, 4\], \[1, 2, 3, 4\]"):
        TrackNodes()(torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 3, 4))


def test_missing_nodes_and_free_numbers_change_nothing(objects):
    x, pos, _ = shuffled(torch.randn(B, T, N, C), objects[1])
    wide = torch.nn.functional.pad(x, (0, 0, 0, 7)), torch.nn.functional.pad(pos, (0, 0, 0, 7))
    mask = torch.arange(N + 7).expand(B, T, -1) < N
    torch.testing.assert_close(TrackNodes()(*wide, mask)[..., :N], TrackNodes()(x, pos))


def test_frames_beyond_the_length_leave_the_tracks():
    builder, x, lengths = SaliencyGraph(C, 3, track=True), torch.randn(2, 6, C, 8, 8), torch.tensor([2, 4])
    _, state = builder.scan(x[:, :4], None, lengths)
    for clip, length in enumerate(lengths.tolist()):
        _, alone = builder.scan(x[clip : clip + 1, :length])
        for one, other in zip(state[1], alone[1], strict=True):
            torch.testing.assert_close(one[clip : clip + 1], other)


@pytest.mark.parametrize("track", [5, "yes", torch.nn.Identity()])
def test_other_trackers_are_refused(track):
    with pytest.raises(TypeError, match="Expected 'track' as True, False or a TrackNodes"):
        SaliencyGraph(2, 2, track=track)
