"""Time blocks on the CPU under settings of the memory allocator.

Each setting has processes of its own, since allocators read them at the start; the settings take turns. Other
allocators are tried where they are installed.

python benchmarks/allocator.py --cases dyreg_256 --threads 1
"""

import argparse
from ctypes.util import find_library
from pathlib import Path

import torch
from blocks import CASES
from measuring import environment, in_new_process, in_turn, spread, write

KEEP = {"MALLOC_MMAP_THRESHOLD_": f"{2**25}", "MALLOC_TRIM_THRESHOLD_": f"{2**32}"}  # glibc takes 2 ** 25 at most
SETTINGS: dict[str, dict[str, str]] = {
    "as it is": {},
    "thresholds": KEEP,
    "thresholds and top pad": {**KEEP, "MALLOC_TOP_PAD_": f"{2**28}"},
    "huge pages by torch": {"THP_MEM_ALLOC_ENABLE": "1"},
    "huge pages by glibc": {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
    "thresholds, huge pages by torch": {**KEEP, "THP_MEM_ALLOC_ENABLE": "1"},
    "thresholds, huge pages by glibc": {**KEEP, "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
}
WAYS = ("ours", "released")


def settings() -> dict[str, dict[str, str]]:
    """Those above, and other allocators that are installed."""
    found = {name: find_library(name) for name in ("tcmalloc", "tcmalloc_minimal", "jemalloc", "mimalloc")}
    return {**SETTINGS, **{name: {"LD_PRELOAD": library} for name, library in found.items() if library is not None}}


def measured(name: str, threads: int, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Milliseconds of every pass and way."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    case = CASES[name]()
    ways = {way: case.ways[way] for way in WAYS}
    return {
        "forward": in_turn(ways, case.x, False, rounds),
        "training": in_turn(ways, case.x, True, rounds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=["dyreg_256", "rstg_1024"], choices=list(CASES), metavar="CASE")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="in each process")
    parser.add_argument("--processes", type=int, default=2, help="for each setting")
    parser.add_argument("--output", type=Path, help="JSON file, such as benchmarks/results/allocator.json")
    args = parser.parse_args()
    times: dict[tuple[str, str, str, str], list[float]] = {}
    for name in args.cases:
        for _ in range(args.processes):
            for setting, env in settings().items():
                for which, ways in in_new_process(measured, name, args.threads, args.rounds, env=env).items():
                    for way, ms in ways.items():
                        times.setdefault((name, setting, which, way), []).extend(ms)
    columns = ("case", "setting", "pass", "way")
    rows = [{**dict(zip(columns, key, strict=True)), "ms": spread(ms)} for key, ms in times.items()]
    for row in rows:
        print(f"{row['case']:10s} {row['setting']:32s} {row['pass']:8s} {row['way']:8s} {row['ms']['median']:8.1f} ms")
    if args.output is not None:
        about = {"environment": environment(), "threads": args.threads, "rounds": args.rounds * args.processes}
        write(args.output, {**about, "settings": settings(), "rows": rows})


if __name__ == "__main__":
    main()
