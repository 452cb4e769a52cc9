"""Time `import pyg_video` against `import torch_geometric.nn`: median over fresh interpreters, in turn.

Also with the subpackages that a first model needs.

    python benchmarks/import_time.py
"""

import argparse
import statistics
import subprocess
import sys
import time

STATEMENTS = {
    "import torch_geometric.nn": "import torch_geometric.nn",
    "import pyg_video": "import pyg_video",
    "import pyg_video + models": "import pyg_video, pyg_video.models, pyg_video.layers, pyg_video.graph_builders",
}


def seconds(statement: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-W", "ignore", "-c", statement], check=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    times: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for _ in range(repeats + 1):  # the first round warms the disk cache
        for name, statement in STATEMENTS.items():
            times[name].append(seconds(statement))
    median = {name: statistics.median(values[1:]) for name, values in times.items()}
    base = median["import torch_geometric.nn"]
    for name, value in median.items():
        print(f"{name:28s} {value:6.2f} s   {value / base:5.2f} x")


if __name__ == "__main__":
    main()
