"""Write the tables of docs/*.md and README.md, and the plots, from benchmarks/results.

python benchmarks/page.py
"""

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pictures import pyplot, save_picture
from reproduction import draw_curves, half, multi_sync_mnist_small, sync_mnist_small
from thermal_flight_table import thermal_flight

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
IMAGES = ROOT / "docs" / "images"
PAGES = (
    *(ROOT / "docs" / f"{name}.md" for name in ("speed", "reproduction", "insertion", "thermal_flight")),
    ROOT / "README.md",
)

CASES = {
    "dyreg_128": "DyReg-GNN, 128, 28 x 28",
    "dyreg_256": "DyReg-GNN, 256, 14 x 14",
    "dyreg_512": "DyReg-GNN, 512, 7 x 7",
    "dyreg_256_deep": "DyReg-GNN, deep, 256, 14 x 14",
    "dyreg_512_deep": "DyReg-GNN, deep, 512, 14 x 14",
    "rstg_1024": "RSTG, 1024, 14 x 14",
}
OTHERS = {
    "released": "released code",
    "ours_all_pairs": "ours, all pairs",
    "pyg": "plain PyG",
    "ours_bfloat16": "ours, bfloat16",
    "non_local": "Non-Local",
    "transformer": "Transformer",
}
BLOCKS = {"dyreg": "DyReg-GNN", "rstg": "RSTG"}
CURVES = {"ours": "ours", "ours_dense": "ours, `DenseSpaceConv`", "released": "released code"}
AXES = {"frames": "T", "nodes": "N", "clips": "B", "channels": "C"}
Results = dict[str, Any]


def load(name: str) -> Results:
    return json.loads((RESULTS / f"{name}.json").read_text())


def blocks() -> str:
    """Times of all ways."""
    results = load("blocks")
    head = ["block", "threads", "pass", "ours, ms", *OTHERS.values()]
    rows, found = [], _by(results["times"], "case", "threads", "pass")
    for (case, threads, which), ways in found.items():
        times = {row["way"]: row for row in ways}
        ratios = {way: row["over_ours"]["median"] for way, row in times.items()}
        cells = [f"{ratios[way]:.2f} x" if way in ratios else "" for way in OTHERS]
        low, high = (times["released"]["over_ours"][end] for end in ("low", "high"))
        cells[0] += f" ({low:.2f} to {high:.2f})"
        rows.append([CASES[case], str(threads), which, _spread(times["ours"]["ms"]), *cells])
    return f"{_where(results)}\n\n{_table(head, rows, 'lrlr' + 'r' * len(OTHERS))}"


def memory() -> str:
    """Memory of training steps, and the error of bfloat16."""
    results = load("blocks")
    head = ["block", "input", "ours, MiB", *OTHERS.values(), "error of bfloat16"]
    rows = []
    for case in results["cases"]:
        peak = case["peak_mib"]
        cells = [f"{peak[way] / peak['ours']:.2f} x" if way in peak else "" for way in OTHERS]
        shape = " x ".join(map(str, case["shape"]))
        error = f"{case['bfloat16_error']:.1%}"
        rows.append([CASES[case["case"]], shape, f"{peak['ours']:.0f}", *cells, error])
    return _table(head, rows, "ll" + "r" * (2 + len(OTHERS)))


def compiled() -> str:
    """torch.compile beside eager."""
    results = load("compiled")
    changes = {key: found[0]["calls"] for key, found in _by(results["changes"], "case", "pass", "mode").items()}
    head = ["block", "threads", "pass", "mode", "first call, s", "eager, ms", "compiled, ms", "eager / compiled"]
    rows = []
    for row in results["rows"]:
        calls = changes.get((row["case"], row["pass"], row["mode"]), [])
        graphs = ", ".join(str(call.get("graphs", "fails")) for call in calls)
        ratio = f"{row['eager_over_compiled']['median']:.2f} x"
        times = [_spread(row["eager_ms"]), _spread(row["compiled_ms"]), ratio, f"{_most(row):.2f} x"]
        which = [CASES[row["case"]], str(row["threads"]), row["pass"], row["mode"]]
        rows.append([*which, f"{row['first_call_s']:.0f}", *times, graphs])
    return f"{_where(results)}\n\n{_table([*head, 'at most', 'graphs'], rows, 'lrllrrrrrr')}"


def _most(row: Results) -> float:
    """How many times as fast a block were if all took no time that a compiler can put together."""
    which = ("case", "threads", "pass")
    parts = next(other for other in load("floor")["rows"] if all(other[key] == row[key] for key in which))["parts_ms"]
    total = sum(parts.values())
    return total / (total - parts["everything else"] - parts["other passes over the map"])


def first_call() -> str:
    """What the first call of a compiled block takes its time for."""
    found = load("compiled")["first_calls"]
    head = ["block", "threads", "pass", "mode", "sgemm, GFLOP/s", "first call, s"]
    head += [
        *(f"{phase}, s" for phase in found[0]["phases_s"]),
        "runs of the C++ compiler",
        "sum of their times, s",
        "difference",
    ]
    rows = []
    for row in found:
        which = [CASES[row["case"]], str(row["threads"]), row["pass"], row["mode"]]
        seconds = [f"{value:.1f}" for value in (row["first_call_s"], *row["phases_s"].values())]
        rows.append([*which, f"{row['gflops']:.0f}", *seconds, str(row["cpp_runs"]), f"{row['cpp_s']:.0f}"])
        rows[-1].append(f"{row['difference']:.0e}")
    return _table(head, rows, "lrll" + "r" * (len(head) - 4))


PARTS = (
    "products of nodes",
    "products with the map",
    "other passes over the map",
    "recurrence, without its products",
    "messages",
    "everything else",
)
TARGETS = {"forward": 3.5, "training": 3.0}
"""How many times as fast as the released code a block should be."""


def floor() -> str:
    """What a block's time goes into, and what its arithmetic alone would take."""
    results = load("floor")
    head = ["block", "threads", "pass", "sgemm, GFLOP/s", "ours, ms", "GFLOP", "floor, ms", *PARTS]
    rows = []
    for row in results["rows"]:
        parts = [f"{row['parts_ms'].get(part, 0):.0f}" for part in PARTS]
        which = [CASES[row["case"]], str(row["threads"]), row["pass"], f"{row['sgemm_gflops']:.0f}"]
        rows.append([*which, f"{row['ms']:.0f}", f"{row['gflop']:.1f}", f"{row['floor_ms']:.0f}", *parts])
    return f"{_where(results)}\n\n{_table(head, rows, 'lrlrrrr' + 'r' * len(PARTS))}"


def targets() -> str:
    """The time that is left by a multiple of the released code's speed, beside what cannot be saved."""
    released = {
        (row["case"], row["threads"], row["pass"]): row["over_ours"]["median"]
        for row in load("blocks")["times"]
        if row["way"] == "released"
    }
    head = ["block", "threads", "pass", "ours, ms", "released code / 3.5 or 3, ms", "products, ms"]
    head += ["products and passes over the map, ms", "released code over these"]
    rows = []
    for row in load("floor")["rows"]:
        if not row["case"].startswith("dyreg"):  # RSTG has a target of its own
            continue
        theirs = row["ms"] * released[row["case"], row["threads"], row["pass"]]
        needed, products = (sum(row["parts_ms"].get(part, 0) for part in PARTS[:n]) for n in (3, 2))
        cells = [row["ms"], theirs / TARGETS[row["pass"]], products, needed]
        which = [CASES[row["case"]], str(row["threads"]), row["pass"]]
        rows.append([*which, *(f"{ms:.0f}" for ms in cells), f"{theirs / needed:.1f} x"])
    return _table(head, rows, "lrlrrrrr")


def exponents() -> str:
    """Exponents of the curves."""
    results = load("curves")
    base = results["base"]
    head = ["block", "way", *(f"${AXES[axis]}$, time" for axis in AXES), *(f"${AXES[axis]}$, memory" for axis in AXES)]
    rows = []
    for (block, way), found in _by(results["exponents"], "block", "way").items():
        of = {row["axis"]: row for row in found}
        cells = [_exponent(of.get(axis), cost) for cost in ("time", "memory") for axis in AXES]
        rows.append([BLOCKS[block], CURVES[way], *cells])
    sizes = f"$T = {base['frames']}$, $B = {base['clips']}$, $C = {base['channels']}$"
    more = f"Where it is not varied, {sizes}, $N = 9$ (DyReg-GNN) or 14 (RSTG). A curve ends where its next point "
    more += "would take {seconds:g} seconds or {mib:g} MiB.".format(**results["limits"])
    return f"{_where(results)} {more}\n\n{_table(head, rows, 'll' + 'r' * (len(head) - 2))}"


def allocator() -> str:
    """Times under settings of the allocator."""
    results = load("allocator")
    columns = list(dict.fromkeys((row["case"], row["pass"]) for row in results["rows"]))
    head = ["setting", *(f"{CASES[case]}, {which}" for case, which in columns), "variables"]
    rows = []
    for setting, env in results["settings"].items():
        cells = []
        for case, which in columns:
            ms = {
                row["way"]: row["ms"]
                for row in results["rows"]
                if (row["setting"], row["case"], row["pass"]) == (setting, case, which)
            }
            cells.append(f"{_spread(ms['ours'])}; {ms['released']['median']:.0f}")
        variables = " ".join(f"`{name}={value}`" for name, value in env.items())
        rows.append([setting, *cells, variables])
    more = "Milliseconds of ours, with quartiles; after the semicolon, of the released code's way."
    return f"{_where(results)} {more}\n\n{_table(head, rows, 'l' + 'r' * len(columns) + 'l')}"


def summary() -> str:
    """The released code over ours, in short."""
    results = load("blocks")
    threads = max(row["threads"] for row in results["times"])
    peak = {case["case"]: case["peak_mib"] for case in results["cases"]}
    rows = []
    for (case,), found in _by(results["times"], "case").items():
        of = {(row["pass"], row["way"]): row for row in found if row["threads"] == threads}
        cells = []
        for which in ("forward", "training"):
            ratio, ms = of[which, "released"]["over_ours"]["median"], of[which, "ours"]["ms"]["median"]
            cells += [f"{ms:.0f}", f"{ratio:.1f} x"]
        rows.append([CASES[case], *cells, f"{peak[case]['released'] / peak[case]['ours']:.1f} x"])
    head = ["block", "forward, ms", "released / ours", "training, ms", "released / ours", "memory, released / ours"]
    return f"{_where(results)} Threads: {threads}.\n\n{_table(head, rows, 'lrrrrr')}"


def attach(results: str = "attach") -> str:
    """Where blocks can be attached: places and models that were tried, and those that were not accepted."""
    found = load(results)
    head = ["library", "models", "places", "accepted", "refused, another place named", "refused", "failed"]
    rows, versions = [], []
    for (library,), of_library in _by(found["rows"], "library").items():
        counts = [
            sum(row["outcome"] == kind for row in of_library) for kind in ("accepted", "led", "refused", "failed")
        ]
        models = len({row["name"] for row in of_library})
        rows.append([library, *(str(n) for n in (models, len(of_library), *counts))])
        versions.append(f"{library} {found['environment'].get(library) or found[library]}")
    others = [
        [f"{row['library']} {row['model']}", f"`{row['path']}`", f"`{row['to']}`" if "to" in row else ""]
        for row in found["rows"]
        if row["outcome"] in ("led", "refused")
    ]
    where = f"{found['environment']['date']}, torch {found['environment']['torch']}, {', '.join(versions)}."
    tables = [_table(head, rows, "l" + "r" * 6), _table(["model", "refused", "named instead"], others, "lll")]
    return "\n\n".join([where, *tables])


def attach_transformers() -> str:
    """The same of Hugging Face's models."""
    return attach("attach_transformers")


_OF_SPEED = (blocks, memory, compiled, first_call, floor, targets, exponents, allocator, summary)
TABLES: dict[str, Callable[[], str]] = {
    table.__name__: table
    for table in (
        *_OF_SPEED,
        attach,
        attach_transformers,
        sync_mnist_small,
        multi_sync_mnist_small,
        half,
        thermal_flight,
    )
}


def filled(text: str) -> str:
    """A page with the results between its markers, ``<!-- table: blocks -->`` and ``<!-- end -->``."""

    def fill(match: re.Match[str]) -> str:
        return f"<!-- table: {match[1]} -->\n{TABLES[match[1]]()}\n<!-- end -->"

    return re.sub(r"<!-- table: (\w+) -->\n.*?<!-- end -->", fill, text, flags=re.DOTALL)


def draw_costs(path: Path) -> None:
    """Time and memory over the sizes, log-log."""
    points = load("curves")["points"]
    figure, axes = pyplot().subplots(2, len(AXES), figsize=(10, 5), sharex="col", sharey="row", layout="constrained")
    colors = {"dyreg": "tab:blue", "rstg": "tab:orange"}
    lines = {"ours": "o-", "ours_dense": "s:", "released": "x--"}
    costs = {"training step, ms": lambda p: p["ms"]["median"], "memory, MiB": lambda p: p["peak_mib"]}
    for row, (label, cost) in zip(axes, costs.items(), strict=True):
        row[0].set_ylabel(label)
        for ax, axis in zip(row, AXES, strict=True):
            of_axis = [point for point in points if point["axis"] == axis]
            for (block, way), curve in _by(of_axis, "block", "way").items():
                name = f"{BLOCKS[block]}, {CURVES[way].replace('`', '')}"
                values, y = [p["value"] for p in curve], [cost(p) for p in curve]
                ax.loglog(values, y, lines[way], color=colors[block], label=name, ms=4, lw=1.2)
            _ticks(ax.xaxis, sorted({2**i for i in range(10)} & set(range(max(p["value"] for p in of_axis) + 1))))
            _ticks(ax.yaxis, [10.0**i for i in range(7)])
            ax.grid(alpha=0.3)
            axes[-1, list(AXES).index(axis)].set_xlabel(f"{axis} {AXES[axis]}")
    handles = {line.get_label(): line for ax in axes.flat for line in ax.get_lines()}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=5, fontsize=8)
    save_picture(figure, path)


PLOTS: dict[str, Callable[[Path], None]] = {"speed.png": draw_costs, "reproduction.png": draw_curves}


def _ticks(axis: Any, values: list[float]) -> None:
    low, high = axis.get_view_interval()
    axis.set_ticks([value for value in values if low <= value <= high], minor=False)
    axis.set_ticks([], minor=True)
    axis.set_major_formatter("{x:.0f}")


def _where(results: Results) -> str:
    e = results["environment"]
    hardware = f"{e['cpu']}, cores: {e['cores']}" if e["device"] == "cpu" else e["device"]
    threads = f", threads: {results['threads']}" if "threads" in results else ""
    measured = {results.get("sgemm_gflops"), *(row.get("sgemm_gflops") for row in _rows(results))} - {None}
    ends = [f"{value:.0f}" for value in dict.fromkeys((min(measured, default=0), max(measured, default=0)))]
    speed = f", sgemm at {' to '.join(ends)} GFLOP/s" if measured else ""
    versions = f"torch {e['torch']}, PyG {e['torch_geometric']}"
    return f"{e['date']}, {versions}, {hardware}{threads}{speed}; rounds: {results['rounds']}."


def _rows(results: Results) -> list[Results]:
    return [row for value in results.values() if isinstance(value, list) for row in value]


def _by(rows: Iterable[Results], *columns: str) -> dict[tuple[Any, ...], list[Results]]:
    groups: dict[tuple[Any, ...], list[Results]] = {}
    for row in rows:
        groups.setdefault(tuple(row[column] for column in columns), []).append(row)
    return groups


def _spread(ms: dict[str, float]) -> str:
    digits = 0 if ms["median"] >= 100 else 1
    return f"{ms['median']:.{digits}f} ({ms['low']:.{digits}f} to {ms['high']:.{digits}f})"


def _exponent(row: Results | None, cost: str) -> str:
    return "" if row is None or row[cost] is None else f"{row[cost]:.2f}"


def _table(head: list[str], rows: list[list[str]], align: str) -> str:
    rule = ["---:" if side == "r" else "---" for side in align]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def main() -> None:
    for page in PAGES:
        page.write_text(filled(page.read_text()))
    for name, draw in PLOTS.items():
        draw(IMAGES / name)


if __name__ == "__main__":
    main()
