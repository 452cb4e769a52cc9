import itertools

import pytest
import torch

from pyg_video.data import Frames
from pyg_video.functional import complete_edges, repeat_edges
from pyg_video.layers import BatchNorm, DenseSpaceConv, FrameNorm, SpaceConv

C, N, B, T = 8, 4, 2, 3
F = B * T
ATTENTIONS = ["dot", "multi_head", "additive", "mean"]
VARIANTS = list(itertools.product(["concat", "sum"], ATTENTIONS, [False, True], [FrameNorm, BatchNorm], [1, 2]))


def twins(norm=FrameNorm, **options):
    """The sparse and the dense stage with the same parameters."""
    layers = []
    for kind in (SpaceConv, DenseSpaceConv):
        norms = {f"{place}_norm": norm(C) for place in ("message", "gather", "update")}
        layers.append(kind(C, heads=2, **norms, **options).double())
    for parameter in layers[0].parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    layers[1].load_state_dict(layers[0].state_dict())
    return layers


@pytest.mark.parametrize(("combine", "attention", "soft", "norm", "send_layers"), VARIANTS)
@pytest.mark.parametrize("complete", [True, False])
def test_dense_equals_sparse(combine, attention, soft, norm, send_layers, complete):
    sparse, dense = twins(norm, combine=combine, attention=attention, send_layers=send_layers, position_channels=3)
    x = torch.randn(F, N, C, dtype=torch.float64, requires_grad=True)
    adj = torch.ones(F, N, N, dtype=torch.bool) if complete else torch.rand(F, N, N) < 0.6
    frame, receiver, sender = adj.nonzero(as_tuple=True)
    edges = torch.stack([frame * N + sender, frame * N + receiver])
    weight, strength = torch.rand(2, F, N, N, dtype=torch.float64)
    position, frames = torch.randn(F, N, 3, dtype=torch.float64), Frames(B, T)
    on_edges = {"edge_weight": weight[adj]} | ({"adjacency": strength[adj]} if soft else {})
    on_pairs = {"edge_weight": weight} | ({"adjacency": strength} if soft else {})

    want, (_, alpha) = sparse(
        x.flatten(0, 1),
        edges,
        position=position.flatten(0, 1),
        frames=frames,
        return_attention_weights=True,
        **on_edges,
    )
    got, pairs = dense(
        x, None if complete else adj, position=position, frames=frames, return_attention_weights=True, **on_pairs
    )
    torch.testing.assert_close(got.flatten(0, 1), want, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(pairs[adj], alpha, atol=1e-10, rtol=1e-10)
    grads = (
        torch.autograd.grad(y.square().sum(), [x, *layer.parameters()], allow_unused=True)
        for y, layer in ((want, sparse), (got, dense))
    )
    for ours, theirs in zip(*grads, strict=True):
        if ours is not None:
            torch.testing.assert_close(ours, theirs, atol=1e-8, rtol=1e-8)


def test_missing_nodes_change_nothing_for_the_others():
    sparse, dense = twins()
    x, mask = torch.randn(F, N, C, dtype=torch.float64), torch.rand(F, N) < 0.7
    adj = mask[:, :, None] & mask[:, None]
    edges = repeat_edges(complete_edges(N), N, F)
    edges = edges[:, mask.flatten()[edges].all(dim=0)]
    want = sparse(x.flatten(0, 1), edges, frames=Frames(B, T), mask=mask.flatten())
    torch.testing.assert_close(dense(x, adj, frames=Frames(B, T), mask=mask).flatten(0, 1), want)


def test_leading_dimensions_are_frames_and_a_node_that_hears_nobody_is_finite():
    _, dense = twins()
    x = torch.randn(B, T, N, C, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(dense(x), dense(x.flatten(0, 1)).view_as(x))
    y = dense(x, torch.zeros(B, T, N, N, dtype=torch.bool))
    y.sum().backward()
    assert y.isfinite().all()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("attention", ["dot", "multi_head"])
@pytest.mark.parametrize("send_layers", [1, 2])
def test_gradients_are_right(attention, send_layers):
    _, dense = twins(attention=attention, send_layers=send_layers)
    x = torch.randn(2, N, C, dtype=torch.float64, requires_grad=True)
    adj = torch.rand(2, N, N) < 0.7
    assert torch.autograd.gradcheck(lambda v: dense(v, adj), x, fast_mode=True)


def test_whole_stage_compiles_into_one_graph():
    _, dense = twins()
    x = torch.randn(2, N, C, dtype=torch.float64)
    compiled = torch.compile(dense, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), dense(x))


SHAPES = [{}, {"combine": "sum", "send_layers": 1, "update_layers": 0}, {"plain_gather": True}]


@pytest.mark.parametrize("options", SHAPES)
def test_the_stage_on_edges_has_the_same_parameters(options):
    gather = {} if options.get("plain_gather") else {"gather_norm": FrameNorm(C)}
    dense = DenseSpaceConv(C, message_norm=FrameNorm(C), **gather, **options).double().eval()
    before = torch.get_rng_state()
    sparse = dense.sparse()
    assert torch.equal(torch.get_rng_state(), before)
    assert [id(p) for p in sparse.parameters()] == [id(p) for p in dense.parameters()]
    assert not sparse.training
    x = torch.randn(F, N, C, dtype=torch.float64)
    edges = repeat_edges(complete_edges(N), N, F)
    torch.testing.assert_close(sparse(x.flatten(0, 1), edges, frames=Frames(B, T)).view_as(x), dense(x))


@pytest.mark.parametrize("options", SHAPES)
def test_it_trains_under_autocast_and_in_half_precision(options):
    dense = DenseSpaceConv(C, message_norm=FrameNorm(C), **options)
    x, adj = torch.randn(2, 18, C), torch.rand(2, 18, 18) < 0.7
    with torch.autocast("cpu", torch.bfloat16):
        y = dense(x, adj)
        y.float().square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in dense.parameters())
    torch.testing.assert_close(y.float(), dense(x, adj), atol=0.15, rtol=0.15)
    assert dense.bfloat16()(x.bfloat16(), adj).dtype == torch.bfloat16


def test_a_wrapped_or_watched_layer_is_run():
    dense = DenseSpaceConv(C, message_norm=FrameNorm(C))
    x, want = torch.randn(2, N, C), None
    want = dense(x)
    seen = []
    dense.message_norm.register_forward_hook(lambda *args: seen.append(args))
    torch.testing.assert_close(dense(x), want)
    assert len(seen) == 1
    dense.send_mlp[1] = torch.nn.Sequential(dense.send_mlp[1], torch.nn.Identity())
    torch.testing.assert_close(dense(x), want)
