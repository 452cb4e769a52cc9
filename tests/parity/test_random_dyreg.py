"""The loaded block against DyReg-GNN's mathematics, written out here, for option combinations drawn at random.

The reference works on tensors under the released names, one equation after the other, and shares no code with the
package. An hour-glass has the released strides and paddings by map height, which the first table here repeats.
"""

import math
import random

import pytest
import torch
from torch.nn import functional as F

from pyg_video.checkpoints import load_published_dyreg_block

CONVS = {  # height: (stride, padding) of the first convolution, of the others, and the height that comes out
    7: ((1, 0), (1, 1), 5), 8: ((1, 0), (1, 1), 6), 14: ((2, 0), (1, 1), 6), 16: ((2, 0), (1, 1), 7),
    28: ((2, 0), (2, 0), 6), 32: ((2, 0), (2, 0), 7), 56: ((2, 0), (2, 0), 6),
}  # fmt: skip
HEIGHTS = [7, 8, 14, 16, 28, 32, 56]
SEEDS = range(40)


@pytest.fixture(autouse=True)
def _double_precision():
    """Constants of both sides in float64 too, so that they agree to rounding."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def draw(seed):
    """A configuration with which the released code runs."""
    pick = random.Random(seed).choice
    c = {"rnn": pick(["GRU", "LSTM"]), "offset_generator": pick(["big", "small"])}
    c |= {"init_regions": pick(["center", "grid"]), "aggregation_type": pick(["dot", "sum"])}
    c |= {"combine_by_sum": pick([True, True, False]), "project_i3d": pick([True, False])}
    c["send_layers"] = pick([1, 2]) if c["combine_by_sum"] else 2
    c["update_layers"] = pick([0, 1, 2]) if c["combine_by_sum"] else 2
    c |= {"node_dim": pick([4, 8]), "offset_dim": pick([3, 6]), "num_nodes": pick([4, 9, 9])}
    c["backbone_dim"] = pick([5, 8]) if c["project_i3d"] else c["node_dim"]
    c |= {"full_res": pick([True, False]), "H": pick(HEIGHTS)}
    c |= {"W": c["H"], "iH": c["H"], "iW": c["H"]}
    if c["full_res"]:
        c |= {"iH": pick(HEIGHTS), "H": pick([9, 10, 16]), "W": pick([9, 12, 20])}
        c["iW"] = c["iH"]
    elif c["offset_generator"] == "small":
        c["W"] = pick([c["H"], 9, 11])
    return c


def trained(c):
    return (c["iH"], c["iW"]) if c["full_res"] else (c["H"], c["W"])


def shapes(c):
    """Parameters of the released block by name."""
    C, D, N, big = c["node_dim"], c["offset_dim"], c["num_nodes"], c["backbone_dim"]
    gates = {"GRU": 3, "LSTM": 4}[c["rnn"]]
    s = {"norm_dict.residual_norm": (1, big, 1, 1)}
    layers = {"offset_pred": (4, D), "kernel_projection1": (C, math.prod(trained(c)))}
    norms = {"norm_dict.offset_ln_feats_coords": (D,), "norm_dict.offset_ln_lstm": (D,)}
    norms |= {f"rstg.norm_dict.{k}": (C,) for k in ("before_graph_norm", "send_message_norm", "update_norm")}
    if c["offset_generator"] == "big":
        layers |= {"fishnet.conv1": (32, C, 1, 1), "fishnet.tail_conv.0": (32, 32, 3, 3)}
        layers |= {f"fishnet.{k}": (16, 32, 3, 3) for k in ("tail_conv.1", "body_trans_conv.0", "head_conv.0")}
        layers["global_conv.0"] = (N * D, 16, *[CONVS[trained(c)[0]][2]] * 2)
        for name, width in (("norm1", 32), ("tail_norm_0", 32), ("tail_norm_1", 16), ("head_norm_0", 16)):
            norms[f"fishnet.norm_dict.{name}"] = (1, width, 1, 1)
        norms["fishnet.norm_dict.body_trans_norm_0"] = (1, 32, 1, 1)
    else:
        layers |= {"glore.mask_conv": (N, C, 1, 1), "glore.sin_pos_emb_proj": (C, C, 1, 1), "glore.update": (D, C, 1)}
        norms["glore.norm_dict.offset_location_emb"] = (1, C, 1, 1)
    if c["project_i3d"]:
        layers |= {"project_i3d_linear": (C, big, 1, 1), "project_back_i3d_linear": (big, C, 1, 1)}
        norms["norm_dict.dynamic_graph_projection"] = (1, C, 1, 1)
    width = C if c["combine_by_sum"] else 2 * C
    layers |= {f"rstg.send_mlp.{2 * i}": (C, C if i else width) for i in range(c["send_layers"])}
    layers |= {f"rstg.update_mlp.{2 * i}": (C, C if i else width) for i in range(c["update_layers"])}
    s["dynamic_graph.offset_alpha"] = (4,)
    if c["aggregation_type"] == "dot":
        layers |= {"rstg.att_q": (C, C), "rstg.att_k": (C, C)}
        s["dynamic_graph.rstg.att_bias"] = (1, 1, 1, C)
    s |= {f"dynamic_graph.{name}": shape for name, shape in norms.items()}
    out = {name + suffix: shape for name, shape in s.items() for suffix in _suffixes(name)}
    for name, shape in layers.items():
        bias = 32 if name == "fishnet.body_trans_conv.0" else shape[0]  # a transposed convolution's output
        out |= {f"dynamic_graph.{name}.weight": shape, f"dynamic_graph.{name}.bias": (bias,)}
    for name, width in (("offset_lstm", D), ("rstg.internal_lstm", C), ("rstg.external_lstm", C)):
        for side in ("ih", "hh"):
            out[f"dynamic_graph.{name}.weight_{side}_l0"] = (gates * width, width)
            out[f"dynamic_graph.{name}.bias_{side}_l0"] = (gates * width,)
    return out


def _suffixes(name):
    return (".scale", ".bias") if "norm" in name else ("",)


def constants(c):
    H, W, n = c["H"], c["W"], math.isqrt(c["num_nodes"])
    cell = torch.arange(n) + 0.5
    rows = (cell * H / n)[:, None].expand(n, n) if c["init_regions"] == "grid" else torch.full((n, n), H / 2)
    cols = (cell * W / n)[None].expand(n, n) if c["init_regions"] == "grid" else torch.full((n, n), H / 2)
    out = {"ph_buf": rows.reshape(1, -1, 1), "pw_buf": cols.reshape(1, -1, 1)}
    out |= {"arange_h_buf": torch.arange(H).view(1, 1, H), "arange_w_buf": torch.arange(W).view(1, 1, W)}
    if c["offset_generator"] == "small":
        out["glore.pos_emb_buf"] = positions(c["node_dim"], *trained(c))
    return {f"dynamic_graph.{name}": value for name, value in out.items()}


def positions(channels, H, W):
    half, table = channels // 2, torch.zeros(channels, H, W)
    for k in range(half):
        wave = torch.sin if k % 2 == 0 else torch.cos
        table[k] = wave(torch.linspace(0, 1, H) / 10000 ** (k / half))[:, None]
        table[half + k] = wave(torch.linspace(0, 1, W) / 10000 ** (k / half))[None]
    return table


def random_weights(c):
    weights = {}
    for name, shape in shapes(c).items():
        value = torch.randn(shape)
        if name.endswith(".scale"):
            value = 1 + 0.3 * value
        elif len(shape) > 1 and not name.endswith("bias"):
            value = 1.5 * value / math.sqrt(value[0].numel())
        else:
            value = 0.4 * value
        weights[name] = value.requires_grad_()
    return weights


class Reference:
    """The released block, equation by equation."""

    def __init__(self, weights, c):
        self.weights, self.c = weights, c

    def w(self, name):
        return self.weights[f"dynamic_graph.{name}"]

    def norm(self, x, name, dims):
        mean = x.mean(dims, keepdim=True)
        var = (x - mean).square().mean(dims, keepdim=True)
        return (x - mean) / (var + 1e-5).sqrt() * self.weights[f"{name}.scale"] + self.weights[f"{name}.bias"]

    def conv(self, x, name, stride=1, padding=0, kind=F.conv2d):
        return kind(x, self.w(f"{name}.weight"), self.w(f"{name}.bias"), stride=stride, padding=padding)

    def linear(self, x, name):
        return x @ self.w(f"{name}.weight").T + self.w(f"{name}.bias")

    def rnn(self, x, name):
        """Steps along dimension 1 of [B, T, N, D]."""
        D = x.size(-1)
        h = cell = torch.zeros_like(x[:, 0])
        out = []
        for t in range(x.size(1)):
            a = x[:, t] @ self.w(f"{name}.weight_ih_l0").T + self.w(f"{name}.bias_ih_l0")
            b = h @ self.w(f"{name}.weight_hh_l0").T + self.w(f"{name}.bias_hh_l0")
            if self.c["rnn"] == "GRU":
                r, z = (a + b)[..., :D].sigmoid(), (a + b)[..., D : 2 * D].sigmoid()
                h = (1 - z) * torch.tanh(a[..., 2 * D :] + r * b[..., 2 * D :]) + z * h
            else:
                i, f, g, o = (a + b).split(D, dim=-1)
                cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
                h = o.sigmoid() * cell.tanh()
            out.append(h)
        return torch.stack(out, dim=1)

    def mlp(self, x, name, layers):
        for i in range(layers):
            x = self.linear(x, f"{name}.{2 * i}").relu()
        return x

    def big(self, x):
        first, later, _ = CONVS[x.size(-1)]

        def plane(y, name):
            return self.norm(y, f"dynamic_graph.fishnet.norm_dict.{name}", (1, 2, 3))

        y = self.conv(x, "fishnet.conv1").relu()
        if x.size(-1) > 50:
            y = F.max_pool2d(y, 2)
        y = plane(y, "norm1")
        skip = plane(self.conv(y, "fishnet.tail_conv.0", *first).relu(), "tail_norm_0")
        y = plane(self.conv(skip, "fishnet.tail_conv.1", *later).relu(), "tail_norm_1")
        y = self.conv(y, "fishnet.body_trans_conv.0", *later, kind=F.conv_transpose2d).relu()
        y = plane(y, "body_trans_norm_0") + skip
        y = plane(self.conv(y, "fishnet.head_conv.0", *later).relu(), "head_norm_0")
        return self.conv(y, "global_conv.0").view(x.size(0), self.c["num_nodes"], -1)

    def small(self, x):
        share = self.conv(x, "glore.mask_conv").softmax(1)
        table = positions(x.size(1), *x.shape[-2:])
        positioned = x + self.conv(table[None], "glore.sin_pos_emb_proj")
        collected = torch.einsum("fnhw,fchw->fnc", share, positioned)
        return collected @ self.w("glore.update.weight")[..., 0].T + self.w("glore.update.bias")

    def kernels(self, o):
        """Of offsets [B, T, N, 4]."""
        H, W, n = self.c["H"], self.c["W"], math.isqrt(self.c["num_nodes"])
        anchors = constants(self.c)
        tents = []
        for i, (size, axis) in enumerate(((H, "h"), (W, "w"))):
            radius = o[..., i].exp() * (size / (2 * n) + 1) + 1
            start = (2 * anchors[f"dynamic_graph.p{axis}_buf"].flatten() / size - 1).clamp(-1 + 1e-7, 1 - 1e-7)
            center = (torch.tanh(o[..., 2 + i] + torch.atanh(start)) + 1) * size / 2
            distance = (torch.arange(size) - center.clamp(0, size - 1)[..., None]).abs()
            tents.append((radius[..., None] - distance).relu())
        kernel = tents[0][..., :, None] * tents[1][..., None, :]
        return kernel / kernel.sum((-2, -1), keepdim=True)

    def space(self, v):
        """Of nodes [B, T, N, C]; pairs are [receiver, sender]."""
        c, N = self.c, v.size(2)
        receiver, sender = v[:, :, :, None].expand(-1, -1, N, N, -1), v[:, :, None].expand(-1, -1, N, N, -1)
        pairs = sender + receiver if c["combine_by_sum"] else torch.cat([sender, receiver], dim=-1)
        m = self.mlp(pairs, "rstg.send_mlp", c["send_layers"])
        m = self.norm(m, "dynamic_graph.rstg.norm_dict.send_message_norm", (2, 3, 4))
        if c["aggregation_type"] == "sum":
            g = m.mean(3)
        else:
            logits = torch.einsum("btic,btjc->btij", self.linear(v, "rstg.att_q"), self.linear(v, "rstg.att_k"))
            g = torch.einsum("btij,btijc->btic", logits.softmax(-1), m)
            g = (g + self.w("rstg.att_bias").flatten()).relu()
        both = v + g if c["combine_by_sum"] else torch.cat([v, g], dim=-1)
        y = self.mlp(both, "rstg.update_mlp", c["update_layers"])
        return self.norm(y, "dynamic_graph.rstg.norm_dict.update_norm", (2, 3))

    def __call__(self, x):
        c, (B, T) = self.c, x.shape[:2]
        frames = x.flatten(0, 1)
        if c["project_i3d"]:
            frames = self.conv(frames, "project_i3d_linear")
            frames = self.norm(frames, "dynamic_graph.norm_dict.dynamic_graph_projection", (1, 2, 3))
        seen = F.adaptive_avg_pool2d(frames, trained(c)) if c["full_res"] else frames
        m = self.big(seen) if c["offset_generator"] == "big" else self.small(seen)
        m = self.norm(m, "dynamic_graph.norm_dict.offset_ln_feats_coords", (1, 2)).unflatten(0, (B, T))
        z = self.norm(self.rnn(m, "offset_lstm"), "dynamic_graph.norm_dict.offset_ln_lstm", (2, 3))
        kernel = self.kernels(self.linear(z, "offset_pred") * self.w("offset_alpha"))
        v = torch.einsum("btnhw,btchw->btnc", kernel, frames.unflatten(0, (B, T)))
        where = F.adaptive_avg_pool2d(kernel.flatten(0, 1), trained(c)) if c["full_res"] else kernel
        v = v + self.linear(where.reshape(B, T, c["num_nodes"], -1), "kernel_projection1")
        v = self.norm(v, "dynamic_graph.rstg.norm_dict.before_graph_norm", (2, 3))
        for _ in range(3):
            v = self.space(self.rnn(v, "rstg.internal_lstm"))
        v = self.rnn(v, "rstg.external_lstm")
        y = torch.einsum("btnhw,btnc->btchw", kernel, v).flatten(0, 1)
        if c["project_i3d"]:
            y = self.conv(y, "project_back_i3d_linear")
        return x + self.norm(y, "norm_dict.residual_norm", (1, 2, 3)).unflatten(0, (B, T))


def relative(got, want):
    return ((got - want).abs().max() / want.abs().max().clamp(min=1e-12)).item()


@pytest.mark.parametrize("seed", SEEDS)
def test_any_released_configuration_is_the_mathematics(seed):
    c = draw(seed)
    weights, fixed = random_weights(c), constants(c)
    x = torch.randn(2, 3, c["backbone_dim"], c["H"], c["W"], requires_grad=True)
    probe = torch.randn_like(x)

    want = Reference(weights, c)(x)
    used = {name: w for name, w in weights.items() if "offset_location_emb" not in name}
    grads = torch.autograd.grad((want * probe).sum(), [x, *used.values()])
    gradients = {name: torch.zeros_like(w) for name, w in weights.items()} | dict(zip(used, grads[1:], strict=True))

    block = load_published_dyreg_block({n: w.detach() for n, w in weights.items()} | fixed, **c)
    got = block(x)
    own = torch.autograd.grad((got * probe).sum(), [x, *block.parameters()])
    assert relative(got, want) < 1e-9
    assert relative(own[0], grads[0]) < 1e-8
    # Names and shapes of the gradients are those of the weights, and translation is linear.
    translated = load_published_dyreg_block(gradients | fixed, **c)
    largest = max(g.abs().max() for g in gradients.values())
    for (name, theirs), ours in zip(translated.named_parameters(), own[1:], strict=True):
        assert (ours - theirs).abs().max() < 1e-8 * max(theirs.abs().max(), 1e-2 * largest), name


def test_the_draws_cover_every_option():
    drawn = [draw(seed) for seed in SEEDS]
    for option, values in {
        "rnn": {"GRU", "LSTM"}, "offset_generator": {"big", "small"}, "init_regions": {"center", "grid"},
        "aggregation_type": {"dot", "sum"}, "combine_by_sum": {True, False}, "project_i3d": {True, False},
        "full_res": {True, False}, "send_layers": {1, 2}, "update_layers": {0, 1, 2}, "num_nodes": {4, 9},
    }.items():  # fmt: skip
        assert {c[option] for c in drawn} == values
    assert {c["iH"] for c in drawn if c["offset_generator"] == "big"} == set(CONVS)
    assert any(c["H"] != c["W"] and c["init_regions"] == "center" for c in drawn)
