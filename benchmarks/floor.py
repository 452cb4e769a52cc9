"""Where the time of a block goes, and what its arithmetic alone would take.

torch's profiler sums the time of operators by what they work on. The floor is the number of operations of all matrix
products and convolutions, at the speed of a large product on the same threads at the same time.

    python benchmarks/floor.py --cases dyreg_256 --threads 1
"""

import argparse
from pathlib import Path

import torch
from blocks import CASES, Case
from measuring import Step, environment, sgemm, write
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

_PRODUCTS = ("addmm", "mm", "bmm", "baddbmm", "convolution")


def kind(name: str, shapes: list[list[int]], case: Case) -> str:
    """What an operator works on, from its name and the shapes of its arguments."""
    product = any(name.rstrip("_").endswith(word) or f"{word}_backward" in name for word in _PRODUCTS)
    sizes = [torch.Size(shape).numel() for shape in shapes if shape]
    if case.x.numel() in sizes:
        return "products with the map" if product else "other passes over the map"
    if product:
        return "products of nodes"
    if "gather_pairs" in name or any(len(shape) == 4 and shape[1] == shape[2] for shape in shapes):
        return "messages"
    rows = case.x.size(0) * case.ways["ours"].module.builder.num_nodes  # of one frame in all clips
    if "gru" in name or "lstm" in name or any(shape[:1] == [rows] or shape[1:2] == [rows] for shape in shapes):
        return "recurrence, without its products"
    return "everything else"


def measured(name: str, backward: bool, threads: int, rounds: int) -> dict[str, object]:
    """The row of a case and pass in the results."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    case = CASES[name]()
    way = case.ways["ours"]
    step = Step(way, case.x, backward)
    with FlopCounterMode(display=False) as counter:
        step()
    for _ in range(3):
        step.forget()
        step()
    gflops, parts = sgemm(), dict.fromkeys((), 0.0)
    seconds = sorted(step.seconds() for _ in range(rounds))
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
        for _ in range(rounds):
            step.forget()
            step()
    for event in profiler.key_averages(group_by_input_shape=True):
        what = kind(event.key, event.input_shapes, case)
        parts[what] = parts.get(what, 0.0) + event.self_cpu_time_total / 1e3 / rounds
    operations = counter.get_total_flops()
    return {
        "case": name,
        "pass": "training" if backward else "forward",
        "threads": threads,
        "ms": round(1e3 * seconds[rounds // 2], 1),
        "gflop": round(operations / 1e9, 3),
        "sgemm_gflops": gflops,
        "floor_ms": round(operations / gflops / 1e6, 1),
        "parts_ms": {what: round(ms, 1) for what, ms in sorted(parts.items(), key=lambda part: -part[1])},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES), metavar="CASE")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--output", type=Path, help="JSON file, such as benchmarks/results/floor.json")
    args = parser.parse_args()
    rows = []
    for name in args.cases:
        for threads in args.threads:
            for backward in (False, True):
                rows.append(row := measured(name, backward, threads, args.rounds))
                print(row, flush=True)
    if args.output is not None:
        write(args.output, {"environment": environment(), "rounds": args.rounds, "rows": rows})


if __name__ == "__main__":
    main()
