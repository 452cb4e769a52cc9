"""Time and memory of a stream through TSM-ResNet-50 with DyReg-GNN's three blocks, random weights, on the CPU.

- timing: one frame at a time by `scan`, for one camera and for several in a batch, against running a window of the last
  frames again for every new one. All in turn in one process; the median and quartiles over the rounds of the time per
  frame of each camera. Before that, the stream's scores after a window of frames are compared with those of the window
  at once.
- memory: the resident set over many (smaller) frames of one stream, and the number of values in the state.

Each part writes its results, with date, versions and machine, into the same JSON file; the other part's stay. At the
end, the rows of the tables in docs/streaming.md are printed.

    python benchmarks/streaming.py
    python benchmarks/streaming.py --part timing --rounds 9
"""

import argparse
import json
import platform
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import torch
import torch_geometric
from torch import Tensor, nn

from pyg_video.layers import scan
from pyg_video.models import create_model

OUTPUT = Path(__file__).parent / "results" / "streaming.json"
WINDOWS = (8, 16)


def make_model(frame_size: int) -> nn.Module:
    """The model with 174 classes; its blocks are no identities, so that they matter to the scores."""
    torch.manual_seed(0)
    return create_model("dyreg_tsm_resnet50", frame_size=frame_size, online=True, residual_scale=1.0, gain=0.3).eval()


class Stream:
    """A model that is given the next frame of each of its cameras, :math:`(B, 1, 3, H, W)`."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.state: Any = None

    def __call__(self, frames: Tensor) -> Tensor:
        scores, self.state = scan(self.model, frames, self.state)
        return scores


def check(model: nn.Module, frame_size: int) -> float:
    """Largest difference between the scores of a stream and of a window at once, over the largest score."""
    window = torch.rand(1, min(WINDOWS), 3, frame_size, frame_size)
    stream, at_once = Stream(model), model(window)
    for frame in window.split(1, dim=1):
        scores = stream(frame)
    difference = float((scores - at_once).abs().max() / at_once.abs().max())
    assert difference < 1e-4, difference
    return difference


def milliseconds(way: Callable[[Tensor], Tensor], frames: Tensor) -> float:
    start = time.perf_counter()
    way(frames)
    return 1e3 * (time.perf_counter() - start)


def measure_time(frame_size: int, cameras: int, rounds: int) -> dict[str, Any]:
    model = make_model(frame_size)
    difference = check(model, frame_size)
    video = torch.rand(cameras, max(WINDOWS), 3, frame_size, frame_size)
    ways = {f"scan, {n} camera{'s' * (n > 1)}": (n, Stream(model), video[:n, :1]) for n in dict.fromkeys((1, cameras))}
    ways |= {f"window of {n}": (1, model, video[:1, :n]) for n in WINDOWS}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, (_, way, frames) in ways.items():
            times[name].append(milliseconds(way, frames))
    rows = {
        name: {"cameras": n, **summary([value / n for value in times[name][1:]])} for name, (n, _, _) in ways.items()
    }
    return {"frame_size": frame_size, "rounds": rounds, "largest_difference": difference, "ms_per_frame": rows}


def summary(values: list[float]) -> dict[str, float]:
    low, median, high = statistics.quantiles(values, n=4)
    return {"median": round(median, 2), "quartile_1": round(low, 2), "quartile_3": round(high, 2)}


def measure_memory(frame_size: int, num_frames: int, every: int) -> Iterator[dict[str, Any]]:
    """After every sample, all samples so far, so that a run that is stopped leaves them."""
    stream = Stream(make_model(frame_size))
    samples: list[dict[str, float]] = []
    for t in range(1, num_frames + 1):
        stream(torch.rand(1, 1, 3, frame_size, frame_size))
        if t % every == 0:
            sample = {"frame": t, "state_values": count_values(stream.state)}
            samples.append(sample | {"resident_mib": resident_mib(), "peak_mib": peak_mib()})
            growth = round(samples[-1]["peak_mib"] - samples[0]["peak_mib"], 1)
            print(samples[-1], flush=True)
            yield {"frame_size": frame_size, "growth_of_peak_mib": growth, "samples": samples}


def count_values(state: Any) -> int:
    if isinstance(state, Tensor):
        return state.numel()
    parts = state.values() if isinstance(state, dict) else state or ()
    return sum(map(count_values, parts))


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / 2**20, 1)


def peak_mib() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10, 1)


def machine() -> dict[str, Any]:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "date": str(date.today()),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch_geometric": torch_geometric.__version__,
        "cpu": names[0].partition(":")[2].strip() if names else platform.machine(),
        "threads": torch.get_num_threads(),
    }


def table(results: dict[str, Any]) -> list[str]:
    """The rows of the tables in docs/streaming.md."""
    rows, samples = results["timing"]["ms_per_frame"], results["memory"]["samples"]
    stream = rows["scan, 1 camera"]["median"]
    lines = []
    for name, row in rows.items():
        spread = f"{row['quartile_1']:.0f} to {row['quartile_3']:.0f}"
        lines.append(f"| {name} | {row['median']:.0f} | {spread} | {row['median'] / stream:.1f} x |")
    for sample in (samples[0], samples[len(samples) // 2 - 1], samples[-1]):
        sizes = f"{sample['resident_mib']:.0f} | {sample['peak_mib']:.0f} | {sample['state_values']:,}"
        lines.append(f"| {sample['frame']:,} | {sizes} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["timing", "memory"], help="both by default")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--frame-size", type=int, default=224, help="in the timing")
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--memory-frame-size", type=int, default=80)
    parser.add_argument("--frames", type=int, default=10_000, help="in the measurement of memory")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_grad_enabled(False)
    results = json.loads(args.output.read_text()) if args.output.exists() else {}
    args.output.parent.mkdir(parents=True, exist_ok=True)
    if args.part != "timing":  # first: the peak is that of the process
        for memory in measure_memory(args.memory_frame_size, args.frames, max(1, args.frames // 20)):
            results["memory"] = machine() | memory
            args.output.write_text(json.dumps(results, indent=2) + "\n")
    if args.part != "memory":
        results["timing"] = machine() | measure_time(args.frame_size, args.cameras, args.rounds)
        args.output.write_text(json.dumps(results, indent=2) + "\n")
    if {"timing", "memory"} <= results.keys():
        print("\n".join(table(results)))


if __name__ == "__main__":
    main()
