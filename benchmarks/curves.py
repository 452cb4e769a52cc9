"""Time and memory of a training step of one block over frames, nodes, clips and channels, with fitted exponents.

DyReg-GNN's block connects all pairs of nodes; RSTG's connects overlapping cells of a pyramid of grids, on edges
(``ours``) or in arrays of all pairs (``ours_dense``). A way stops where its next point would exceed a limit.

    python benchmarks/curves.py --blocks dyreg --axes frames --threads 1
"""

import argparse
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from blocks import Case, check, dyreg_case, rstg_ways, with_processor
from measuring import Way, environment, in_turn, peak_mib, sgemm, spread, write
from torch import nn

from pyg_video.graph_builders import GridGraph
from pyg_video.layers import RSTG, ApplyToNodes, ClipNorm, DenseSpaceConv, FrameNorm, GraphBlock, TemporalRNN, scaled

BASE = {"frames": 16, "clips": 2, "channels": 256}
AXES: dict[str, tuple[int, ...]] = {
    "frames": (8, 16, 32, 64, 128, 256),
    "rows": (),
    "clips": (1, 2, 4, 8, 16),
    "channels": (32, 64, 128, 256, 512),
}
ROWS = {"dyreg": (3, 4, 6, 8, 12, 16), "rstg": (3, 4, 5, 6, 7, 8)}
WAYS = ("ours", "ours_dense", "released")


def rstg_case(channels: int, *, rows: int = 3, clips: int = 2, frames: int = 16) -> Case:
    """RSTG's block on grids of ``rows`` x ``rows`` cells and all smaller ones, on maps of 16 x 16."""
    C = channels
    builder = GridGraph(C, scales=tuple(range(rows, 0, -1)))
    norms = {"message_norm": FrameNorm(C), "update_norm": FrameNorm(C)}
    dense = DenseSpaceConv(C, update_groups=builder.nodes_per_scale, **norms)
    times = TemporalRNN(C, cell="lstm"), TemporalRNN(C, cell="lstm")
    sparse_graph, dense_graph = (RSTG(space, *times, norm=ClipNorm(C)) for space in (dense.sparse(), dense))
    first, last = ApplyToNodes(nn.Linear(C, C)), ApplyToNodes(nn.Linear(C, C))
    block = GraphBlock(C, builder, nn.Sequential(first, sparse_graph, last), norm=scaled(nn.GroupNorm(1, C), 1.0))
    case = rstg_ways(block, torch.randn(clips, frames, C, 16, 16))
    case.ways["ours_dense"] = Way(with_processor(block, (first, dense_graph, last)))
    return case


BLOCKS: dict[str, Callable[..., Case]] = {"dyreg": partial(dyreg_case, side=14), "rstg": rstg_case}


def number_of_nodes(block: str, rows: int) -> int:
    return rows**2 if block == "dyreg" else sum(n**2 for n in range(1, rows + 1))


def exponent(values: list[float], costs: list[float]) -> float | None:
    """Slope of log cost over log value, by least squares on the upper half of the points."""
    if len(values) < 2:
        return None
    half = max(2, math.ceil(len(values) / 2))
    x, y = (torch.tensor(z[-half:], dtype=torch.float64).log() for z in (values, costs))
    x = x - x.mean()
    return round(float((x * y).sum() / x.square().sum()), 2)


class Limits:
    """What a step may cost; the next point of a curve is predicted from its last ones.

    Args:
        seconds: limit on time.
        mib: limit on memory.
    """

    def __init__(self, seconds: float, mib: float) -> None:
        self.seconds, self.mib = seconds, mib

    def allow(self, points: list[dict[str, object]], value: int) -> bool:
        """Whether a way may go on to the next value of the axis."""
        values = [float(point["value"]) for point in points]
        for limit, costs in (
            (1e3 * self.seconds, [point["ms"]["median"] for point in points]),
            (self.mib, [point["peak_mib"] for point in points]),
        ):
            slope = max(1.0, exponent(values[-2:], costs[-2:]) or 1.0)
            if points and costs[-1] * (value / values[-1]) ** slope > limit:
                return False
        return True


def curve(block: str, axis: str, rounds: int, limits: Limits, device: str) -> list[dict[str, object]]:
    """The points of a block along an axis, for every way."""
    points: dict[str, list[dict[str, object]]] = {}
    settings = AXES[axis] or ROWS[block]
    for setting in settings:
        torch.manual_seed(0)
        case = BLOCKS[block](**{**BASE, axis: setting})
        value = number_of_nodes(block, setting) if axis == "rows" else setting
        ways = {way: case.ways[way].to(device) for way in WAYS if way in case.ways}
        ways = {way: ours for way, ours in ways.items() if limits.allow(points.setdefault(way, []), value)}
        if not ways:
            break
        case = Case(case.x.to(device), ways)
        if setting == settings[0]:
            check(case)
        for way, ms in in_turn(ways, case.x, True, rounds).items():
            point = {"block": block, "axis": axis.replace("rows", "nodes"), "value": value, "way": way}
            points[way].append({**point, "ms": spread(ms), "peak_mib": peak_mib(ways[way], case.x)})
            print(points[way][-1], flush=True)
    return [point for way in points.values() for point in way]


def exponents(points: list[dict[str, object]]) -> list[dict[str, object]]:
    """Of every curve, in time and memory."""
    curves: dict[tuple[str, str, str], list[dict[str, object]]] = {}
    for point in points:
        curves.setdefault((point["block"], point["axis"], point["way"]), []).append(point)
    rows = []
    for (block, axis, way), of_curve in curves.items():
        values = [point["value"] for point in of_curve]
        time = exponent(values, [point["ms"]["median"] for point in of_curve])
        memory = exponent(values, [point["peak_mib"] for point in of_curve])
        rows.append({"block": block, "axis": axis, "way": way, "up_to": values[-1], "time": time, "memory": memory})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", nargs="+", default=list(BLOCKS), choices=list(BLOCKS), metavar="BLOCK")
    parser.add_argument("--axes", nargs="+", default=list(AXES), choices=list(AXES), metavar="AXIS")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max-seconds", type=float, default=10.0, help="of a step")
    parser.add_argument("--max-mib", type=float, default=4000.0, help="of a step")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path, help="JSON file, such as benchmarks/results/curves.json")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    limits = Limits(args.max_seconds, args.max_mib)
    gflops = sgemm(args.device)
    points = []
    for block in args.blocks:
        for axis in args.axes:
            points += curve(block, axis, args.rounds, limits, args.device)
    if args.output is not None:
        about = {"threads": args.threads, "sgemm_gflops": gflops, "rounds": args.rounds, "base": BASE}
        about["limits"] = {"seconds": limits.seconds, "mib": limits.mib}
        results = {"environment": environment(args.device), **about, "exponents": exponents(points), "points": points}
        write(args.output, results)


if __name__ == "__main__":
    main()
