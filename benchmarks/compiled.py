"""torch.compile of whole blocks: seconds of the first call, time beside eager, and what is compiled as clips change.

Each block, pass and mode has a process of its own, with an empty cache of compiled code; a C++ compiler is
needed on the CPU.

    python benchmarks/compiled.py --cases dyreg_256 --modes default --threads 1
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from blocks import CASES
from measuring import Result, Step, Way, environment, in_new_process, in_turn, ratios, sgemm, spread, write
from torch import Tensor
from torch._dynamo.utils import compilation_time_metrics, counters
from torch._inductor.cpu_vec_isa import pick_vec_isa

Row = dict[str, object]

# Of torch.compile, with further variables of the environment. With "lite", torch's norms refuse in training the layout
# that it chooses for convolutions.
MODES = {"default": {}, "lite": {"TORCHINDUCTOR_LAYOUT_OPTIMIZATION": "0"}}
_MEASURED = (  # by torch
    "_compile.compile_inner",
    "create_aot_dispatcher_function",
    "compile_fx.<locals>.fw_compiler_base",
    "compile_fx.<locals>.bw_compiler",
    "async_compile.wait",
)


def measured(name: str, backward: bool, mode: str, threads: int, rounds: int, device: str) -> tuple[Row, Row]:
    """The rows of a case, pass and mode in the results: times, and those of the first call's phases."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    case = CASES[name]()
    x, eager = case.x.to(device), case.ways["ours"].to(device)
    compiled = Way(torch.compile(eager.module, mode=mode))
    Step(eager, x, backward)()
    gflops = sgemm(device)
    first = first_call(compiled, x, backward)
    times = in_turn({"eager": eager, "compiled": compiled}, x, backward, rounds)
    which: Row = {"case": name, "pass": "training" if backward else "forward", "mode": mode, "threads": threads}
    row: Row = {
        **which,
        "sgemm_gflops": gflops,
        "first_call_s": first["first_call_s"],
        **{f"{way}_ms": spread(ms) for way, ms in times.items()},
        "eager_over_compiled": ratios(times, "compiled")["eager"],
        "graph_breaks": sum(counters["graph_break"].values()),
    }
    return row, {**which, "gflops": gflops, **first, "difference": difference(eager, compiled, x, backward)}


def first_call(way: Way, x: Tensor, backward: bool) -> Row:
    """Seconds of the first call, those of its phases, and what is left to the C++ compiler."""
    start = time.perf_counter()
    if x.device.type == "cpu":
        pick_vec_isa()
    probing = time.perf_counter() - start
    compilation_time_metrics.clear()
    whole = Step(way, x, backward).seconds()
    builds = compilation_time_metrics.get("compile_file", [])
    return {
        "first_call_s": round(probing + whole, 1),
        "phases_s": {"instruction sets": round(probing, 1), **phases(compilation_time_metrics, whole)},
        "cpp_runs": len(builds),
        "cpp_s": round(sum(builds), 1),
    }


def phases(metrics: Mapping[str, Sequence[float]], whole: float) -> dict[str, float]:
    """Seconds of the parts of a first call of ``whole`` seconds, from torch's own, some of which contain others."""
    took = {name: sum(seconds) for name, seconds in metrics.items()}
    traced, differentiated, forward, backward, cpp = (took.get(name, 0.0) for name in _MEASURED)
    found = {
        "tracing": traced - differentiated,
        "autograd": differentiated - forward,
        "code generation": forward + backward - cpp,
        "C++ compiler": cpp,
        "rest": whole - traced - backward,
    }
    return {name: round(seconds, 1) for name, seconds in found.items()}


def difference(eager: Way, compiled: Way, x: Tensor, backward: bool) -> float:
    """Largest difference of the output, or of the gradient of the input, over its largest value."""
    values = []
    for way in (eager, compiled):
        torch.manual_seed(0)
        step = Step(way, x, backward)
        y = step()
        values.append(step.x.grad if backward else y)
    return float(f"{float((values[1] - values[0]).abs().max() / values[0].abs().max()):.1g}")


def changed(name: str, backward: bool, mode: str, threads: int, device: str) -> Row:
    """Graphs compiled so far in calls with other numbers of clips and frames, or the error of such a call."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    case = CASES[name]()
    x, way = case.x.to(device), Way(torch.compile(case.ways["ours"].to(device).module, mode=mode))
    Step(way, x, backward)()
    B, T = x.shape[:2]
    rows: list[Row] = []
    for clips, frames in ((B, T // 2), (B, 3 * T // 4), (B + 1, T // 2), (B + 2, T + 2), (B + 3, T - 3)):
        row: Row = {"clips": clips, "frames": frames}
        try:
            Step(way, x[:1, :1].repeat(clips, frames, 1, 1, 1), backward)()
            row["graphs"] = counters["stats"]["unique_graphs"]
        except RuntimeError as error:  # of the compiler
            row["error"] = str(error).splitlines()[0]
        rows.append(row)
    return {"case": name, "pass": "training" if backward else "forward", "mode": mode, "calls": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=["dyreg_256"], choices=list(CASES), metavar="CASE")
    parser.add_argument("--modes", nargs="+", default=list(MODES), choices=list(MODES))
    parser.add_argument("--passes", nargs="+", default=["forward", "training"], choices=["forward", "training"])
    parser.add_argument("--no-changes", dest="changes", action="store_false", help="do not change the clips")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path, help="JSON file, such as benchmarks/results/compiled.json")
    args = parser.parse_args()
    results: dict[str, list[Row]] = {"rows": [], "first_calls": [], "changes": []}
    for name, which, mode in itertools.product(args.cases, args.passes, args.modes):
        options = (name, which == "training", mode, args.threads)
        row, first = in_new_cache(measured, mode, *options, args.rounds, args.device)
        results["rows"].append(row)
        results["first_calls"].append(first)
        if args.changes:
            results["changes"].append(in_new_cache(changed, mode, *options, args.device))
        print(*(rows[-1] for rows in results.values() if rows), sep="\n", flush=True)
    if args.output is not None:
        write(args.output, {"environment": environment(args.device), "rounds": args.rounds, **results})


def in_new_cache(function: Callable[..., Result], mode: str, *args: object) -> Result:
    with tempfile.TemporaryDirectory() as cache:
        return in_new_process(function, *args, env={"TORCHINDUCTOR_CACHE_DIR": cache, **MODES[mode]})


if __name__ == "__main__":
    main()
