"""The blocks of both papers in other people's ways, with copies of our weights: what ours are compared with.

Everything from the map to the map is written out here in plain PyTorch and PyG. No layer or function of the package
computes anything, so what makes the package faster does not make these faster.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.nn import LayerNorm, MessagePassing
from torch_geometric.utils import softmax

from pyg_video.graph_builders import RegionGraph
from pyg_video.graph_builders.region_generators import HourGlass, hour_glass_layout
from pyg_video.layers import RSTG, GraphBlock, TemporalRNN
from pyg_video.layers.space_parts import GroupwiseMLP, SpaceParts


class DyRegBlock(nn.Module):
    """DyReg-GNN's block as in its released code, around a graph.

    Maps have the layout [B * T, C, H, W], nodes [B, T, C, N]; regions are predicted by one convolution of the size of
    the map; layer normalization and its affine part are two steps. The released code also computes features of the
    fore- and background, which its models do not use; they are left out.

    Args:
        block: where the weights come from, with a :class:`~pyg_video.graph_builders.RegionGraph`.
        graph: nodes [B, T, C, N] to nodes.
    """

    def __init__(self, block: GraphBlock, graph: nn.Module) -> None:
        super().__init__()
        builder, (position, _) = block.builder, block.processor
        assert isinstance(builder, RegionGraph)
        assert builder.size is not None
        generator = builder.generator
        D = generator.out_channels
        side = hour_glass_layout(builder.size).out_size
        self.size, self.num_nodes, self.cells = builder.size, builder.num_nodes, math.isqrt(builder.num_nodes)
        self.hour_glass = _HourGlass(generator.saliency, builder.size)
        conv = nn.Conv2d(HourGlass.out_channels, self.num_nodes * D, side)
        self.predict = nn.Sequential(conv, nn.AdaptiveAvgPool2d(1))
        weight = generator.linear.weight.detach()
        conv.load_state_dict({"weight": weight.unflatten(1, (-1, *side)), "bias": generator.linear.bias})
        self.input_norm, self.time_norm = _Norm(builder.input_norm, 2), _Norm(builder.time_norm, 2)
        self.time = _recurrent(builder.time)
        self.offset, self.gain = _linear(builder.offset), _copy(builder.gain)
        self.position = _linear(position.linear)
        self.graph = graph
        self.norm = _Norm(block.norm, 3, channels_first=True)

    def forward(self, x: Tensor) -> Tensor:
        B, T, C, H, W = x.shape
        N, frames = self.num_nodes, x.view(B * T, C, H, W)
        kernel = self._kernels(self._offsets(frames, B, T))  # [B * T, N, H, W]
        nodes = torch.matmul(frames.view(B * T, C, H * W), kernel.view(B * T, N, H * W).permute(0, 2, 1))
        position = self.position(kernel.view(B, T, N, H * W)).permute(0, 1, 3, 2)
        nodes = self.graph(nodes.view(B, T, C, N) + position)
        y = torch.matmul(nodes.reshape(B * T, C, N), kernel.view(B * T, N, H * W)).view(B * T, C, H, W)
        return x + self.norm(y).view(B, T, C, H, W)

    def _offsets(self, frames: Tensor, B: int, T: int) -> Tensor:
        N = self.num_nodes
        m = self.input_norm(self.predict(self.hour_glass(frames)).view(B * T, N, -1))
        m = m.view(B, T, N, -1).permute(0, 2, 1, 3).contiguous()
        z, _ = self.time(m.view(B * N, T, -1))
        z = z.view(B, N, T, -1).permute(0, 2, 1, 3).contiguous()
        return self.offset(self.time_norm(z.view(B * T, N, -1))) * self.gain

    def _kernels(self, offset: Tensor) -> Tensor:
        tents = []
        for axis, n in enumerate(self.size):
            pixels = torch.arange(n, device=offset.device).view(1, 1, n)
            radius = torch.exp(offset[:, :, axis]).unsqueeze(-1) * (n / (2 * self.cells) + 1) + 1
            center = torch.tanh(offset[:, :, 2 + axis].unsqueeze(-1)) * (n / 2) + n / 2
            center = torch.clamp(center, 0, n - 1)
            tents.append(F.relu(radius - torch.abs(pixels - center)))
        kernel = torch.matmul(tents[0].unsqueeze(-1), tents[1].unsqueeze(-2))
        return kernel / (torch.sum(kernel, dim=(2, 3), keepdim=True) + 1e-37)


class DenseGraph(nn.Module):
    """The recurrent graph as in DyReg-GNN's released code: pairs of all frames at once.

    Nodes have the layout [B, N, T, C] and pairs [B, N, N, T, C]; the norms, over a frame, move time to the front and
    back.
    """

    def __init__(self, rstg: RSTG) -> None:
        super().__init__()
        self.num_iterations = rstg.num_iterations
        self.space = _Space(rstg.space)
        self.norm = _Norm(rstg.norm, 2)
        self.message_norm, self.update_norm = _Norm(rstg.space.message_norm, 3), _Norm(rstg.space.update_norm, 2)
        self.time, self.final_time = _recurrent(rstg.time), _recurrent(rstg.final_time)

    def forward(self, x: Tensor) -> Tensor:
        x = _per_frame(self.norm, x.permute(0, 3, 1, 2))  # [B, N, T, C]
        for _ in range(self.num_iterations):
            x = self._over_time(self.time, x)
            x = self._in_space(x)
        return self._over_time(self.final_time, x).permute(0, 2, 3, 1).contiguous()

    def _over_time(self, rnn: nn.GRU | nn.LSTM, x: Tensor) -> Tensor:
        B, N, T, C = x.shape
        return rnn(x.view(B * N, T, C))[0].view(B, N, T, C)

    def _in_space(self, x: Tensor) -> Tensor:
        N, space = x.size(1), self.space
        sender, receiver = x.unsqueeze(1).repeat(1, N, 1, 1, 1), x.unsqueeze(2).repeat(1, 1, N, 1, 1)
        pairs = sender + receiver if space.by_sum else torch.cat((sender, receiver), dim=-1)
        m = _per_frame(self.message_norm, space.send(pairs))  # [B, N, N, T, C]
        logits = torch.matmul(space.query(x).permute(0, 2, 1, 3), space.key(x).permute(0, 2, 3, 1))
        alpha = F.softmax(logits.unsqueeze(-1).permute(0, 2, 3, 1, 4), dim=2)
        g = F.relu((alpha * m).sum(dim=2) + space.bias)
        return _per_frame(self.update_norm, space.update(x + g if space.by_sum else torch.cat((x, g), dim=-1)))


class EdgeGraph(nn.Module):
    """The recurrent graph in plain PyG: a convolution on edges, called for every frame in a Python loop.

    Args:
        rstg: where the weights come from.
        edge_index: edges of one frame.
    """

    def __init__(self, rstg: RSTG, edge_index: Tensor) -> None:
        super().__init__()
        self.num_iterations = rstg.num_iterations
        self.register_buffer("edge_index", edge_index, persistent=False)
        self.space = _EdgeConv(rstg.space)
        self.norm = _Norm(rstg.norm, 2 if getattr(rstg.norm, "causal", True) else 3)
        self.time, self.final_time = _recurrent(rstg.time), _recurrent(rstg.final_time)

    def forward(self, x: Tensor) -> Tensor:
        B, T, C, N = x.shape
        x = self.norm(x.transpose(2, 3))  # [B, T, N, C]
        edges = torch.cat([self.edge_index + N * clip for clip in range(B)], dim=1)
        batch = torch.arange(B, device=x.device).repeat_interleave(N)
        for _ in range(self.num_iterations):
            x = self._over_time(self.time, x)
            frames = [self.space(x[:, t].reshape(B * N, C), edges, batch, B) for t in range(T)]
            x = torch.stack(frames, dim=1).view(B, N, T, C).transpose(1, 2)
        return self._over_time(self.final_time, x).transpose(2, 3)

    def _over_time(self, rnn: nn.GRU | nn.LSTM, x: Tensor) -> Tensor:
        B, T, N, C = x.shape
        y, _ = rnn(x.transpose(1, 2).reshape(B * N, T, C))
        return y.view(B, N, T, C).transpose(1, 2)


class _EdgeConv(MessagePassing):
    """A space stage that applies the message MLP to every edge."""

    def __init__(self, space: SpaceParts) -> None:
        super().__init__(aggr="sum")
        self.parts = _Space(space)
        self.message_norm, self.update_norm = _graph_norm(space.message_norm), _graph_norm(space.update_norm)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
        parts = self.parts
        ends = {"query": parts.query(x), "key": parts.key(x)}
        graphs = {"edge_batch": batch[edge_index[1]], "num_graphs": num_graphs, "num_nodes": x.size(0)}
        g = F.relu(self.propagate(edge_index, x=x, **ends, **graphs) + parts.bias)
        y = x + g if parts.by_sum else torch.cat([x, g], dim=-1)
        y = parts.update(y.view(num_graphs, -1, y.size(-1))).flatten(0, 1)
        return self.update_norm(y, batch, num_graphs)

    def message(
        self,
        x_i: Tensor,
        x_j: Tensor,
        query_i: Tensor,
        key_j: Tensor,
        index: Tensor,
        num_nodes: int,
        edge_batch: Tensor,
        num_graphs: int,
    ) -> Tensor:
        m = self.parts.send(x_j + x_i if self.parts.by_sum else torch.cat([x_j, x_i], dim=-1))
        m = self.message_norm(m, edge_batch, num_graphs)
        alpha = softmax((query_i * key_j).sum(dim=-1), index, num_nodes=num_nodes)
        return alpha.unsqueeze(-1) * m


class RSTGBlock(nn.Module):
    """RSTG's residual block as in its released code, in PyTorch: grids, projection, graph, area resize, norm of clips.

    Args:
        block: where the weights come from, with a :class:`~pyg_video.graph_builders.GridGraph`.
        graph: nodes [B, T, C, N] to nodes.
        size: height and width of the map.
    """

    def __init__(self, block: GraphBlock, graph: nn.Module, size: tuple[int, int]) -> None:
        super().__init__()
        project, *_, back = block.processor
        self.project, self.back = _linear(project.module), _linear(back.module)
        self.graph, self.norm = graph, _Norm(block.norm, 4, channels_first=True)
        self.grids = block.builder.grids
        self.down = [_resize_filters(size, grid) for grid in self.grids]
        self.up = [_resize_filters(grid, size) for grid in self.grids]

    def forward(self, x: Tensor) -> Tensor:
        B, T, C, H, W = x.shape
        frames = x.view(B * T, C, H * W).transpose(1, 2)
        scales = [filters.to(x).repeat(B * T, 1, 1) @ frames for filters in self.down]
        nodes = self.project(torch.cat(scales, dim=1).view(B, T, -1, C))
        nodes = self.back(self.graph(nodes.transpose(2, 3)).transpose(2, 3)).reshape(B * T, -1, C)
        parts = nodes.split([rows * columns for rows, columns in self.grids], dim=1)
        lifted = [filters.to(x).repeat(B * T, 1, 1) @ part for filters, part in zip(self.up, parts, strict=True)]
        y = sum(lifted[1:], lifted[0])  # [B * T, H * W, C]
        y = y.transpose(1, 2).view(B, T, C, H, W).transpose(1, 2)
        return x + self.norm(y).transpose(1, 2)


class FrameLoopGraph(nn.Module):
    """The recurrent graph as in RSTG's released code, in PyTorch: a loop over frames, all pairs in each.

    Logits are multiplied with the adjacency, so all pairs take part in the softmax and in the norm of the messages.

    Args:
        rstg: where the weights come from.
        edge_index: edges of one frame, senders first.
        num_nodes: nodes of one frame.
    """

    def __init__(self, rstg: RSTG, edge_index: Tensor, num_nodes: int) -> None:
        super().__init__()
        self.num_iterations = rstg.num_iterations
        adjacency = torch.zeros(num_nodes, num_nodes)
        adjacency[edge_index[1], edge_index[0]] = 1
        self.register_buffer("adjacency", adjacency)
        self.space = _Space(rstg.space)
        self.norm = _Norm(rstg.norm, 3)
        self.message_norm, self.update_norm = _Norm(rstg.space.message_norm, 3), _Norm(rstg.space.update_norm, 2)
        self.time, self.final_time = (_recurrent(rnn, batch_first=False) for rnn in (rstg.time, rstg.final_time))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x.transpose(2, 3)).transpose(0, 1)  # [T, B, N, C]
        for _ in range(self.num_iterations):
            x = self._over_time(self.time, x)
            x = torch.stack([self._in_space(frame) for frame in x])
        return self._over_time(self.final_time, x).permute(1, 0, 3, 2)

    def _over_time(self, rnn: nn.GRU | nn.LSTM, x: Tensor) -> Tensor:
        T, B, N, C = x.shape
        return rnn(x.reshape(T, B * N, C))[0].view(T, B, N, C)

    def _in_space(self, x: Tensor) -> Tensor:
        B, N, C = x.shape
        space = self.space
        sender, receiver = x.unsqueeze(1).expand(B, N, N, C), x.unsqueeze(2).expand(B, N, N, C)
        pairs = sender + receiver if space.by_sum else torch.cat((sender, receiver), dim=-1)
        m = self.message_norm(space.send(pairs))
        logits = torch.matmul(space.query(x), space.key(x).transpose(1, 2)) * self.adjacency
        g = F.relu((F.softmax(logits, dim=-1).unsqueeze(-1) * m).sum(dim=2) + space.bias)
        return self.update_norm(space.update(x + g if space.by_sum else torch.cat((x, g), dim=-1)))


class _Space(nn.Module):
    """The layers of a space stage: a message MLP on pairs, query and key, an update MLP."""

    def __init__(self, space: SpaceParts) -> None:
        super().__init__()
        self.by_sum = space.combine == "sum"
        first = _linear(space.send)
        if not self.by_sum:
            first = nn.Linear(2 * first.in_features, first.out_features)
            weight = torch.cat([space.send.weight, space.receive.weight], dim=1)
            first.load_state_dict({"weight": weight, "bias": space.send.bias})
        self.send = nn.Sequential(first, *_mlp(space.send_mlp))
        self.query, self.key = _linear(space.attention.query), _linear(space.attention.key)
        self.bias = _copy(space.bias)
        mlp = space.update_mlp
        self.update = _Scales(mlp) if isinstance(mlp, GroupwiseMLP) else _mlp(mlp)


class _Scales(nn.Module):
    """An update MLP for the nodes of every scale, [*, N, C]."""

    def __init__(self, ours: GroupwiseMLP) -> None:
        super().__init__()
        self.groups, self.mlps = list(ours.groups), nn.ModuleList(_mlp(mlp) for mlp in ours.kinds)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([mlp(part) for mlp, part in zip(self.mlps, x.split(self.groups, dim=-2), strict=True)], dim=-2)


class _HourGlass(nn.Module):
    """The convolutions that regions are predicted from."""

    def __init__(self, ours: HourGlass, size: tuple[int, int]) -> None:
        super().__init__()
        layout = hour_glass_layout(size)
        later = {"stride": layout.stride, "padding": layout.padding}
        C = ours.reduce.weight.size(1)
        self.convs = nn.ModuleDict(
            {
                "reduce": nn.Conv2d(C, 32, 1),
                "down": nn.Conv2d(32, 32, 3, stride=layout.first_stride),
                "deep": nn.Conv2d(32, 16, 3, **later),
                "up": nn.ConvTranspose2d(16, 32, 3, **later),
                "head": nn.Conv2d(32, 16, 3, **later),
            }
        )
        for name, conv in self.convs.items():
            conv.load_state_dict(getattr(ours, name).state_dict())
        self.norms = nn.ModuleList(_Norm(norm, 3, channels_first=True) for norm in ours.norms)

    def forward(self, x: Tensor) -> Tensor:
        reduce, down, deep, up, head = self.convs.values()
        norms = self.norms
        skip = norms[1](F.relu(down(norms[0](F.relu(reduce(x))))))
        y = norms[2](F.relu(deep(skip)))
        y = norms[3](F.relu(up(y, output_size=skip.shape[-2:]))) + skip
        return norms[4](F.relu(head(y)))


class _Norm(nn.Module):
    """Layer normalization over the last dimensions, then scale and shift per channel."""

    def __init__(self, ours: nn.Module, dims: int, *, channels_first: bool = False) -> None:
        super().__init__()
        self.dims, self.eps = dims, ours.eps
        shape = (-1, *[1] * (dims - 1)) if channels_first else (-1,)
        self.scale = nn.Parameter(ours.weight.detach().clone().view(shape))
        self.shift = nn.Parameter(ours.bias.detach().clone().view(shape))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-self.dims :], eps=self.eps) * self.scale + self.shift


def _per_frame(norm: _Norm, x: Tensor) -> Tensor:
    """A norm over the nodes [B, N, T, C] or pairs [B, N, N, T, C] of every frame."""
    order = (0, 2, 1, 3) if x.dim() == 4 else (0, 3, 1, 2, 4)
    back = (0, 2, 1, 3) if x.dim() == 4 else (0, 2, 3, 1, 4)
    return norm(x.permute(order).contiguous()).permute(back).contiguous()


def _resize_filters(old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """Weights of area resize from an old to a new size, [new pixels, old pixels], float64."""

    def axis(n: int, m: int) -> Tensor:
        low = torch.arange(m, dtype=torch.float64)[:, None] * n / m
        pixel = torch.arange(n, dtype=torch.float64)
        return (torch.minimum(low + n / m, pixel + 1) - torch.maximum(low, pixel)).clamp(min=0) * m / n

    return torch.kron(axis(old[0], new[0]), axis(old[1], new[1]))


def _copy(parameter: Tensor) -> nn.Parameter:
    return nn.Parameter(parameter.detach().clone())


def _linear(ours: nn.Linear) -> nn.Linear:
    linear = nn.Linear(ours.in_features, ours.out_features, bias=ours.bias is not None)
    linear.load_state_dict(ours.state_dict())
    return linear


def _mlp(ours: nn.Module) -> nn.Sequential:
    return nn.Sequential(*(_linear(part) if isinstance(part, nn.Linear) else nn.ReLU() for part in ours))


def _recurrent(ours: TemporalRNN, *, batch_first: bool = True) -> nn.GRU | nn.LSTM:
    rnn = (nn.GRU if ours.cell == "gru" else nn.LSTM)(ours.channels, ours.hidden_channels, batch_first=batch_first)
    rnn.load_state_dict(ours.state_dict())
    return rnn


def _graph_norm(ours: nn.Module) -> LayerNorm:
    norm = LayerNorm(ours.weight.numel(), eps=ours.eps, mode="graph")
    norm.load_state_dict({"weight": ours.weight, "bias": ours.bias})
    return norm
