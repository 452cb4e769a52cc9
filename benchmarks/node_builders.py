"""Train every builder on the same motion task: the last column in examples/node_builders.ipynb.

The task of motion_only.py: which two of three digits move together, on perfect maps instead of a backbone's, so that
only motion has to be learned. The accuracy of a model that does not use motion is one third. All models are trained on
the same videos, none of them twice, and tested on others. One run with one seed each: an example, not a ranking. About
15 minutes on one core.

    python benchmarks/node_builders.py
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

import torch
from motion_only import BATCH, SIZE, C, perfect_maps
from torch import Tensor, nn
from tqdm import tqdm

import pyg_video
from pyg_video._files import write_table
from pyg_video.checkpoints import SHIPPED_TASK
from pyg_video.datasets import SyncClip, SyncMNIST
from pyg_video.graph_builders import REGION_BUILDERS, list_builders, resolve_builder
from pyg_video.layers import KernelEmbedding, ToVector
from pyg_video.models import GraphHead, dyreg_processor
from pyg_video.training.module import lr_factor

LR, WARM_UP, CLASSES = 3e-3, 100, (0, 1, 2)
TABLE = Path(__file__).parents[1] / "examples" / "node_builders.csv"


class Net(nn.Module):
    """Perfect maps [B, T, 3, H, W] to the scores of the three pairs, with the builder called ``name``."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, C, 1), nn.BatchNorm2d(C), nn.ReLU())
        options = {"region_channels": 32, "anchors": "grid", "gain": 0.3} if name in REGION_BUILDERS else {}
        builder = resolve_builder(name, C, 3 if name == "box" else None, size=SIZE, **options)
        processor = nn.Sequential(KernelEmbedding(C, SIZE), dyreg_processor(C))
        self.head = GraphHead(C, 3, builder, processor, readout=ToVector("last"))

    def forward(self, x: Tensor, clip: SyncClip) -> Tensor:
        x = self.features(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        return self.head(x, box=clip.box) if "box" in self.head.accepts else self.head(x)


def train(nets: dict[str, Net], clips: SyncMNIST, videos: int) -> None:
    """Train the models side by side on the same videos."""
    optimizers = [torch.optim.AdamW(net.parameters(), lr=LR, weight_decay=0.01) for net in nets.values()]
    steps = videos // BATCH
    for step in tqdm(range(steps), unit="step"):
        clip = clips.batch(range(step * BATCH, (step + 1) * BATCH))
        x = perfect_maps(clip)
        for net, optimizer in zip(nets.values(), optimizers, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = LR * lr_factor(step, WARM_UP, steps)
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x, clip), clip.label).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()


@torch.no_grad()
def test(nets: dict[str, Net], clips: SyncMNIST) -> dict[str, float]:
    """Share of clips that each model gets right."""
    right = dict.fromkeys(nets, 0)
    for i in range(0, len(clips), BATCH):
        clip = clips.batch(range(i, min(i + BATCH, len(clips))))
        for name, net in nets.items():
            right[name] += int((net.eval()(perfect_maps(clip), clip).argmax(1) == clip.label).sum())
    return {name: count / len(clips) for name, count in right.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--builders", nargs="+", default=list_builders(), choices=list_builders(), metavar="NAME")
    parser.add_argument("--videos", type=int, default=24_000)
    parser.add_argument("--clips", type=int, default=1_000, help="test clips")
    parser.add_argument("--output", type=Path, default=TABLE)
    args = parser.parse_args()
    task = {**SHIPPED_TASK, "classes": CLASSES}
    nets = {}
    for name in args.builders:
        torch.manual_seed(0)
        nets[name] = Net(name)
    train(nets, SyncMNIST(**task), args.videos)
    accuracy = test(nets, SyncMNIST(split="test", num_clips=args.clips, **task))
    about = {"videos": args.videos, "test_clips": args.clips, "seed": 0, "date": f"{datetime.now(UTC):%Y-%m-%d}"}
    about |= {"pyg_video": pyg_video.__version__, "torch": torch.__version__}
    write_table(
        args.output,
        [("builder", "accuracy", *about), *((name, accuracy[name], *about.values()) for name in nets)],
    )
    for name in nets:
        print(f"{name:15s} {accuracy[name]:6.1%}")


if __name__ == "__main__":
    main()
