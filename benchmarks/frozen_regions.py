"""How long regions stay at their initial places: the figure and the table in docs/regions.md.

At the published initialisation, two factors are zero: the gain of the region parameters, and the scale of the block's
residual norm. As long as both are zero, the regions get no gradient. This script trains DyReg-GNN, one block in a small
convolutional net, on the small task for a few hundred steps and measures after each step how far the regions of
held-out clips have moved from their places before training. About six minutes on one core.

    python benchmarks/frozen_regions.py

Columns of the table: mean distance of the regions' centres from their anchors before training; the step in which the
region generator gets its first gradient; the step after which the centres have moved by more than 0.1 % of the frame;
then the mean movement of the centres after some steps. All in % of the frame.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_video._files import whole_file
from pyg_video.checkpoints import SHIPPED_TASK
from pyg_video.datasets import SyncMNIST
from pyg_video.inspection import find_graphs
from pyg_video.models import VideoClassifier, create_model

BATCH, PROBE = 16, 8
STARTS = {  # gain, residual_scale
    "published: gain 0, residual scale 0": (0.0, 0.0),
    "gain 0, residual scale 1": (0.0, 1.0),
    "gain 0.3, residual scale 0": (0.3, 0.0),
    "gain 0.3, residual scale 0.1": (0.3, 0.1),
    "gain 0.3, residual scale 1": (0.3, 1.0),
}
OPTIMIZERS = {
    "SGD, as published": lambda net: torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9),
    "Adam": lambda net: torch.optim.Adam(net.parameters(), lr=1e-3),
}


class Run(NamedTuple):
    """A training: movement at the start and after each step, gradients of the generator, and how it started."""

    moved: list[float]
    gradient: list[float]
    spread: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--output", type=Path, default=Path("docs/images/frozen_regions.png"))
    args = parser.parse_args()
    clips = SyncMNIST(num_clips=None, seed=0, **SHIPPED_TASK)
    probe = SyncMNIST(split="test", num_clips=PROBE, seed=0, **SHIPPED_TASK).batch(range(PROBE)).video
    shown = [step for step in (1, 2, 3, 10, 30, 100) if step < args.steps] + [args.steps]
    print(f"| optimizer | start | off anchors | first gradient | moved | {' | '.join(map(str, shown))} |")
    print("|---" * (5 + len(shown)) + "|")
    runs: dict[tuple[str, str], Run] = {}
    for optimizer in OPTIMIZERS:
        for start in STARTS:
            run = runs[optimizer, start] = train(start, optimizer, clips, probe, args.steps)
            moved = " | ".join(f"{100 * run.moved[step]:.4f}" for step in shown)
            gradient, left = first(run.gradient, 0.0) + 1, first(run.moved, 1e-3)
            print(f"| {optimizer} | {start} | {100 * run.spread:.2f} | {gradient} | {left} | {moved} |", flush=True)
    print("wrote", draw(runs, args.output))


def first(values: list[float], limit: float) -> int:
    """Place of the first value above a limit; the number of values where there is none."""
    return next((place for place, value in enumerate(values) if value > limit), len(values))


def train(start: str, optimizer: str, clips: SyncMNIST, probe: Tensor, steps: int) -> Run:
    """Train from a start; the same weights otherwise, clips and order of clips for all."""
    torch.manual_seed(0)
    gain, residual_scale = STARTS[start]
    net = create_model(
        "dyreg_gnn_sync_mnist",
        num_classes=10,
        frame_size=40,
        channels=(16, 32, 32),
        strides=(2, 2, 1),
        readout="last",
        anchors="grid",
        region_channels=32,
        gain=gain,
        residual_scale=residual_scale,
    )
    builder = net.blocks["stage3"].builder
    optimize = OPTIMIZERS[optimizer](net)
    begin, moved, gradient = centers(net, probe), [0.0], []
    with torch.no_grad():
        builder.gain.zero_()
        spread = distance(begin, centers(net, probe))  # from the anchors
        builder.gain.fill_(gain)
    for step in range(steps):
        clip = clips.batch(range(step * BATCH, (step + 1) * BATCH))
        optimize.zero_grad()
        torch.nn.functional.cross_entropy(net(clip.video), clip.label).backward()
        gradient.append(sum(p.grad.norm().item() for p in builder.generator.parameters()))
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimize.step()
        moved.append(distance(centers(net, probe), begin))
    return Run(moved, gradient, spread)


def centers(net: VideoClassifier, video: Tensor) -> Tensor:
    """Centres of the regions, as fractions of the frame. In training mode: no batch statistics have to settle first."""
    (graph,) = find_graphs(net, video).values()
    return graph.pos


def distance(one: Tensor, other: Tensor) -> float:
    """Mean distance between points."""
    return (one - other).norm(dim=-1).mean().item()


def draw(runs: dict[tuple[str, str], Run], path: Path) -> Path:
    """A panel for each optimizer, a curve for each start."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    panels = figure.subplots(1, len(OPTIMIZERS), sharey=True)
    for axes, optimizer in zip(panels, OPTIMIZERS, strict=True):
        for start in STARTS:
            moved = runs[optimizer, start].moved
            axes.plot(range(1, len(moved)), moved[1:], label=start)
        axes.set(title=optimizer, xlabel="training step", xscale="log")
        axes.set_yscale("symlog", linthresh=1e-6)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("movement of region centres\n(fraction of the frame)")
    panels[-1].legend(fontsize="small")
    kind = path.suffix.removeprefix(".")
    with whole_file(path) as draft:
        figure.savefig(draft, format=kind, dpi=130)
    return path


if __name__ == "__main__":
    main()
