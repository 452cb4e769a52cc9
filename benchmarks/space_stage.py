"""One space stage, forward and backward: SpaceConv against the same stage with every pair spelled out.

The baseline is how both papers' released code does it: concatenate (or add) the features of every pair of nodes, run
the whole message MLP on every pair, multiply with a dense attention matrix. Same weights, same numbers, same run.

    python benchmarks/space_stage.py
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from pyg_video.functional import complete_edges, repeat_edges
from pyg_video.layers import FrameNorm, SpaceConv


def every_pair(conv: SpaceConv, x: Tensor) -> Tensor:
    """The stage on dense pairs, ``x`` of shape [F, N, C]."""
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
            conv = SpaceConv(C, message_norm=FrameNorm(C), update_norm=FrameNorm(C), **options).to(device)
            x = torch.randn(args.frames, N, C, device=device, requires_grad=True)
            edges = repeat_edges(complete_edges(N), N, args.frames).to(device)
            batch = torch.arange(args.frames, device=device).repeat_interleave(N)
            flat = lambda: conv(x.flatten(0, 1), edges, batch=batch, batch_size=args.frames)  # noqa: B023, E731
            dense = lambda: every_pair(conv, x)  # noqa: B023, E731
            torch.testing.assert_close(flat().view_as(x), dense(), atol=1e-3, rtol=1e-3)
            ours, theirs = milliseconds(flat, args.repeats), milliseconds(dense, args.repeats)
            name = f"N={N:2d} C={C:3d} {combine:6s} {layers} layer(s)"
            print(f"{name}: {ours:7.1f} ms, pairs {theirs:7.1f} ms, {theirs / ours:4.1f} x")


if __name__ == "__main__":
    main()
