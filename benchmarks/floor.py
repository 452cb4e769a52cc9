"""Where the time of a block goes, and what its arithmetic alone would take.

torch's profiler sums the time of operators by what they work on. The floor is the number of operations of all matrix
products and convolutions, at the speed of a large product on the same threads at the same time.

    python benchmarks/floor.py --cases dyreg_256 --threads 1
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from blocks import CASES
from measuring import Step, environment, sgemm, write
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

# The last is torch's LSTM with its products, which those of few frames and without gradient are computed with.
_PRODUCTS = ("addmm", "mm", "bmm", "baddbmm", "convolution", "mkldnn_rnn_layer")
_OPERATORS = {
    "gather_pairs": "messages",
    "gru": "recurrence, without its products",
    "lstm": "recurrence, without its products",
}


def kind(event: FunctionEvent, num_values: int) -> str:
    """What an operator works on, from its name, its arguments and the operators around it.

    Args:
        event: the operator.
        num_values: number of values of the map.
    """
    name = event.name.rstrip("_")
    product = any(name.endswith(word) or f"{word}_backward" in name for word in _PRODUCTS)
    if num_values in [torch.Size(shape).numel() for shape in event.input_shapes if shape]:
        return "products with the map" if product else "other passes over the map"
    if product:
        return "products of nodes"
    around: FunctionEvent | None = event
    while around is not None:
        for word, what in _OPERATORS.items():
            if word in around.name:
                return what
        around = around.cpu_parent
    return "everything else"


def parts(step: Step, rounds: int) -> dict[str, float]:
    """Milliseconds of a step by what its operators work on, the largest first."""
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
        for _ in range(rounds):
            step.forget()
            step()
    found: dict[str, float] = {}
    for event in profiler.events():
        what = kind(event, step.x.numel())
        found[what] = found.get(what, 0.0) + event.self_cpu_time_total / 1e3 / rounds
    return {what: round(ms, 1) for what, ms in sorted(found.items(), key=lambda part: -part[1])}


def _lstm_flops(x: Sequence[int], w_ih: Sequence[int], w_hh: Sequence[int], *_: object, **__: object) -> int:
    return 2 * math.prod(x[:2]) * (math.prod(w_ih) + math.prod(w_hh))


def measured(name: str, backward: bool, threads: int, rounds: int) -> dict[str, object]:
    """The row of a case and pass in the results."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    case = CASES[name]()
    step = Step(case.ways["ours"], case.x, backward)
    formulas = {torch.ops.aten.mkldnn_rnn_layer: _lstm_flops}
    with FlopCounterMode(display=False, custom_mapping=formulas) as counter:
        step()
    for _ in range(3):
        step.forget()
        step()
    gflops = sgemm()
    seconds = sorted(step.seconds() for _ in range(rounds))
    operations = counter.get_total_flops()
    return {
        "case": name,
        "pass": "training" if backward else "forward",
        "threads": threads,
        "ms": round(1e3 * seconds[rounds // 2], 1),
        "gflop": round(operations / 1e9, 3),
        "sgemm_gflops": gflops,
        "floor_ms": round(operations / gflops / 1e6, 1),
        "parts_ms": parts(step, rounds),
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
