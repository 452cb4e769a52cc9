"""Time whole blocks, forward and backward, beside the papers' released code, plain PyG, and other kinds of blocks.

The ways, of which the first five have the same weights and give the same numbers (checked in float64):

- ours: the block of this package.
- released: the computation of the released code, see baselines.py. DyReg-GNN's has arrays of all pairs of all frames,
  RSTG's (which is in TensorFlow) a loop over frames with arrays of all pairs.
- ours_all_pairs: for RSTG, whose released code connects all pairs, ours with ConnectAllPairs in front; it has the
  values of the released code, while ours and PyG have those of the paper.
- pyg: MessagePassing on edges with torch_geometric's norms, called for every frame.
- ours_bfloat16: ours under autocast.
- non_local: a Non-Local block. transformer: our regions, with a Transformer of two layers on all nodes of a clip.

Each round runs all of them, beginning with another one, in one process.

    python benchmarks/blocks.py --cases dyreg_256 --ways ours released --threads 1 --rounds 5
"""

import argparse
import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from baselines import DenseGraph, DyRegBlock, EdgeGraph, FrameLoopGraph, RSTGBlock
from measuring import Step, Way, environment, in_turn, peak_mib, ratios, sgemm, spread, write
from torch import Tensor, nn

from pyg_video.backbones import NonLocal
from pyg_video.data import VideoGraph
from pyg_video.functional import complete_edges
from pyg_video.layers import ConnectAllPairs, DenseSpaceConv, FrameNorm, GraphBlock
from pyg_video.models import create_model, dyreg_block


class Case(NamedTuple):
    """A map [B, T, C, H, W] and the ways to compute a block on it."""

    x: Tensor
    ways: dict[str, Way]


def dyreg_case(
    channels: int, side: int, *, rows: int = 3, deep: bool = False, clips: int = 4, frames: int = 16
) -> Case:
    """DyReg-GNN's block on regions that are all connected.

    Args:
        channels: channels of map and nodes.
        side: height and width of the map.
        rows: rows and columns of regions.
        deep: two layers in message and update MLPs, which see both ends side by side; by default one and none, and the
            sum, as in the released models.
        clips: number of clips.
        frames: frames per clip.
    """
    block = dyreg_block(channels, (side, side), arrangement=(rows, rows), gain=0.3, residual_scale=1.0)
    rstg = block.processor[1]
    if deep:
        norms = {"message_norm": FrameNorm(channels), "update_norm": FrameNorm(channels)}
        rstg.space = DenseSpaceConv(channels, complete=True, **norms)
    ways = {
        "ours": Way(block),
        "released": Way(DyRegBlock(block, DenseGraph(rstg))),
        "pyg": Way(DyRegBlock(block, EdgeGraph(rstg, complete_edges(rows**2)))),
        "ours_bfloat16": Way(block, None, bfloat16=True),
        "non_local": Way(NonLocal(channels, residual_scale=1.0), None),
        "transformer": Way(with_processor(block, (block.processor[0], NodeTransformer(channels))), None),
    }
    return Case(torch.randn(clips, frames, channels, side, side), ways)


def rstg_case(channels: int = 1024, side: int = 14, *, clips: int = 2, frames: int = 16) -> Case:
    """RSTG's residual block of ``rstg_resnet50``: 14 nodes, 512 channels, an update MLP per scale, LSTMs."""
    net = create_model("rstg_resnet50", backbone="c2d", stages=("layer3",), residual_scale=1.0)
    block = next(part for part in net.modules() if isinstance(part, GraphBlock))
    if channels != block.channels:
        raise ValueError(f"Expected channels = {block.channels} (got {channels})")
    return rstg_ways(block, torch.randn(clips, frames, channels, side, side))


def rstg_ways(block: GraphBlock, x: Tensor) -> Case:
    """The ways to compute a residual block of RSTG."""
    project, rstg, back = block.processor
    size, edges, N = (x.size(-2), x.size(-1)), block.builder.frame_edges, block.builder.num_nodes
    width = project.module.out_features
    ways = {
        "ours": Way(block),
        "ours_all_pairs": Way(with_processor(block, (project, ConnectAllPairs(), rstg, back)), "released"),
        "released": Way(RSTGBlock(block, FrameLoopGraph(rstg, edges, N), size), None),
        "pyg": Way(RSTGBlock(block, EdgeGraph(rstg, edges), size)),
        "ours_bfloat16": Way(block, None, bfloat16=True),
        "non_local": Way(NonLocal(x.size(2), residual_scale=1.0), None),
        "transformer": Way(with_processor(block, (project, NodeTransformer(width), back)), None),
    }
    return Case(x, ways)


class NodeTransformer(nn.Module):
    """A Transformer encoder of two layers on all nodes of a clip, in place of the recurrent graph."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(channels, 8, 4 * channels, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)

    def forward(self, graph: VideoGraph) -> VideoGraph:
        return graph.with_x(self.encoder(graph.frames.flatten(1, 2)).flatten(0, 1))


def with_processor(block: GraphBlock, parts: tuple[nn.Module, ...]) -> GraphBlock:
    """The block with another processor; its other parts are the same modules."""
    other = copy.copy(block)
    other._modules = {**block._modules, "processor": nn.Sequential(*parts)}
    return other


CASES: dict[str, Callable[[], Case]] = {
    "dyreg_128": partial(dyreg_case, 128, 28),
    "dyreg_256": partial(dyreg_case, 256, 14),
    "dyreg_512": partial(dyreg_case, 512, 7),
    "dyreg_256_deep": partial(dyreg_case, 256, 14, deep=True),
    "dyreg_512_deep": partial(dyreg_case, 512, 14, deep=True),
    "rstg_1024": rstg_case,
}
WAYS = ("ours", "released", "ours_all_pairs", "pyg", "ours_bfloat16", "non_local", "transformer")


def differences(case: Case) -> dict[str, float]:
    """Of every way from the one it should equal: output and gradient of the input, in float64, over the largest."""

    def both(module: nn.Module) -> tuple[Tensor, Tensor]:
        x = case.x.double().requires_grad_()
        y = module(x)
        y.square().sum().backward()
        return y.detach(), x.grad

    for way in case.ways.values():
        way.module.double()
    pairs = {name: way.same_as for name, way in case.ways.items() if way.same_as in case.ways and way.same_as != name}
    values = {name: both(case.ways[name].module) for name in {*pairs, *pairs.values()}}
    for way in case.ways.values():
        way.module.float().zero_grad(set_to_none=True)
    return {
        name: max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(values[name], values[other], strict=True))
        for name, other in pairs.items()
    }


def check(case: Case) -> None:
    """The ways agree, on a part of the input."""
    for name, difference in differences(case._replace(x=case.x[:2, :3])).items():
        if difference > 1e-8:
            other = case.ways[name].same_as
            raise RuntimeError(f"Expected {name} to agree with {other} within 1e-8 (got {difference:.1e})")


def timed(name: str, case: Case, threads: int, rounds: int) -> list[dict[str, object]]:
    """The rows of a case in the results: one per pass and way."""
    torch.set_num_threads(threads)
    rows: list[dict[str, object]] = []
    for backward in (False, True):
        gflops = sgemm(case.x.device)
        times = in_turn(case.ways, case.x, backward, rounds)
        over_ours = ratios(times) if "ours" in times else {}
        which = {"case": name, "pass": "training" if backward else "forward", "threads": threads}
        which["sgemm_gflops"] = gflops
        rows += [{**which, "way": way, "ms": spread(ms), "over_ours": over_ours.get(way)} for way, ms in times.items()]
    return rows


def bfloat16_error(case: Case) -> float | None:
    """Largest difference of the output under autocast from that in float32, over the largest value."""
    if not {"ours", "ours_bfloat16"} <= case.ways.keys():
        return None
    exact, rough = (Step(case.ways[name], case.x, False)().float() for name in ("ours", "ours_bfloat16"))
    return float(f"{float((rough - exact).abs().max() / exact.abs().max()):.2g}")


def show(rows: list[dict[str, object]]) -> None:
    for row in rows:
        ms, ratio = row["ms"], row["over_ours"] or {"median": float("nan")}
        print(
            f"{row['case']:15s} {row['pass']:8s} {row['threads']} thread(s) {row['way']:15s} "
            f"{ms['median']:8.1f} ms ({ms['low']:.1f} to {ms['high']:.1f}) {ratio['median']:6.2f} x ours",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES), metavar="CASE")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS, metavar="WAY")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--no-memory", dest="memory", action="store_false", help="do not measure memory")
    parser.add_argument("--output", type=Path, help="JSON file, such as benchmarks/results/blocks.json")
    args = parser.parse_args()
    times: list[dict[str, object]] = []
    cases: list[dict[str, object]] = []
    for name in args.cases:
        torch.manual_seed(0)
        case = CASES[name]()
        check(case)
        kept = {way: case.ways[way].to(args.device) for way in WAYS if way in args.ways and way in case.ways}
        case = Case(case.x.to(args.device), kept)
        for threads in args.threads:
            rows = timed(name, case, threads, args.rounds)
            show(rows)
            times += rows
        about: dict[str, object] = {"case": name, "shape": list(case.x.shape), "bfloat16_error": bfloat16_error(case)}
        if args.memory:
            about["peak_mib"] = {way: peak_mib(kept[way], case.x) for way in kept}
            print(f"{name:15s} MiB of a training step: {about['peak_mib']}", flush=True)
        cases.append(about)
    if args.output is not None:
        about_all = {"environment": environment(args.device), "rounds": args.rounds}
        write(args.output, {**about_all, "cases": cases, "times": times})


if __name__ == "__main__":
    main()
