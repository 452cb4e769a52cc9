"""Every way to make nodes, trained alike: the accuracies in examples/node_builders.ipynb.

The small task on the frozen backbone of the shipped DyReg-GNN, which tells the digits apart, so that what is left to
learn is motion. All heads see the same videos, none twice. One run, one seed, and a backbone that was trained for
DyReg-GNN's nodes: this shows that every strategy learns, it does not rank them. About half an hour on one core.

    python benchmarks/node_builders.py
"""

import argparse
import csv
import os
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

import pyg_video
from pyg_video.checkpoints import load_model, shipped_checkpoint
from pyg_video.datasets import SyncClip, SyncMNIST
from pyg_video.graph_builders import list_builders
from pyg_video.models import VideoClassifier, create_model
from pyg_video.training.demo import TASK
from pyg_video.training.module import lr_factor

BATCH, LR, WARM_UP = 32, 3e-3, 100
TABLE = Path(__file__).parents[1] / "examples" / "node_builders.csv"


def build(name: str, num_classes: int) -> VideoClassifier:
    """The model of the small task with the builder called ``name``."""
    return create_model(
        "graph_sync_mnist",
        num_classes=num_classes,
        frame=TASK["frame"],
        channels=(16, 32, 32, 32, 32),
        strides=(2, 1, 2, 1, 1),
        builder=name,
        arrangement=(1, TASK["num_digits"]) if name == "box" else (3, 3),
        region_channels=32,
    )


@torch.no_grad()
def maps(backbone: nn.Module, clip: SyncClip) -> Tensor:
    """Feature maps [B, T, C, H, W] of clips."""
    return backbone(clip.video.flatten(0, 1)).unflatten(0, clip.video.shape[:2])


def scores(head: nn.Module, x: Tensor, clip: SyncClip) -> Tensor:
    return head(x, box=clip.box) if head.takes_boxes else head(x)


def train(heads: dict[str, nn.Module], backbone: nn.Module, clips: SyncMNIST, videos: int) -> None:
    """Train the heads side by side on the same videos."""
    optimizers = [torch.optim.AdamW(head.parameters(), lr=LR, weight_decay=0.01) for head in heads.values()]
    steps = videos // BATCH
    for step in tqdm(range(steps), unit="step"):
        clip = clips.batch(range(step * BATCH, (step + 1) * BATCH))
        x = maps(backbone, clip)
        for head, optimizer in zip(heads.values(), optimizers, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = LR * lr_factor(step, WARM_UP, steps)
            optimizer.zero_grad()
            nn.functional.cross_entropy(scores(head, x, clip), clip.label).backward()
            nn.utils.clip_grad_norm_(head.parameters(), 1.0)
            optimizer.step()


@torch.no_grad()
def test(heads: dict[str, nn.Module], backbone: nn.Module, clips: SyncMNIST) -> dict[str, float]:
    """Share of clips that each head gets right."""
    right = dict.fromkeys(heads, 0)
    for i in range(0, len(clips), BATCH):
        clip = clips.batch(range(i, min(i + BATCH, len(clips))))
        x = maps(backbone, clip)
        for name, head in heads.items():
            right[name] += int((scores(head.eval(), x, clip).argmax(1) == clip.label).sum())
    return {name: count / len(clips) for name, count in right.items()}


def write(rows: list[dict[str, object]], path: Path) -> None:
    whole = path.with_suffix(".part")
    with whole.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(whole, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--builders", nargs="+", default=list_builders(), choices=list_builders(), metavar="NAME")
    parser.add_argument("--videos", type=int, default=16_000)
    parser.add_argument("--clips", type=int, default=1_000, help="test clips, of digits that no training saw")
    parser.add_argument("--output", type=Path, default=TABLE)
    args = parser.parse_args()
    backbone = load_model(shipped_checkpoint("dyreg_gnn_small")).backbone.eval()
    clips = SyncMNIST(seed=1, **TASK)
    heads: dict[str, nn.Module] = {}
    for name in args.builders:
        torch.manual_seed(0)
        heads[name] = build(name, clips.num_classes).head
    train(heads, backbone, clips, args.videos)
    accuracy = test(heads, backbone, SyncMNIST(split="test", size=args.clips, seed=1, **TASK))
    about = {"videos": args.videos, "test_clips": args.clips, "seed": 0, "date": f"{datetime.now(UTC):%Y-%m-%d}"}
    about |= {"pyg_video": pyg_video.__version__, "torch": torch.__version__}
    write([{"builder": name, "accuracy": accuracy[name]} | about for name in heads], args.output)
    for name in heads:
        print(f"{name:15s} {accuracy[name]:6.1%}")


if __name__ == "__main__":
    main()
