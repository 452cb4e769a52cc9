"""Learning motion when the digits are already classified: the table in the README.

Three digits of three classes, two of which move together. Perfect maps (a tent at every digit, one channel per class)
replace those of a backbone. The accuracy of a model that does not use motion is one third. One run with one seed each;
about 90 seconds per row on one core.

    python benchmarks/motion_only.py
"""

import argparse
import math

import torch
from torch import Tensor, nn

from pyg_video.datasets import SyncClip, SyncMNIST, digit_maps
from pyg_video.graph_builders import GraphBuilder, GridGraph, RegionGraph
from pyg_video.layers import GraphBlock, KernelEmbedding, ToVector
from pyg_video.models import GraphHead, PoolHead, dyreg_processor

C, SIZE, BATCH = 32, (10, 10), 32
ROWS = {
    "map, mean over frames, residual scale 0": ("regions", "map", "mean", 0.0),
    "map, last frame, residual scale 0": ("regions", "map", "last", 0.0),
    "map, last frame, residual scale 1": ("regions", "map", "last", 1.0),
    "vector, last frame": ("regions", "vector", "last", 0.0),
    "vector, last frame, fixed 3 x 3 cells": ("cells", "vector", "last", 0.0),
}


class MotionNet(nn.Module):
    """Perfect maps [B, T, 3, H, W] to the scores of the three pairs."""

    def __init__(self, nodes: str, output: str, readout: str, residual_scale: float) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, C, 1), nn.BatchNorm2d(C), nn.ReLU())
        builder: GraphBuilder = GridGraph(C, 9)
        if nodes == "regions":
            builder = RegionGraph(C, size=SIZE, anchors="grid", gain=0.3, region_channels=32)
        processor = nn.Sequential(KernelEmbedding(C, SIZE), dyreg_processor(C))
        if output == "vector":
            self.rest: nn.Module = GraphHead(C, 3, builder, processor, readout=ToVector(readout))
        else:
            block = GraphBlock(C, builder, processor, residual_scale=residual_scale)
            self.rest = nn.Sequential(block, PoolHead(C, 3, readout=readout))

    def forward(self, x: Tensor) -> Tensor:
        return self.rest(self.features(x.flatten(0, 1)).unflatten(0, x.shape[:2]))


def perfect_maps(clip: SyncClip) -> Tensor:
    """A tent of 3 x 3 pixels at the centre of every digit, in the channel of its class."""
    return digit_maps(clip, (0, 1, 2), SIZE)


def train(net: MotionNet, clips: SyncMNIST, videos: int, lr: float = 3e-3) -> float:
    optimizer = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=0.01)
    steps, accuracy = videos // BATCH, 0.0
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1, (step + 1) / 100) * (1 + math.cos(math.pi * step / steps)) / 2
        clip = clips.batch(range(step * BATCH, (step + 1) * BATCH))
        scores = net(perfect_maps(clip))
        optimizer.zero_grad()
        nn.functional.cross_entropy(scores, clip.label).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        right = (scores.argmax(1) == clip.label).float().mean().item()
        accuracy += 0.02 * (right - accuracy)  # over about the last 1,600 videos, none of which came before
    return accuracy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=24_000)
    args = parser.parse_args()
    clips = SyncMNIST(
        3,
        num_frames=8,
        canvas_size=40,
        frame_size=40,
        digit_size=14,
        classes=(0, 1, 2),
        motion="smooth",
        max_step=4,
        random_probability=0.0,
    )
    for name, (nodes, output, readout, residual_scale) in ROWS.items():
        torch.manual_seed(0)
        net = MotionNet(nodes, output, readout, residual_scale)
        print(f"{name:40s} {train(net, clips, args.videos):6.1%}", flush=True)


if __name__ == "__main__":
    main()
