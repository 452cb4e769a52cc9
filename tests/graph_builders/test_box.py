import pytest
import torch
from torch_geometric.loader import DataLoader

from pyg_video.functional import box_kernel, grid_boxes, normalize_kernel, pool
from pyg_video.graph_builders import BoxGraph
from pyg_video.layers import RSTG, FrameNorm, GraphBlock, KernelEmbedding, SpaceConv, TemporalRNN, ToMap, ToVector

C, SIZE = 4, (6, 7)
NAN = float("nan")


def boxes(B=2, T=4, N=3):
    center, side = torch.rand(B, T, N, 2, dtype=torch.float64), torch.rand(B, T, N, 2, dtype=torch.float64)
    return torch.cat([0.2 + 0.6 * center, 0.2 + 0.3 * side], dim=-1)


def processor(cell="gru"):
    space = SpaceConv(C, message_norm=FrameNorm(C), update_norm=FrameNorm(C))
    return RSTG(space, TemporalRNN(C, cell=cell), TemporalRNN(C, cell=cell), norm=FrameNorm(C)).double()


@pytest.fixture
def x():
    return torch.randn(2, 4, C, *SIZE, dtype=torch.float64)


def missing(box, how):
    """``box`` with its second node missing everywhere."""
    box = box.clone()
    if how == "mask":
        mask = torch.ones(box.shape[:3], dtype=torch.bool)
        mask[:, :, 1] = False
        return {"box": box, "mask": mask}
    box[:, :, 1] = {
        "nan": torch.tensor([0.5, 0.5, NAN, 0.2]),
        "flat": torch.tensor([0.5, 0.5, 0.0, 0.2]),
        "negative": torch.tensor([0.5, 0.5, -0.3, -0.2]),
        "outside": torch.tensor([1.5, 0.5, 0.2, 0.2]),
    }[how].double()
    return {"box": box}


@pytest.mark.parametrize("how", ["nan", "flat", "negative", "outside", "mask"])
@pytest.mark.parametrize("kernel", ["area", "tent"])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_clip_with_missing_boxes_equals_the_clip_that_never_had_them(how, kernel, cell, x):
    box, rstg = boxes(), processor(cell)
    given = missing(box, how)
    without = BoxGraph(C, 2, kernel=kernel)(x, box=box[:, :, [0, 2]])
    graph = BoxGraph(C, 3, kernel=kernel)(x, **given)
    assert graph.grid(graph.mask)[0, 0].tolist() == [True, False, True]
    assert graph.num_edges == without.num_edges
    torch.testing.assert_close(graph.frames[:, :, [0, 2]], without.frames, rtol=0, atol=1e-14)
    for readout in (ToMap(), ToVector("last"), ToVector("mean")):
        torch.testing.assert_close(readout(rstg(graph)), readout(rstg(without)), rtol=0, atol=1e-13)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_what_a_missing_box_holds_changes_nothing(cell, x):
    mask = torch.rand(2, 4, 3) > 0.4
    box, rstg, builder = boxes(), processor(cell), BoxGraph(C, 3)
    other = torch.where(mask[..., None], box, torch.rand_like(box))
    lost = box.masked_fill(~mask[..., None], NAN)
    want = builder(x, box=box, mask=mask)
    for graph in (builder(x, box=other, mask=mask), builder(x, box=lost)):
        assert torch.equal(ToMap()(rstg(graph)), ToMap()(rstg(want)))
        assert torch.equal(ToVector()(rstg(graph)), ToVector()(rstg(want)))
    assert bool(want.mask[want.edge_index].all())


def test_a_whole_block_gives_the_numbers_of_the_block_without_the_missing_box(x):
    box = boxes()
    embedding = KernelEmbedding(C, SIZE).double()

    def block(num_nodes):
        parts = torch.nn.Sequential(embedding, rstg)
        return GraphBlock(C, BoxGraph(C, num_nodes), parts, residual_scale=1.0).double()

    rstg = processor()
    got = block(3)(x, **missing(box, "nan"))
    torch.testing.assert_close(got, block(2)(x, box=box[:, :, [0, 2]]), rtol=0, atol=1e-12)


def test_fewer_boxes_than_nodes_leave_the_rest_missing(x):
    box, rstg = boxes(), processor()
    graph = BoxGraph(C, 5)(x, box=box)
    assert graph.grid(graph.mask)[1, 2].tolist() == [True] * 3 + [False] * 2
    torch.testing.assert_close(ToVector()(rstg(graph)), ToVector()(rstg(BoxGraph(C, 3)(x, box=box))))


def test_a_frame_without_any_box_has_an_empty_map_and_goes_on_later(x):
    box = boxes()
    box[:, 1] = NAN
    y = ToMap()(processor()(BoxGraph(C, 3)(x, box=box)))
    assert y[:, 1].abs().max() == 0
    assert y.isfinite().all()
    assert y[:, 2].abs().max() > 0


def test_padded_clips_equal_the_clips_alone(x):
    box, rstg, lengths = boxes(), processor(), torch.tensor([2, 4])
    box[1, 1:3, 0] = NAN
    padded = box.clone()
    padded[0, 2:] = NAN
    for readout in (ToVector("last"), ToVector("mean")):
        got = readout(rstg(BoxGraph(C, 3)(x, lengths, box=padded)))
        alone = [readout(rstg(BoxGraph(C, 3)(x[b : b + 1, :n], box=box[b : b + 1, :n]))) for b, n in enumerate(lengths)]
        torch.testing.assert_close(got, torch.cat(alone))


def test_the_mask_travels_with_the_graph(x):
    graph = BoxGraph(C, 3)(x, **missing(boxes(), "nan"))
    assert graph.frame(1, 2).mask.tolist() == [True, False, True]
    one, two = (BoxGraph(C, 3)(x[b : b + 1], **missing(boxes(B=1), "nan")) for b in range(2))
    batch = next(iter(DataLoader([one, two], batch_size=2)))
    assert torch.equal(batch.mask, torch.cat([one.mask, two.mask]))
    assert ToVector()(processor()(batch)).shape == (2, C)


def test_chunks_equal_the_clip_at_once(x):
    box = boxes()
    box[0, 1:3, 0] = NAN
    block = GraphBlock(C, BoxGraph(C, 3), processor(), residual_scale=1.0).double()
    first, state = block.scan(x[:, :2], box=box[:, :2])
    second, _ = block.scan(x[:, 2:], state, box=box[:, 2:])
    torch.testing.assert_close(torch.cat([first, second], dim=1), block(x, box=box))


def test_nodes_are_the_means_over_their_boxes(x):
    box = grid_boxes(2, 2, dtype=torch.float64).expand(2, 4, -1, -1)
    graph = BoxGraph(C, 4)(x, box=box)
    torch.testing.assert_close(graph.frames, pool(x, normalize_kernel(box_kernel(box, SIZE))))
    torch.testing.assert_close(graph.frames.mean(2), x.mean((-2, -1)))


def test_a_tent_on_the_smallest_box_reads_its_pixel():
    x = torch.randn(1, 1, C, 5, 5)
    box = torch.tensor([0.5, 0.3, 0.01, 0.01]).view(1, 1, 1, 4)
    torch.testing.assert_close(BoxGraph(C, 1, kernel="tent")(x, box=box).x[0], x[0, 0, :, 1, 2])


@pytest.mark.parametrize("kernel", ["area", "tent"])
def test_gradients_reach_the_boxes_and_missing_ones_get_none(kernel, x):
    box = boxes()
    box[:, 1, 1] = NAN
    box.requires_grad_()

    def loss(present):
        return BoxGraph(C, 3, kernel=kernel)(x, box=present).x

    loss(box).square().sum().backward()
    assert box.grad[:, 1, 1].abs().max() == 0
    assert box.grad[:, 0].abs().amax(dim=-1).amin() > 0
    clean = boxes().requires_grad_()
    assert torch.autograd.gradcheck(loss, clean, fast_mode=True)


def test_wrong_boxes_are_a_clear_error(x):
    builder = BoxGraph(C, 3)
    with pytest.raises(ValueError, match=r"Expected 'box', a box for every node \(got none\)"):
        builder(x)
    with pytest.raises(
        ValueError, match=r"Expected 'box' of shape \[2, 4, 3, 4\] or with fewer boxes \(got \[2, 4, 5, 4"
    ):
        builder(x, box=boxes(N=5))
    with pytest.raises(ValueError, match=r"Expected 'mask' of booleans of shape \[2, 4, 3\]"):
        builder(x, box=boxes(), mask=torch.ones(2, 4, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match="Expected 'kernel' to be one of 'area', 'tent'"):
        BoxGraph(C, 3, kernel="gauss")


@pytest.mark.parametrize("box_format", ["cxcywh", "xyxy", "xywh"])
@pytest.mark.parametrize("pixels", [False, True])
def test_boxes_come_in_any_format(box_format, pixels, x):
    box, frame_size = boxes(), (120, 200)
    given = {
        "cxcywh": box,
        "xyxy": torch.cat([box[..., :2] - box[..., 2:] / 2, box[..., :2] + box[..., 2:] / 2], dim=-1),
        "xywh": torch.cat([box[..., :2] - box[..., 2:] / 2, box[..., 2:]], dim=-1),
    }[box_format]
    options = {"normalized": False, "frame_size": frame_size} if pixels else {}
    given = given * torch.tensor([200, 120, 200, 120]) if pixels else given
    graph = BoxGraph(C, 3, box_format=box_format, **options)(x, box=given)
    want = BoxGraph(C, 3)(x, box=box)
    torch.testing.assert_close(graph.x, want.x)
    torch.testing.assert_close(graph.box, want.box)


def test_pixels_are_not_taken_for_fractions(x):
    box = torch.tensor([10.0, 20, 50, 60]).expand(2, 4, 3, 4)
    with pytest.raises(ValueError, match="as fractions of the frame .got values up to 60, as of pixels.; divide"):
        BoxGraph(C, 3)(x, box=box)
    missing = torch.zeros(2, 4, 3, dtype=torch.bool)
    assert not BoxGraph(C, 3)(x, box=box, mask=missing).mask.any()  # what a missing box holds is nobody's business
    for options in ({"normalized": False}, {"frame_size": (4, 4)}):
        with pytest.raises(ValueError, match="Expected 'frame_size', .* with normalized=False and only there"):
            BoxGraph(C, 3, **options)
    with pytest.raises(ValueError, match="'box_format' to be one of 'cxcywh', 'xyxy', 'xywh'"):
        BoxGraph(C, 3, box_format="yxyx")
