import itertools

import pytest
import torch
from torch_geometric.nn import LayerNorm
from torch_geometric.utils import to_dense_adj

from pyg_video.data import Frames
from pyg_video.functional import complete_edges, grid_boxes, overlap_edges, repeat_edges
from pyg_video.layers import BatchNorm, FrameNorm, SpaceConv

C, N, F = 8, 13, 3
EDGES = overlap_edges(torch.cat([grid_boxes(s, s) for s in (3, 2)]))
ATTENTIONS = ["dot", "multi_head", "additive", "mean"]
VARIANTS = list(itertools.product(["concat", "sum"], [1, 2], ATTENTIONS, [0, 1, 2]))


def conv(combine="concat", send_layers=2, attention="dot", update_layers=2, norm=True, **options):
    norms = {"message_norm": FrameNorm(C), "update_norm": FrameNorm(C)} if norm else {}
    layer = SpaceConv(
        C, combine=combine, send_layers=send_layers, attention=attention, update_layers=update_layers, heads=2,
        **norms, **options,
    )  # fmt: skip
    for p in layer.parameters():
        torch.nn.init.normal_(p, std=0.5)
    return layer.double()


def run(layer, x, edge_index, **options):
    """The layer on one frame."""
    return layer(x, edge_index, frames=Frames(1, 1), **options)


def reference(layer, x, edge_index, position=None):
    """The docstring's three equations with dense tensors, everything once an edge: m[i, j] goes from j to i."""
    ends = x if position is None else torch.cat([x, position], dim=-1)
    sender, receiver = ends[None].expand(N, N, -1), ends[:, None].expand(N, N, -1)
    W, b = layer.send.weight, layer.send.bias
    if layer.combine == "sum":
        m = (sender + receiver) @ W.T + b
    else:
        m = torch.cat([sender, receiver], dim=-1) @ torch.cat([W, layer.receive.weight], dim=1).T + b
    m = layer.send_mlp(m)
    adj = to_dense_adj(edge_index, max_num_nodes=N)[0].T.bool()  # [receiver, sender]
    if not isinstance(layer.message_norm, torch.nn.Identity):
        normed = torch.zeros_like(m)
        normed[adj] = layer.message_norm(m[adj])
        m = normed
    query, key = layer.attention.project(x)
    logits = layer.attention.logits(query[:, None], key[None]).masked_fill(~adj[..., None], -torch.inf)
    alpha = logits.softmax(dim=1).nan_to_num()  # [N, N, heads]
    gathered = torch.einsum("ijh,ijhc->ihc", alpha, layer.value(m).unflatten(-1, (alpha.size(-1), -1)))
    gathered = (gathered.flatten(1) + layer.bias).relu()
    by_sum = layer.combine == "sum" or len(layer.update_mlp) == 0
    y = layer.update_mlp(x + gathered if by_sum else torch.cat([x, gathered], dim=-1))
    return layer.update_norm(y), alpha


@pytest.mark.parametrize(("combine", "send_layers", "attention", "update_layers"), VARIANTS)
def test_send_gather_update_follow_the_equations(combine, send_layers, attention, update_layers):
    layer = conv(combine, send_layers, attention, update_layers)
    x = torch.randn(N, C, dtype=torch.float64)
    torch.testing.assert_close(run(layer, x, EDGES), reference(layer, x, EDGES)[0])


@pytest.mark.parametrize("combine", ["concat", "sum"])
def test_messages_see_positions(combine):
    layer = conv(combine, position_channels=5)
    x, position = torch.randn(N, C).double(), torch.randn(N, 5).double()
    want, _ = reference(layer, x, EDGES, position)
    torch.testing.assert_close(run(layer, x, EDGES, position=position), want)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_flat_batch_equals_the_frames_alone(attention):
    layer = conv(attention=attention)
    x = torch.randn(F, N, C, dtype=torch.float64)
    flat = layer(x.flatten(0, 1), repeat_edges(EDGES, N, F), frames=Frames(F, 1))
    torch.testing.assert_close(flat.view(F, N, C), layer(x, EDGES))  # shared edges
    torch.testing.assert_close(flat.view(F, N, C), torch.stack([run(layer, frame, EDGES) for frame in x]))


def test_frames_may_have_different_edges():
    layer = conv()
    x = torch.randn(2 * N, C, dtype=torch.float64)
    flat = layer(x, torch.cat([EDGES, complete_edges(N) + N], dim=1), frames=Frames(2, 1))
    torch.testing.assert_close(flat, torch.cat([run(layer, x[:N], EDGES), run(layer, x[N:], complete_edges(N))]))


def test_attention_weights_are_returned_on_request_and_sum_to_one():
    layer = conv(attention="multi_head")
    x = torch.randn(N, C, dtype=torch.float64)
    y, (edge_index, alpha) = run(layer, x, EDGES, return_attention_weights=True)
    torch.testing.assert_close(y, run(layer, x, EDGES))
    total = torch.zeros(N, 2, dtype=alpha.dtype).index_add(0, edge_index[1], alpha)
    torch.testing.assert_close(total, torch.ones_like(total))
    dense = reference(layer, x, EDGES)[1]
    torch.testing.assert_close(alpha, dense[edge_index[1], edge_index[0]])


def test_relabelled_nodes_give_relabelled_results():
    layer, order = conv(), torch.randperm(N)
    x = torch.randn(N, C, dtype=torch.float64)
    torch.testing.assert_close(run(layer, x[order], order.argsort()[EDGES]), run(layer, x, EDGES)[order])


def test_gradients_are_right():
    layer = conv(attention="multi_head")
    x = torch.randn(N, C, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: run(layer, v, EDGES), x, fast_mode=True)


def test_a_node_without_neighbours_hears_the_bias_only():
    layer = conv(norm=False)
    y = layer(torch.randn(2, C, dtype=torch.float64), torch.empty(2, 0, dtype=torch.long))
    assert y.isfinite().all()


def test_wrong_input_is_a_clear_error():
    layer = SpaceConv(C)
    with pytest.raises(ValueError, match=r"Expected 'x' of shape \[\*, N, 8\] \(got \[13, 9\]\)"):
        layer(torch.randn(N, 9), EDGES)
    with pytest.raises(ValueError, match="Expected node positions with position_channels = 0 values"):
        layer(torch.randn(N, C), EDGES, position=torch.randn(N, 3))
    with pytest.raises((IndexError, ValueError), match="edge_index"):
        layer(torch.randn(N, C), EDGES + 1)
    with pytest.raises(ValueError, match="Expected 'frames', the frame of every node, since the norms work"):
        SpaceConv(C, message_norm=FrameNorm(C))(torch.randn(N, C), EDGES)


def test_edge_weights_multiply_the_attention():
    conv, x, edges = SpaceConv(8), torch.randn(4, 8), complete_edges(4)
    weight = torch.rand(16)
    _, (_, alpha) = conv(x, edges, return_attention_weights=True)
    _, (_, weighted) = conv(x, edges, edge_weight=weight, return_attention_weights=True)
    torch.testing.assert_close(weighted, alpha * weight[:, None])
    torch.testing.assert_close(conv(x, edges, edge_weight=torch.ones(16)), conv(x, edges))


def test_a_plain_gather_is_the_bare_mean_of_the_messages():
    layer = conv(attention="mean", plain_gather=True, update_layers=0, norm=False)
    layer.send_mlp[-1] = torch.nn.Identity()  # messages of either sign
    x = torch.randn(N, C, dtype=torch.float64)
    m = layer.send_mlp(layer.send(x)[None] + layer.receive(x)[:, None])
    torch.testing.assert_close(run(layer, x, complete_edges(N)) - x, m.mean(dim=1))
    assert layer.bias is None


@pytest.mark.parametrize("update_layers", [1, 2])
def test_every_kind_of_nodes_may_have_its_own_update(update_layers):
    groups = (9, 4)
    layer = conv(update_layers=update_layers, norm=False, update_groups=groups)
    x = torch.randn(F, N, C, dtype=torch.float64)
    shared = conv(update_layers=update_layers, norm=False)
    rest = {name: value for name, value in layer.state_dict().items() if not name.startswith("update_mlp")}
    got = layer(x, EDGES)
    first = 0
    for kind, size in zip(layer.update_mlp.kinds, groups, strict=True):
        weights = {f"update_mlp.{name}": value for name, value in kind.state_dict().items()}
        shared.load_state_dict(rest | weights)
        torch.testing.assert_close(got[:, first : first + size], shared(x, EDGES)[:, first : first + size])
        first += size
    flat = layer(x.flatten(0, 1), repeat_edges(EDGES, N, F))
    torch.testing.assert_close(flat, got.flatten(0, 1))


def test_what_is_gathered_is_normalised_before_the_relu():
    layer = conv(norm=False, update_layers=0)
    plain = conv(norm=False, update_layers=0)
    plain.load_state_dict(layer.state_dict())
    layer.gather_norm = FrameNorm(C).double()
    x = torch.randn(F, N, C, dtype=torch.float64)
    seen = {}
    layer.gather_norm.register_forward_hook(lambda module, args, y: seen.update(before=args[0], after=y))
    torch.testing.assert_close(layer(x, EDGES) - x, seen["after"].relu())
    torch.testing.assert_close(plain(x, EDGES) - x, seen["before"].relu())


def test_batch_norms_see_one_frame_number_at_a_time():
    layer = conv(norm=False, message_norm=BatchNorm(C, by_frame=True), update_norm=BatchNorm(C, by_frame=True))
    B, T = 2, 3
    x = torch.randn(B, T, N, C, dtype=torch.float64)
    edges = repeat_edges(EDGES, N, B * T)
    got = layer(x.flatten(0, 2), edges, frames=Frames(B, T)).view_as(x)
    layer_alone = conv(norm=False, message_norm=BatchNorm(C, by_frame=True), update_norm=BatchNorm(C, by_frame=True))
    layer_alone.load_state_dict(layer.state_dict())
    for t in range(T):
        alone = layer_alone(x[:, t].flatten(0, 1), repeat_edges(EDGES, N, B), frames=Frames(B, 1))
        torch.testing.assert_close(got[:, t], alone.view(B, N, C))


def test_a_batch_of_clips_where_frames_are_meant_is_refused():
    batch = torch.zeros(N, dtype=torch.long)
    with pytest.raises(TypeError, match="got 'batch'.; PyG's 'batch' is the clip of every node"):
        SpaceConv(C)(torch.randn(N, C), EDGES, batch=batch)


def test_a_norm_of_pyg_works_frame_by_frame():
    layer = conv(norm=False, message_norm=LayerNorm(C), update_norm=LayerNorm(C))
    ours = conv(norm=True)
    ours.load_state_dict(layer.state_dict())
    x = torch.randn(F * N, C, dtype=torch.float64)
    edges, frames = repeat_edges(EDGES, N, F), Frames(F, 1)
    torch.testing.assert_close(layer(x, edges, frames=frames), ours(x, edges, frames=frames))
