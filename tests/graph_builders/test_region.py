import math

import pytest
import torch

from pyg_video.functional import grid_boxes
from pyg_video.graph_builders import FullyConnectedGenerator, PooledGenerator, RegionGraph

C = 4


class Summary(torch.nn.Module):
    """A generator of one's own: the mean of the map for every region."""

    out_channels = C

    def forward(self, x):
        return x.mean((-2, -1))[:, None].expand(-1, 9, -1)


def builder(**options):
    return RegionGraph(C, **{"size": (7, 9), "region_channels": 8, "gain": 1.0, **options}).double()


@pytest.fixture
def x():
    return torch.randn(2, 3, C, 7, 9, dtype=torch.float64)


def in_pixels(box, size):
    """(half-height, half-width, centre row, centre column) of cxcywh boxes, pixel centres at whole numbers."""
    H, W = size
    cx, cy, w, h = box.unbind(-1)
    return torch.stack([h * H / 2, w * W / 2, cy * H - 0.5, cx * W - 0.5], dim=-1)


@pytest.mark.parametrize("anchors", ["center", "grid"])
def test_regions_start_on_their_anchors(anchors, x):
    box = builder(anchors=anchors, gain=0.0).regions(x).box
    center = grid_boxes(3, 3, dtype=x.dtype)[:, [1, 0]] if anchors == "grid" else torch.full((9, 2), 0.5).double()
    want = center * torch.tensor([7.0, 9.0])
    got = in_pixels(box, (7, 9))
    torch.testing.assert_close(got[1, 2, :, 2:], want, atol=1e-6, rtol=0)
    torch.testing.assert_close(got[1, 2, 0, :2], torch.tensor([7 / 6 + 2, 9 / 6 + 2], dtype=x.dtype))


def test_regions_start_on_points_given():
    points = torch.rand(9, 2, dtype=torch.float64) * 0.8 + 0.1
    box = builder(anchors=points, gain=0.0).regions(torch.randn(1, 1, C, 40, 50, dtype=torch.float64)).box
    torch.testing.assert_close(in_pixels(box, (40, 50))[0, 0, :, 2:], points.flip(-1) * torch.tensor([40.0, 50.0]))


def test_points_beyond_the_frame_stay_inside():
    box = builder(anchors=torch.full((9, 2), 1.5), gain=0.0).regions(torch.randn(1, 1, C, 7, 9).double()).box
    assert box.isfinite().all()
    torch.testing.assert_close(in_pixels(box, (7, 9))[0, 0, 0, 2:], torch.tensor([6.0, 8.0]).double())


def test_offsets_move_and_scale_regions_as_published(x):
    model = builder(anchors="grid")
    offset = torch.randn(2, 3, 9, 4, dtype=x.dtype)
    box = model._boxes(offset, model.anchor_logits, (7, 9))
    b, t, i = 1, 0, 5  # row 1, column 2 of the 3 x 3 anchors
    o = (offset[b, t, i] * model.gain).tolist()
    py, px = 1.5 * 7 / 3, 2.5 * 9 / 3
    want = [
        math.exp(o[0]) * (7 / 6 + 1) + 1,
        math.exp(o[1]) * (9 / 6 + 1) + 1,
        min(max((math.tanh(o[2] + math.atanh(2 * py / 7 - 1)) + 1) * 7 / 2, 0), 6),
        min(max((math.tanh(o[3] + math.atanh(2 * px / 9 - 1)) + 1) * 9 / 2, 0), 8),
    ]
    torch.testing.assert_close(in_pixels(box, (7, 9))[b, t, i], torch.tensor(want, dtype=x.dtype), atol=1e-6, rtol=1e-6)


def test_salient_regions_start_on_what_stands_out(x):
    model = builder(anchors="salient", gain=0.0, extent=0.4)
    box = model.regions(x).box
    torch.testing.assert_close(box[..., :2].flatten(0, 1), model.salient(x.flatten(0, 1)))
    assert (box[..., 2:] == torch.tensor([0.4, 0.4], dtype=x.dtype)).all()
    moved = builder(anchors="salient", gain=0.5).regions(x).box
    assert not torch.allclose(moved[..., :2], box[..., :2])


def test_salient_regions_pass_their_gradient_to_the_features(x):
    x.requires_grad_()
    builder(anchors="salient", gain=0.0).regions(x).box[..., 0].sum().backward()
    assert x.grad.abs().sum() > 0


def test_salient_regions_run_frame_by_frame(x):
    model, state, boxes = builder(anchors="salient"), None, []
    for t in range(3):
        regions, state = model.scan_regions(x[:, t : t + 1], state)
        boxes.append(regions.box)
    torch.testing.assert_close(torch.cat(boxes, 1), model.regions(x).box)


@pytest.mark.parametrize(("extent", "side"), [(0.5, 0.5), (0.01, 2 / 9)])
def test_an_extent_is_a_fraction_of_the_frame_and_two_pixels_at_least(extent, side, x):
    width = builder(extent=extent, gain=0.0).regions(x).box[..., 2]
    torch.testing.assert_close(width, torch.full_like(width, side))


def test_kernels_sum_to_one_over_the_map(x):
    kernel = builder().regions(x).kernel
    torch.testing.assert_close(kernel.sum((-2, -1)), torch.ones(2, 3, 9, dtype=x.dtype))


def test_dynamic_regions_follow_the_input_and_the_frame(x):
    box = builder().regions(x).box
    assert not torch.allclose(box[0], box[1])
    assert not torch.allclose(box[:, 0], box[:, 1])


def test_constant_time_regions_follow_the_clip_only(x):
    box = builder(adapt="clip").regions(x).box
    assert not torch.allclose(box[0], box[1])
    torch.testing.assert_close(box[:, 0], box[:, 2])


def test_static_regions_ignore_the_input(x):
    model = builder(adapt="dataset")
    torch.testing.assert_close(model.regions(x).box, model.regions(torch.randn_like(x)).box)
    assert not torch.allclose(model.regions(x).box[0, 0, 0], model.regions(x).box[0, 0, 1])


def test_fixed_size_regions_only_move(x):
    box = builder(region_size="fixed").regions(x).box
    assert not torch.allclose(box[0, 0, :, :2], box[1, 0, :, :2])
    torch.testing.assert_close(box[..., 2:], box[:1, :1, :1, 2:].expand_as(box[..., 2:]))


@pytest.mark.parametrize(("name", "kind"), [(None, FullyConnectedGenerator), ("pool", PooledGenerator)])
def test_generators_go_by_name(name, kind):
    generator = builder(generator=name).generator
    assert isinstance(generator, kind)
    assert (generator.size, generator.out_channels) == ((7, 9), 8)


def test_a_generator_of_ones_own_decides_the_width():
    model = builder(generator=FullyConnectedGenerator(C, 9, (7, 9), out_channels=3))
    assert model.offset.in_features == 3


@pytest.mark.parametrize("generator", ["fc", "pool"])
def test_future_frames_do_not_leak(generator, x):
    model, later = builder(generator=generator), x.clone()
    later[:, 2:] += 1
    torch.testing.assert_close(model.regions(later).box[:, :2], model.regions(x).box[:, :2])


@pytest.mark.parametrize("adapt", ["frame", "clip"])
def test_padded_clips_equal_the_clips_alone(adapt, x):
    model, lengths = builder(adapt=adapt), torch.tensor([3, 2])
    padded = model(x, lengths).grid(model(x, lengths).box)
    alone = model(x[1:, :2])
    torch.testing.assert_close(padded[1, :2], alone.grid(alone.box)[0])


def test_a_generator_with_gain_zero_gets_no_gradient_at_first_and_one_with_gain_does(x):
    for gain, moves in ((0.0, False), (0.1, True)):
        model = builder(gain=gain)
        model(x).x.square().sum().backward()
        grad = sum(p.grad.abs().sum() for p in model.generator.parameters())
        assert (grad > 0) == moves
        assert model.gain.grad.abs().max() > 0


def test_gradients_are_right():
    model = RegionGraph(2, (1, 2), size=(5, 5), region_channels=3, gain=0.7).double()
    x = torch.randn(1, 2, 2, 5, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: model(v).x, x, fast_mode=True)


@pytest.mark.parametrize("generator", ["fc", "pool"])
@pytest.mark.parametrize("size", [(7, 9), (14, 18), (9, 8), (4, 4)])
def test_the_same_weights_run_at_another_map_size_and_length(generator, size):
    graph = builder(generator=generator)(torch.randn(1, 4, C, *size, dtype=torch.float64))
    assert graph.kernel.shape == (4 * 9, *size)
    assert graph.x.isfinite().all()


@pytest.mark.parametrize("generator", [None, "fc", "pool"])
def test_gradients_reach_every_parameter(generator, x):
    model = builder(generator=generator)
    (model(x).x ** 2).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"adapt": "video"}, "Expected 'adapt' to be one of 'frame', 'clip', 'dataset' .got 'video'"),
        ({"region_size": "big"}, "Expected 'region_size' to be one of 'learned', 'fixed'"),
        ({"anchors": "left"}, "Expected 'anchors' to be one of 'center', 'grid', 'salient'"),
        ({"anchors": "salient", "adapt": "clip"}, "Expected adapt='frame' with anchors='salient'.*got 'clip'"),
        ({"extent": -0.1}, "Expected 'extent' of at least 0, as a fraction of the frame .got -0.1"),
        ({"size": (2, 9)}, "Expected a map of at least 3 x 3 pixels .got 2 x 9"),
        ({"num_nodes": (-1, -3)}, r"Expected 'num_nodes' to be a number of nodes or .* .got .-1, -3"),
        ({"region_channels": 0}, "Expected 'region_channels' of at least 1"),
        ({"cell": "rnn"}, "Expected 'cell' to be one of 'gru', 'lstm'"),
        ({"generator": "big"}, "Expected 'generator' to be one of 'fc', 'pool' .got 'big'"),
        ({"generator": "big", "adapt": "dataset"}, "Expected 'generator' to be one of 'fc', 'pool'"),
        ({"generator": "pool", "adapt": "dataset"}, "Expected 'generator' .*no generator .got 'pool' and adapt"),
        ({"generator": torch.nn.Identity()}, "Expected 'generator' with an attribute out_channels"),
        ({"anchors": torch.zeros(4, 2)}, r"Expected 'anchors' of shape \[9, 2\] .got \[4, 2\]"),
    ],
)
def test_unknown_options_answer_with_the_known_ones(options, message):
    with pytest.raises(ValueError, match=message):
        builder(**options)


def test_constant_time_cannot_go_on_from_a_state(x):
    with pytest.raises(ValueError, match="Expected a whole clip"):
        builder(adapt="clip").scan(x, torch.zeros(2, 9, 8))


@pytest.mark.parametrize("num_nodes", [1, 5, 9])
def test_any_number_of_regions(num_nodes):
    points = torch.rand(num_nodes, 2)
    graph = RegionGraph(4, num_nodes, size=(6, 8), anchors=points, region_channels=8)(torch.randn(2, 3, 4, 6, 8))
    assert graph.frame_layout == (3, num_nodes)
    assert graph.frames.isfinite().all()


def test_a_square_number_of_regions_starts_like_the_square_arrangement():
    x = torch.randn(1, 2, 4, 6, 8)
    boxes = [RegionGraph(4, n, size=(6, 8), region_channels=8)(x).box for n in ((3, 3), 9)]
    torch.testing.assert_close(*boxes)


def test_a_number_of_regions_on_a_grid_is_factorised():
    x = torch.randn(1, 2, 4, 6, 8)
    boxes = [RegionGraph(4, n, anchors="grid", region_channels=8)(x).box for n in ((2, 3), 6)]
    assert torch.equal(*boxes)


@pytest.mark.parametrize("options", [{"adapt": "dataset"}, {"generator": Summary()}])
def test_a_size_is_not_needed_without_a_generator_that_reads_whole_maps(options):
    model = RegionGraph(4, **options)
    assert model.size is None
    assert [model(torch.randn(1, 2, 4, *size)).frame_layout for size in ((6, 8), (2, 2))] == [(2, 9)] * 2
