"""Time one space stage, forward and backward: SpaceConv and DenseSpaceConv against the stage computed on all pairs.

The baseline follows the released code of both papers: concatenate (or add) the features of every pair of nodes, apply
the message MLP to every pair, multiply with a dense attention matrix. All use the same weights and give the same
numbers; they are timed in the same process.

    python benchmarks/space_stage.py
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from pyg_video.data import Frames
from pyg_video.functional import complete_edges, repeat_edges
from pyg_video.layers import DenseSpaceConv, FrameNorm, SpaceConv


def every_pair(conv: SpaceConv, x: Tensor) -> Tensor:
    """The stage computed on all pairs, ``x`` of shape [F, N, C]."""
    F, N, C = x.shape
    sender, receiver = x[:, None].expand(F, N, N, C), x[:, :, None].expand(F, N, N, C)
    if conv.combine == "sum":
        m = conv.send(sender + receiver)
    else:
        weight = torch.cat([conv.send.weight, conv.receive.weight], dim=1)
        m = torch.cat([sender, receiver], dim=-1) @ weight.T + conv.send.bias
    m = conv.send_mlp(m)
    m = conv.message_norm(m.flatten(1, 2)).view(F, N, N, C)
    query, key = conv.attention.project(x)
    alpha = (query @ key.mT).softmax(-1)
    g = ((alpha[..., None] * m).sum(2) + conv.bias).relu()
    y = conv.update_mlp(x + g if conv.update_by_sum else torch.cat([x, g], dim=-1))
    return conv.update_norm(y)


def milliseconds(run: Callable[[], Tensor], repeats: int) -> float:
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        run().sum().backward()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times[2:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=10)
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads, {args.frames} frames")
    for N, C in ((9, 128), (9, 256), (14, 256), (30, 256)):
        for combine, layers in (("concat", 2), ("concat", 1), ("sum", 1)):
            options = {"combine": combine, "send_layers": layers, "update_layers": 2 if layers == 2 else 0}
            dense = DenseSpaceConv(C, message_norm=FrameNorm(C), update_norm=FrameNorm(C), **options).to(device)
            sparse = dense.sparse()  # a SpaceConv with the same parameters
            x = torch.randn(args.frames, N, C, device=device, requires_grad=True)
            edges = repeat_edges(complete_edges(N), N, args.frames).to(device)
            frames = Frames(args.frames, 1)
            frames = Frames(args.frames, 1, frames.index_of(args.frames * N, x.device))
            ways = {
                "all pairs": lambda: every_pair(sparse, x),  # noqa: B023
                "SpaceConv": lambda: sparse(x.flatten(0, 1), edges, frames=frames).view_as(x),  # noqa: B023
                "DenseSpaceConv": lambda: dense(x),  # noqa: B023
            }
            expected = ways["all pairs"]()
            for way in ways.values():
                torch.testing.assert_close(way(), expected, atol=1e-3, rtol=1e-3)
            times = {name: milliseconds(way, args.repeats) for name, way in ways.items()}
            cells = [f"{name} {ms:7.1f} ms ({times['all pairs'] / ms:4.1f} x)" for name, ms in times.items()]
            print(f"N={N:2d} C={C:3d} {combine:6s} {layers} layer(s): {', '.join(cells)}")


if __name__ == "__main__":
    main()
