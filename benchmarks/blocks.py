"""Time whole blocks, forward and backward, against the computation in the papers and their released code.

All variants have the same weights and give the same numbers (checked in float64); they are timed in turn in the same
process.

- pairs, a frame at a time: RSTG's released code. One recurrent call per stage, then a loop over the frames, each with a
  dense array of all pairs of nodes, the message MLP on every pair, and a mask for pairs without an edge.
- pairs, all frames: DyReg-GNN's released code. The same for all frames at once, with time after the nodes.
- step by step: algorithm 1 of RSTG's paper. A loop over frames and stages, one step of the recurrence each.

RSTG's code is in TensorFlow; this script reimplements its computation in PyTorch.

    python benchmarks/blocks.py --threads 1 2
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from datetime import date
from typing import NamedTuple

import torch
import torch_geometric
from torch import Tensor, nn

from pyg_video.graph_builders import GridGraph
from pyg_video.layers import RSTG, SpaceConv, TemporalRNN, ToVector
from pyg_video.models import dyreg_block

Way = Callable[[Tensor], Tensor]


class Case(NamedTuple):
    """A block on an input, and other implementations of it."""

    name: str
    x: Tensor
    module: nn.Module
    ours: Way
    others: dict[str, Way]


def dense_space(conv: SpaceConv, x: Tensor, adjacency: Tensor) -> Tensor:
    """A space stage computed on all pairs: ``x`` of shape [*, N, C], ``adjacency`` [N, N], receiver first."""
    *F, N, C = x.shape
    sender, receiver = x.unsqueeze(-3).expand(*F, N, N, C), x.unsqueeze(-2).expand(*F, N, N, C)
    if conv.receive is None:
        m = conv.send(sender + receiver)
    else:
        weight = torch.cat([conv.send.weight, conv.receive.weight], dim=1)
        m = nn.functional.linear(torch.cat([sender, receiver], dim=-1), weight, conv.send.bias)
    m = conv.send_mlp(m)
    if conv.message_norm is not None:
        m = conv.message_norm(m.flatten(-3, -2)).view_as(m)
    query, key = conv.attention.project(x)
    alpha = (query @ key.mT).masked_fill(~adjacency, -torch.inf).softmax(-1)
    gathered = ((alpha[..., None] * m).sum(-2) + conv.bias).relu()
    y = conv.update_mlp(x + gathered if conv.update_by_sum else torch.cat([x, gathered], dim=-1))
    return y if conv.update_norm is None else conv.update_norm(y)


def a_frame_at_a_time(rstg: RSTG, x: Tensor, adjacency: Tensor) -> Tensor:
    """Nodes [B, T, N, C] through the graph, the space stage in a loop over frames."""
    x = rstg.norm(x)
    for _ in range(rstg.num_iterations):
        x = rstg.time(x)
        x = torch.stack([dense_space(rstg.space, frame, adjacency) for frame in x.unbind(1)], dim=1)
    return rstg.final_time(x)


def step_by_step(rstg: RSTG, x: Tensor, adjacency: Tensor) -> Tensor:
    """Nodes through algorithm 1: for every frame, all stages, with one step of each recurrence."""
    x = rstg.norm(x)
    states: list[Tensor | None] = [None] * (rstg.num_iterations + 1)
    frames = []
    for nodes in x.unbind(1):
        for k in range(rstg.num_iterations):
            nodes, states[k] = _step(rstg.time, nodes, states[k])
            nodes = dense_space(rstg.space, nodes, adjacency)
        nodes, states[-1] = _step(rstg.final_time, nodes, states[-1])
        frames.append(nodes)
    return torch.stack(frames, dim=1)


def _step(rnn: TemporalRNN, x: Tensor, state: object) -> tuple[Tensor, object]:
    weights = (rnn.weight_ih_l0, rnn.weight_hh_l0, rnn.bias_ih_l0, rnn.bias_hh_l0)
    flat = x.flatten(0, 1)
    if rnn.cell == "gru":
        state = torch.gru_cell(flat, torch.zeros_like(flat) if state is None else state, *weights)
        return state.view_as(x), state
    state = torch.lstm_cell(flat, (torch.zeros_like(flat),) * 2 if state is None else state, *weights)
    return state[0].view_as(x), state


def pairs_of_all_frames(rstg: RSTG, x: Tensor) -> Tensor:
    """Nodes [B, T, N, C] through the graph, complete, in the layouts [B, N, T, C] and [B, N, N, T, C]."""
    B, T, N, C = x.shape
    conv = rstg.space

    def normed(norm: nn.Module, y: Tensor) -> Tensor:  # over all nodes or pairs of a frame: time to the front and back
        y = y.movedim(-2, 1).contiguous()
        return norm(y.flatten(2, -2)).view_as(y).movedim(1, -2).contiguous()

    def over_time(rnn: TemporalRNN, y: Tensor) -> Tensor:
        return rnn(y.reshape(B * N, T, 1, C)).view(B, N, T, C)

    x = normed(rstg.norm, x.transpose(1, 2))
    for _ in range(rstg.num_iterations):
        x = over_time(rstg.time, x)
        m = conv.send_mlp(conv.send(x[:, None].repeat(1, N, 1, 1, 1) + x[:, :, None].repeat(1, 1, N, 1, 1)))
        m = normed(conv.message_norm, m)
        query, key = (y.transpose(1, 2) for y in conv.attention.project(x))
        alpha = (query @ key.mT).movedim(1, -1)[..., None].softmax(dim=2)  # [B, N, N, T, 1]
        x = normed(conv.update_norm, x + ((alpha * m).sum(2) + conv.bias).relu())
    return over_time(rstg.final_time, x).transpose(1, 2)


def rstg_case(clips: int, frames: int, channels: int) -> Case:
    """RSTG on grids of three scales, 14 nodes, as for SyncMNIST: feature maps to one vector per clip."""
    builder = GridGraph(channels)
    rstg = RSTG(SpaceConv(channels), TemporalRNN(channels, cell="lstm"), TemporalRNN(channels, cell="lstm"))
    model = nn.Sequential(builder, rstg, ToVector())
    x = torch.randn(clips, frames, channels, 8, 8)
    graph = builder(x[:1, :1].double())
    kernel = graph.kernel / graph.kernel.sum((-2, -1), keepdim=True)
    adjacency = torch.zeros(14, 14, dtype=torch.bool).index_put(tuple(graph.edge_index.flip(0)), torch.tensor(True))

    def pooled(x: Tensor) -> Tensor:  # one product per scale
        scales = kernel.to(x.dtype).flatten(1).split(builder.nodes_per_scale)
        return torch.cat([scale @ x.flatten(-2).mT for scale in scales], dim=-2)

    def other(way: Callable[[RSTG, Tensor, Tensor], Tensor]) -> Way:
        return lambda x: way(rstg, pooled(x), adjacency)[:, -1].sum(1)

    others = {"pairs, a frame at a time": other(a_frame_at_a_time), "step by step": other(step_by_step)}
    return Case(f"RSTG, {frames} frames, {channels} channels", x, model, model, others)


def dyreg_case(clips: int, frames: int, channels: int) -> Case:
    """DyReg-GNN's block as released: 9 regions of a 14 x 14 map, complete graph, back to the map, norm, residual."""
    block = dyreg_block(channels, (14, 14), gain=0.3, residual_scale=1.0)
    builder, (position, rstg) = block.builder, block.processor
    x = torch.randn(clips, frames, channels, 14, 14)
    everyone = torch.ones(9, 9, dtype=torch.bool)

    def other(way: Callable[[Tensor], Tensor]) -> Way:
        def run(x: Tensor) -> Tensor:
            kernel = builder.regions(x).kernel.flatten(-2)  # [B, T, N, H*W]
            nodes = (x.flatten(-2) @ kernel.mT).mT + position.linear(kernel)
            y = (way(nodes).mT @ kernel).unflatten(-1, x.shape[-2:])
            return x + block.norm(y.flatten(0, 1)).view_as(x)

        return run

    others = {
        "pairs, all frames": other(lambda nodes: pairs_of_all_frames(rstg, nodes)),
        "pairs, a frame at a time": other(lambda nodes: a_frame_at_a_time(rstg, nodes, everyone)),
        "step by step": other(lambda nodes: step_by_step(rstg, nodes, everyone)),
    }
    return Case(f"DyReg-GNN, {frames} frames, {channels} channels", x, block, block, others)


def check(case: Case) -> None:
    """In float64, outputs and the gradients of the input agree within 1e-8 of the largest."""
    case.module.double()

    def both(way: Way) -> tuple[Tensor, Tensor]:
        x = case.x.double().requires_grad_()
        y = way(x)
        y.square().sum().backward()
        return y.detach(), x.grad

    for name, way in case.others.items():
        for ours, theirs in zip(both(case.ours), both(way), strict=True):
            difference = float((ours - theirs).abs().max() / theirs.abs().max())
            assert difference < 1e-8, f"{case.name}, {name}: {difference}"
    case.module.float()


def milliseconds(case: Case, way: Way, backward: bool) -> float:
    case.module.zero_grad(set_to_none=True)
    start = time.perf_counter()
    with torch.set_grad_enabled(backward):
        y = way(case.x)
    if backward:
        y.sum().backward()
    return 1e3 * (time.perf_counter() - start)


def row(case: Case, backward: bool, repeats: int) -> tuple[float, dict[str, float]]:
    """Our median time, and for every other way the median of its ratio to ours, taken in turn."""
    ways = {"ours": case.ours, **case.others}
    rounds = [{name: milliseconds(case, way, backward) for name, way in ways.items()} for _ in range(repeats + 1)][1:]
    ours = statistics.median(r["ours"] for r in rounds)
    return ours, {name: statistics.median(r[name] / r["ours"] for r in rounds) for name in case.others}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args()
    torch.manual_seed(0)
    cases = [rstg_case(args.clips, T, C) for T in (10, 16) for C in (64, 256, 512)]
    cases.append(dyreg_case(args.clips, 16, 256))
    ways = list(cases[-1].others)
    versions = f"torch {torch.__version__}, PyG {torch_geometric.__version__}, {platform.machine()} CPU"
    print(f"{date.today()}, {versions}, {args.clips} clips, median of {args.repeats} rounds\n")
    print("| block | threads | pass | ours, ms |", " | ".join(ways), "|")
    print("|---|---:|---|---:|" + "---:|" * len(ways))
    for case in cases:
        check(case)
        for threads in args.threads:
            torch.set_num_threads(threads)
            for backward in (False, True):
                ours, ratios = row(case, backward, args.repeats)
                cells = [f"{ratios[way]:.1f} x" if way in ratios else "" for way in ways]
                name = "forward and backward" if backward else "forward"
                print(f"| {case.name} | {threads} | {name} | {ours:.1f} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
