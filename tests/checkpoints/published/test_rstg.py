"""Any setting of RSTG's released code loads, and computes what is written out below."""

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pyg_video.checkpoints import load_published_rstg, load_published_rstg_network
from pyg_video.functional import grid_boxes, overlap_edges
from pyg_video.layers import ToMap, ToVector

B, T, C, SIZE = 2, 3, 16, (7, 7)
ATTENTIONS = ["additive", "dot", "multi_head"]
NORMS = ["none", "LN", "BN"]
SETTINGS = [
    dict(zip(("attention", "norm", "scalewise", "update_layers", "project", "positions"), values, strict=True))
    for values in itertools.product(ATTENTIONS, NORMS, [False, True], [1, 2], [False, True], [False, True])
]
DRAWN = [SETTINGS[i] for i in np.random.default_rng(0).choice(len(SETTINGS), 16, replace=False)]


def variables(  # noqa: C901 - a list of what there is
    attention="additive", norm="none", scalewise=False, update_layers=2, project=False, positions=False,
    scales=(3, 2, 1), mnist=False, place="final", channels=C,
):  # fmt: skip
    """Random variables under the released names."""
    rng = np.random.default_rng(1)
    scope, P, made = f"whole_graph_model_{place}/", 36 if positions else 0, {}

    def add(name, *shape, scale=0.4):
        made[scope + name] = rng.normal(0, scale, shape).astype(np.float32)

    def add_linear(name, *shape):
        add(f"{name}/kernel", *shape)
        add(f"{name}/bias", shape[-1])

    def add_norm(name, kind=norm):
        if kind == "none":
            return
        name = f"{name}_{kind.lower()}" if name != "batch_normalization" else name
        add(f"{name}/gamma", C)
        add(f"{name}/beta", C)
        if kind == "BN":
            add(f"{name}/moving_mean", C)
            made[f"{scope}{name}/moving_variance"] = rng.uniform(0.5, 2, C).astype(np.float32)

    if project:
        add_linear("project_i3d", channels, C)
        add_linear("project_back_to_i3d", C, channels)
    if mnist:
        add_norm("batch_normalization", "BN")
    add_norm("before_graf")
    add("cudnn_lstm/opaque_kernel", 8 * C * C + 8 * C)
    add("time_update_extern/cudnn_lstm/opaque_kernel", 8 * C * C + 8 * C)
    add_linear("send_messages_mlp/send_conv1", 1, 1, 2 * (C + P), C)
    add_linear("send_messages_mlp/send_conv2", 1, 1, C, C)
    add_norm("send_messages_mlp/message")
    heads = 8 if attention == "multi_head" else 1
    for head in range(heads):
        prefix = f"attention_head{head}/" if heads > 1 else ""
        inner = prefix + ("my_attn" if attention == "additive" else "dot_product_attn")
        width = 1 if attention == "additive" else C // heads
        add_linear(f"{inner}/att_conv1", 1, C, width)
        add_linear(f"{inner}/att_conv2", 1, C, width)
        add(f"{inner}/att_bias/biases", C // heads)
        if heads > 1:
            add_linear(f"{prefix}messages_proj", 1, 1, C, C // heads)
    if attention == "additive":
        add_norm("my_attn/att")
    update = "update_node_mlp_" if scalewise else "update_node_mlp"
    for suffix in [f"_type{k + 1}" for k in range(len(scales))] if scalewise else [""]:
        for layer in range(update_layers):
            add_linear(f"{update}/update_conv{layer + 1}{suffix}", 1, C if layer else 2 * C, C)
    add_norm(f"{update}/update")
    if positions:
        made["positional_emb"] = rng.random((sum(s * s for s in scales), P)).astype(np.float32)
    return made


class Reference:
    """METHOD as the released code has it, with dense tensors, a loop over stages, frames and heads; float64."""

    def __init__(self, weights, scales=(3, 2, 1), num_iterations=3, training=False):
        self.scope = next(name for name in weights if name.startswith("whole_graph_model_")).split("/")[0] + "/"
        self.w = {name: torch.tensor(value, dtype=torch.float64) for name, value in weights.items()}
        self.scales, self.num_iterations, self.training = scales, num_iterations, training
        sender, receiver = overlap_edges(torch.cat([grid_boxes(s, s) for s in scales]))
        N = sum(s * s for s in scales)
        self.adjacency = torch.zeros(N, N, dtype=torch.float64)
        self.adjacency[receiver, sender] = 1

    def has(self, name):
        return self.scope + name in self.w

    def get(self, name):
        return self.w[self.scope + name]

    def linear(self, name, x):
        return x @ self.get(f"{name}/kernel").flatten(0, -2) + self.get(f"{name}/bias")

    def norm(self, name, x):
        """Over all axes but the first for layer norms, all but the last for batch norms."""
        if self.has(f"{name}_ln/gamma"):
            axes, name, eps = tuple(range(1, x.dim())), f"{name}_ln", 1e-12
        elif self.has(f"{name}_bn/gamma") or self.has(f"{name}/gamma"):
            axes, name, eps = tuple(range(x.dim() - 1)), name if self.has(f"{name}/gamma") else f"{name}_bn", 1e-3
        else:
            return x
        if name.endswith("_ln") or self.training:
            mean, var = x.mean(axes, keepdim=True), x.var(axes, keepdim=True, correction=0)
        else:
            mean, var = self.get(f"{name}/moving_mean"), self.get(f"{name}/moving_variance")
        return (x - mean) / (var + eps).sqrt() * self.get(f"{name}/gamma") + self.get(f"{name}/beta")

    def lstm(self, name, x):  # [T, B, N, C]
        flat = self.get(f"{name}/opaque_kernel")
        W, R = flat[: 4 * C * C].view(4 * C, C), flat[4 * C * C : 8 * C * C].view(4 * C, C)
        bias = flat[8 * C * C :].view(2, -1).sum(0)
        h = c = torch.zeros_like(x[0])
        out = []
        for v in x:
            i, f, g, o = (v @ W.T + h @ R.T + bias).chunk(4, dim=-1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            out.append(h)
        return torch.stack(out)

    def gather(self, v, messages):
        heads = [f"attention_head{h}/" for h in range(8)] if self.has("attention_head0/messages_proj/kernel") else [""]
        parts = []
        for head in heads:
            m = self.linear(f"{head}messages_proj", messages) if head else messages
            if self.has("my_attn/att_conv1/kernel"):
                inner = "my_attn"
                z = self.linear(f"{inner}/att_conv1", v) + self.linear(f"{inner}/att_conv2", v).mT
                z = F.leaky_relu(z * self.adjacency, 0.2) + self.adjacency
            else:
                inner = f"{head}dot_product_attn"
                z = self.linear(f"{inner}/att_conv1", v) @ self.linear(f"{inner}/att_conv2", v).mT * self.adjacency
            g = torch.einsum("bij,bijc->bic", z.softmax(-1), m) + self.get(f"{inner}/att_bias/biases")
            parts.append(self.norm(f"{inner}/att", g) if inner == "my_attn" else g)
        return torch.cat(parts, dim=-1).relu()

    def update(self, v, g):
        ends = torch.cat([v, g], dim=-1)
        scalewise = self.has("update_node_mlp_/update_conv1_type1/kernel")
        scope = "update_node_mlp_" if scalewise else "update_node_mlp"
        pieces = ends.split([s * s for s in self.scales], dim=1) if scalewise else [ends]
        for k in range(len(pieces)):
            pieces = list(pieces)
            for layer in (1, 2, 3):
                name = f"{scope}/update_conv{layer}" + (f"_type{k + 1}" if scalewise else "")
                if self.has(f"{name}/kernel"):
                    pieces[k] = self.linear(name, pieces[k]).relu()
        return self.norm(f"{scope}/update", torch.cat(pieces, dim=1))

    def __call__(self, nodes):  # [B, T, N, C]
        x = self.linear("project_i3d", nodes) if self.has("project_i3d/kernel") else nodes
        x = self.norm("batch_normalization", x) if self.has("batch_normalization/gamma") else x
        x = self.norm("before_graf", x).transpose(0, 1)
        for stage in range(self.num_iterations):
            frames = []
            for v in self.lstm("cudnn_lstm", x) if stage < 3 else x:
                p = self.w.get("positional_emb")
                ends = v if p is None else torch.cat([v, p.expand(v.size(0), -1, -1)], dim=-1)
                N = v.size(1)
                pairs = torch.cat([ends[:, None].expand(-1, N, -1, -1), ends[:, :, None].expand(-1, -1, N, -1)], dim=-1)
                m = self.linear("send_messages_mlp/send_conv1", pairs).relu()  # [B, dst, src, C]
                m = self.norm("send_messages_mlp/message", self.linear("send_messages_mlp/send_conv2", m).relu())
                frames.append(self.update(v, self.gather(v, m)))
            x = torch.stack(frames)
        x = self.lstm("time_update_extern/cudnn_lstm", x).transpose(0, 1)
        return self.linear("project_back_to_i3d", x) if self.has("project_back_to_i3d/kernel") else x


def compare(weights, scales=(3, 2, 1), num_iterations=3, training=False):
    published = load_published_rstg(weights, scales=scales, num_iterations=num_iterations)
    builder, processor = published.builder.double(), published.processor.double().train(training)
    x = torch.randn(B, T, builder.channels, *SIZE, dtype=torch.float64, requires_grad=True)
    ours = processor(builder(x)).frames
    theirs = Reference(weights, scales, num_iterations, training)(builder(x).frames)
    torch.testing.assert_close(ours, theirs, atol=1e-9, rtol=1e-7)
    probe = torch.randn_like(ours)
    mine, reference = (torch.autograd.grad((y * probe).sum(), x)[0] for y in (ours, theirs))
    torch.testing.assert_close(mine, reference, atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize("setting", DRAWN, ids=lambda s: "-".join(map(str, s.values())))
def test_any_setting_computes_what_the_released_code_does(setting):
    compare(variables(**setting, channels=24 if setting["project"] else C))


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("norm", ["LN", "BN"])
def test_norms_in_training_see_one_frame_of_all_clips(attention, norm):
    compare(variables(attention, norm, mnist=True), training=True)


@pytest.mark.parametrize("num_iterations", [1, 2])
def test_fewer_iterations(num_iterations):
    compare(variables(), num_iterations=num_iterations)


def test_no_iterations_have_no_variables_of_stages():
    stages = ("send_messages_mlp", "my_attn", "update_node_mlp", "whole_graph_model_final/cudnn_lstm")
    weights = {name: value for name, value in variables(norm="LN").items() if not any(s in name for s in stages)}
    compare(weights, num_iterations=0)


@pytest.mark.parametrize("scales", [(1,), (2, 1), (4, 3, 2, 1)])
def test_other_numbers_of_scales(scales):
    compare(variables(scales=scales, scalewise=True, positions=True), scales=scales)


def test_lstms_as_tensorflows_saver_writes_them():
    """Kernel ``[input | hidden, gates]`` with the gates i, g, f, o, and the two biases as one."""
    weights = variables()
    want = load_published_rstg(weights)
    for scope in ("cudnn_lstm", "time_update_extern/cudnn_lstm"):
        flat = weights.pop(f"whole_graph_model_final/{scope}/opaque_kernel")
        W, R = flat[: 4 * C * C].reshape(4, C, C), flat[4 * C * C : 8 * C * C].reshape(4, C, C)
        order = [0, 2, 1, 3]
        stacked = np.concatenate([W, R], axis=2)[order].reshape(4 * C, 2 * C).T
        bias = flat[8 * C * C :].reshape(2, 4, C).sum(0)[order].reshape(-1)
        cell = f"whole_graph_model_final/{scope}/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell"
        weights |= {f"{cell}/kernel": stacked, f"{cell}/bias": bias}
    x = torch.randn(B, T, C, *SIZE)
    got = load_published_rstg(weights)
    torch.testing.assert_close(got.processor(got.builder(x)).x, want.processor(want.builder(x)).x)


def test_optimizer_slots_constants_and_scopes_around_it_do_not_matter():
    weights = variables(positions=True)
    around = {f"tower/resnet_i3d/{name}:0": value for name, value in weights.items()}
    around |= {f"{name}/Momentum": value for name, value in weights.items()}
    around |= {"global_step": np.zeros(()), "graph_input/resize/resize_filters__7_7_3x3": np.zeros((3, 3, 7, 7))}
    x = torch.randn(1, T, C, *SIZE)
    want, got = load_published_rstg(weights), load_published_rstg(around)
    torch.testing.assert_close(got.processor(got.builder(x)).x, want.processor(want.builder(x)).x)


def test_of_several_graphs_one_is_named():
    weights = variables(place="res3") | variables(place="res4", norm="LN")
    with pytest.raises(ValueError, match="Expected 'place' to be one of res3, res4 .got None"):
        load_published_rstg(weights)
    assert "ClipNorm" in repr(load_published_rstg(weights, place="res4").processor)
    assert "ClipNorm" not in repr(load_published_rstg(weights, place="res3").processor)


def test_a_missing_variable_is_named():
    weights = variables()
    del weights["whole_graph_model_final/my_attn/att_bias/biases"]
    with pytest.raises(ValueError, match="whole_graph_model_final .got them without my_attn/att_bias/biases"):
        load_published_rstg(weights)


def test_a_variable_too_many_is_named():
    weights = variables() | {"whole_graph_model_final/conv2d/kernel": np.zeros((1, 1, 4, 4))}
    with pytest.raises(ValueError, match="weights of whole_graph_model_final .got them with conv2d/kernel"):
        load_published_rstg(weights)


def test_a_variable_of_another_shape_is_named():
    weights = variables() | {"whole_graph_model_final/cudnn_lstm/opaque_kernel": np.zeros(8)}
    with pytest.raises(ValueError, match=r"Expected 'cudnn_lstm/opaque_kernel' .* of shape \[2176\] \(got \[8\]\)"):
        load_published_rstg(weights)


def test_forgotten_positions_are_noticed():
    weights = variables(positions=True)
    del weights["positional_emb"]
    with pytest.raises(ValueError, match="is 'positional_emb' among the variables"):
        load_published_rstg(weights)


def test_names_of_something_else_are_refused():
    with pytest.raises(ValueError, match="Expected variables under whole_graph_model_... .got resnet/conv1"):
        load_published_rstg({"resnet/conv1": np.zeros(3)})


def test_iterations_after_the_third_have_no_time_stage():
    compare(variables(), num_iterations=5)
    with pytest.raises(ValueError, match="Expected 'num_iterations' of at least 0"):
        load_published_rstg(variables(), num_iterations=-1)


@pytest.mark.parametrize("scalewise", [False, True])
def test_any_number_of_update_layers(scalewise):
    compare(variables(scalewise=scalewise, update_layers=3))


@pytest.mark.parametrize("kind", ["ln", "bn"])
def test_a_block_with_the_residual_norm_of_its_place(kind):
    weights, rng = variables(place="res3"), np.random.default_rng(2)
    scale, beta = rng.normal(size=C), rng.normal(size=C)
    weights["resnet_i3d/res3_after_graph_" + kind + "/beta"] = beta
    if kind == "ln":
        weights["resnet_i3d/res3_after_graph_ln_scale"] = scale
    else:
        weights["resnet_i3d/res3_after_graph_bn/gamma"] = scale
        weights |= {f"resnet_i3d/res3_after_graph_bn/moving_{name}": np.ones(C) for name in ("mean", "variance")}
    published = load_published_rstg(weights)
    block = published.block("res3").double()
    x = torch.randn(B, T, C, *SIZE, dtype=torch.float64)
    y = ToMap()(block.processor(block.builder(x))).permute(0, 1, 3, 4, 2)
    if kind == "ln":
        normed = torch.stack([F.layer_norm(clip, clip.shape, eps=1e-12) for clip in y])
        want = torch.tensor(scale) * (normed + torch.tensor(beta))
    else:
        want = (y - 1) / (1 + 1e-3) ** 0.5 * torch.tensor(scale) + torch.tensor(beta)
    torch.testing.assert_close((block(x) - x).permute(0, 1, 3, 4, 2), want, atol=1e-6, rtol=1e-5)
    with pytest.raises(ValueError, match="Expected 'place' to be one of res3 .got 'res5'"):
        published.block("res5")


def test_the_whole_network_for_digits_loads():
    """Three convolutions without padding, each with ReLU and max-pooling, on pixels up to 255; mean over frames."""
    weights, rng = variables(positions=True, mnist=True), np.random.default_rng(3)
    widths = (1, 4, 4, C)
    for i in range(3):
        kernel = rng.normal(0, 0.3 / (255 if i == 0 else 1), (3, 3, widths[i], widths[i + 1]))
        weights |= {f"conv{i}/conv2d/kernel": kernel, f"conv{i}/conv2d/bias": rng.normal(size=widths[i + 1])}
    weights |= {"pred/kernel": rng.normal(size=(1, 1, 1, C, 46)), "pred/bias": rng.normal(size=46)}
    weights = {f"tower/{name}": value.astype(np.float32) for name, value in weights.items()}
    model = load_published_rstg_network(weights).double()
    video = torch.rand(B, T, 1, 64, 64, dtype=torch.float64)

    x = video.flatten(0, 1) * 255
    for i in range(3):
        kernel, bias = (torch.tensor(weights[f"tower/conv{i}/conv2d/{name}"]).double() for name in ("kernel", "bias"))
        x = F.max_pool2d(F.conv2d(x, kernel.permute(3, 2, 0, 1), bias).relu(), 2)
    assert x.shape[1:] == (C, 6, 6)
    inner = {name.removeprefix("tower/"): value for name, value in weights.items()}
    published = load_published_rstg(weights)
    nodes = published.builder.double()(x.unflatten(0, (B, T))).frames
    vector = Reference(inner)(nodes).mean(1).sum(1)
    kernel, bias = (torch.tensor(weights[f"tower/pred/{name}"]).double() for name in ("kernel", "bias"))
    torch.testing.assert_close(model(video), vector @ kernel.view(C, 46) + bias, atol=1e-6, rtol=1e-5)


def test_a_network_without_convolutions_is_refused():
    with pytest.raises(ValueError, match="Expected the variables conv0/conv2d/kernel"):
        load_published_rstg_network(variables())


def test_the_graph_runs_at_another_map_size_and_length():
    published = load_published_rstg(variables(norm="LN", scalewise=True, attention="dot"))
    graph = published.processor(published.builder(torch.randn(1, 5, C, 9, 12)))
    assert ToMap()(graph).shape == (1, 5, C, 9, 12)
    assert ToVector("mean")(graph).isfinite().all()


def whole_pixel_pairs(scales, size):
    """The released rule, spelt out: rectangles of int(size / s) pixels that meet in more than a corner."""
    boxes = [
        (x * (size // s), (x + 1) * (size // s), y * (size // s), (y + 1) * (size // s))
        for s in scales
        for y in range(s)
        for x in range(s)
    ]
    pairs = set()
    for i, (x0, x1, y0, y1) in enumerate(boxes):
        for j, (a0, a1, b0, b1) in enumerate(boxes):
            dx, dy = min(x1, a1) - max(x0, a0), min(y1, b1) - max(y0, b0)
            if i != j and dx >= 0 and dy >= 0 and (dx > 0 or dy > 0):
                pairs.add((j, i))
    return pairs


@pytest.mark.parametrize("size", [64, 128, 224, 256])
@pytest.mark.parametrize("num_scales", [1, 2, 3, 4, 5, 6])
def test_neighbours_are_those_of_whole_pixel_rectangles(size, num_scales):
    scales = range(num_scales, 0, -1)
    published = load_published_rstg(variables(scales=scales), scales=scales, frame_size=(size, size))
    assert set(map(tuple, published.builder.frame_edges.T.tolist())) == whole_pixel_pairs(scales, size)
    if num_scales <= 4:
        exact = load_published_rstg(variables(scales=scales), scales=scales)
        assert torch.equal(published.builder.frame_edges, exact.builder.frame_edges)


def test_rectangles_of_whole_pixels_must_fit():
    with pytest.raises(ValueError, match="Expected a 'frame_size' into which 3 x 3 rectangles"):
        load_published_rstg(variables(), frame_size=(8, 8))
