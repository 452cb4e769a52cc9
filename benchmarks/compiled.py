"""torch.compile of whole blocks: seconds of the first call, time beside eager, and what is compiled as clips change.

Each block and pass has a process of its own, with an empty cache of compiled code; a C++ compiler is needed on the CPU.

    python benchmarks/compiled.py --cases dyreg_256 --threads 1
"""

import argparse
import tempfile
from pathlib import Path

import torch
from blocks import CASES
from measuring import Step, Way, environment, in_new_process, in_turn, ratios, sgemm, spread, write
from torch import Tensor
from torch._dynamo.utils import counters


def measured(name: str, backward: bool, threads: int, rounds: int, device: str) -> dict[str, object]:
    """The row of a case and pass in the results."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    case = CASES[name]()
    x, eager = case.x.to(device), case.ways["ours"].to(device)
    compiled = Way(torch.compile(eager.module))
    Step(eager, x, backward)()
    gflops = sgemm(device)
    first = Step(compiled, x, backward).seconds()
    times = in_turn({"eager": eager, "compiled": compiled}, x, backward, rounds)
    return {
        "case": name,
        "pass": "training" if backward else "forward",
        "threads": threads,
        "sgemm_gflops": gflops,
        "first_call_s": round(first, 1),
        **{f"{way}_ms": spread(ms) for way, ms in times.items()},
        "eager_over_compiled": ratios(times, "compiled")["eager"],
        "graph_breaks": sum(counters["graph_break"].values()),
        "changes": changes(compiled, x, backward),
    }


def changes(way: Way, x: Tensor, backward: bool) -> list[dict[str, object]]:
    """Seconds of calls with other numbers of clips and frames, and graphs compiled so far; or the error of the call."""
    B, T = x.shape[:2]
    rows: list[dict[str, object]] = []
    for clips, frames in ((B, T // 2), (B, 3 * T // 4), (B + 1, T // 2), (B + 2, T + 2), (B + 3, T - 3)):
        row: dict[str, object] = {"clips": clips, "frames": frames}
        try:
            row["seconds"] = round(Step(way, x[:1, :1].repeat(clips, frames, 1, 1, 1), backward).seconds(), 2)
            row["graphs"] = counters["stats"]["unique_graphs"]
        except RuntimeError as error:  # of the compiler
            row["error"] = str(error).splitlines()[0]
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES), metavar="CASE")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path, help="JSON file, such as benchmarks/results/compiled.json")
    args = parser.parse_args()
    rows = []
    for name in args.cases:
        for backward in (False, True):
            with tempfile.TemporaryDirectory() as cache:
                options = (name, backward, args.threads, args.rounds, args.device)
                row = in_new_process(measured, *options, env={"TORCHINDUCTOR_CACHE_DIR": cache})
            rows.append(row)
            ratio = row["eager_over_compiled"]["median"]
            print(f"{name:15s} {row['pass']:8s} first call {row['first_call_s']} s, then {ratio} x as fast as eager")
            print(f"{'':15s} after other clips: {row['changes']}", flush=True)
    if args.output is not None:
        write(args.output, {"environment": environment(args.device), "rounds": args.rounds, "rows": rows})


if __name__ == "__main__":
    main()
