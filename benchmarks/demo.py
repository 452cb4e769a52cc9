"""The demo with several seeds: the table in the README, with the spread over seeds.

Writes benchmarks/results/demo.json, the README's table and, from the first seed, docs/images/regions.png and
curves.png; with --table, only the table, from the file. Takes as long as ``make demo`` for each seed.

    python benchmarks/demo.py
"""

import argparse
import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, stdev

import torch

import pyg_video
from pyg_video.cli import demo

ROOT = Path(__file__).parent.parent
RESULTS, README = ROOT / "benchmarks" / "results" / "demo.json", ROOT / "README.md"
BLOCK = re.compile(r"(<!-- demo -->\n).*?(<!-- end of demo -->)", re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder for the files of each seed")
    parser.add_argument("--table", action="store_true", help="only write the README's table, from the last results")
    args = parser.parse_args()
    if not args.table:
        runs = [run(seed, args.output / f"seed{seed}") for seed in args.seeds]
        for picture in ("regions.png", "curves.png"):
            shutil.copy(args.output / f"seed{args.seeds[0]}" / picture, ROOT / "docs" / "images")
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps({**about(), "runs": runs}, indent=1) + "\n")
    text = table(json.loads(RESULTS.read_text()))
    README.write_text(BLOCK.sub(lambda found: found[1] + text + found[2], README.read_text()))
    print(text)


def run(seed: int, output: Path) -> dict[str, object]:
    """What one run found, as JSON holds it."""
    outcome = demo.run(output, seed=seed)
    accuracy = {name: score.share for name, score in outcome.scores.items()}
    seconds = {name: round(value, 1) for name, value in outcome.seconds.items()}
    return {"seed": seed, "found": outcome.found, "accuracy": accuracy, "seconds": seconds}


def about() -> dict[str, object]:
    """Date, versions, and what the demo trains on."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "torch": torch.__version__,
        "pyg_video": pyg_video.__version__,
        "cores": torch.get_num_threads(),
        "frames": demo.NUM_FRAMES,
        "videos": demo.NUM_VIDEOS,
        "clips": demo.NUM_CLIPS,
        "parameters": {name: sum(p.numel() for p in model.parameters()) for name, model in demo.make_models().items()},
    }


def table(results: dict[str, object]) -> str:
    """The README's table: mean and standard deviation over the seeds."""
    runs = results["runs"]
    lines = ["| model | parameters | accuracy, mean ± deviation over seeds | each seed |", "|---|---:|---:|---|"]
    for name, parameters in results["parameters"].items():
        shares = [100 * run["accuracy"][name] for run in runs]
        spread = f" ± {stdev(shares):.1f}" if len(shares) > 1 else ""
        each = ", ".join(f"{share:.1f}" for share in shares)
        lines.append(f"| {name} | {parameters:,} | {mean(shares):.1f} %{spread} | {each} |")
    lines.append(f"| chance | | {100 * demo.CHANCE:.1f} % | |")
    stills, videos, total = (mean(run["seconds"][part] for run in runs) for part in ("stills", "videos", "all"))
    lines.append(
        f"\n{len(runs)} seeds, {results['clips']:,} unseen clips each, {results['date']}, {results['cores']} cores, "
        f"torch {results['torch']}.\nMean times: still frames {stills:.0f} s, the four models together {videos:.0f} s, "
        f"everything {total:.0f} s.\n"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
