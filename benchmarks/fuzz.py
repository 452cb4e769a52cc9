"""Read thousands of mutated files: each is taken, or refused in one line that names it, in bounded time and memory.

python benchmarks/fuzz.py --output benchmarks/results/fuzz.json                        # all, 10,000 cases
python benchmarks/fuzz.py --kinds annotations --cases 300                              # some
python benchmarks/fuzz.py --kinds videos --first 17 --cases 1 --keep mutant            # one again, and keep its files

A case is a kind of files and a number, which seeds the mutation. Cases are read in a process of their own, which is
ended after ``--seconds`` in one case, and refused more memory than ``--mib`` beyond what it began with. Needs Linux.
"""

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

_LONGEST = 2000  # signs of a line
_SPARE = 2  # times the limit of memory: what is reserved beyond it is refused, what is used beyond it is counted
_START = 300.0  # seconds that a process may take to start


class Outcome(NamedTuple):
    """What came of a case.

    Attributes:
        number: of the case.
        subject: what was mutated.
        result: ``"read"``, ``"refused"`` or ``"fault"``.
        what: message of the refusal, or what is wrong.
        seconds: that reading took.
        mib: memory that reading took, in MiB.
    """

    number: int
    subject: str
    result: str
    what: str = ""
    seconds: float = 0.0
    mib: float = 0.0


def outcome(subjects: Sequence[Any], kind: str, number: int, folder: Path) -> Outcome:
    """Write the mutated files of a case into an empty folder, and read them."""
    subject = subjects[number % len(subjects)]
    path = subject.write(folder, Random(f"{kind} {number}"))
    before, start = _memory("VmRSS"), time.monotonic()
    _forget_peak()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            subject.read(folder)
        result = ("read", "")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit as well
        result = judged(error, [str(folder), path.name])
    seconds, mib = time.monotonic() - start, max(0.0, _memory("VmHWM") - before)
    return Outcome(number, subject.name, *result, round(seconds, 3), round(mib, 1))


def judged(error: BaseException, names: Sequence[str]) -> tuple[str, str]:
    """Whether an error is a refusal in one line that names the file."""
    from pyg_video.cli.parsing import in_one_line

    line = in_one_line(error)
    if not isinstance(error, (ValueError, OSError)):
        return "fault", f"{type(error).__name__}: {line[:200]}"
    if len(line) > _LONGEST or not line.isprintable():
        return "fault", f"a long line, or control characters: {line[:200]!r}"
    if not any(name in line for name in names):
        return "fault", f"no name of the file: {line[:200]}"
    return "refused", line[:200]


def campaign(build: str, kind: str, numbers: Sequence[int], *, seconds: float, mib: int) -> Iterator[Outcome]:
    """The outcomes of cases, read in a process that is replaced when it hangs or dies.

    Args:
        build: ``"module:function"`` that gives the subjects of a kind.
        kind: of the files.
        numbers: of the cases.
        seconds: limit of a case.
        mib: limit of its memory.
    """
    left = list(numbers)
    while left:
        ours, theirs = get_context("spawn").Pipe()
        process = get_context("spawn").Process(target=_work, args=(theirs, build, kind, left, mib))
        process.start()
        theirs.close()
        try:
            if _received(ours, _START) != "ready":
                raise RuntimeError(f"Expected the files of '{kind}' within {_START:.0f} s (got none)")
            while left and isinstance(found := _received(ours, seconds), Outcome):
                left.pop(0)
                yield found
            process.join(0 if left and found == "a hang" else None)
        finally:
            ended = process.exitcode
            process.kill()
            process.join()
        if left:
            end = f"a hang: more than {seconds:.0f} s" if ended is None else f"a crash: exit code {ended}"
            yield Outcome(left.pop(0), "", "fault", end)


def _received(pipe: Connection, seconds: float) -> object:
    """What comes through a pipe, or ``"a hang"``, or ``"a crash"``."""
    try:
        return pipe.recv() if pipe.poll(seconds) else "a hang"
    except EOFError:
        return "a crash"


def _work(pipe: Connection, build: str, kind: str, numbers: Sequence[int], mib: int) -> None:
    """Send "ready" when the subjects are there, then the outcome of every case."""
    module, _, function = build.partition(":")
    os.environ.update(OMP_NUM_THREADS="1", PYG_VIDEO_MAX_PIXELS=str(2**26))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "base")
        place.mkdir()
        subjects = getattr(__import__(module), function)(kind, place)
        most = int((_memory("VmSize") + _SPARE * mib) * 2**20)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        pipe.send("ready")
        for number in numbers:
            case = Path(folder, "case")
            case.mkdir()
            found = outcome(subjects, kind, number, case)
            if found.mib > mib:
                found = found._replace(result="fault", what=f"memory: {found.mib:.0f} MiB")
            shutil.rmtree(case)
            pipe.send(found)


def _memory(which: str) -> float:
    """MiB of this process, as Linux counts them."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{which}:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"Expected {which} in /proc/self/status (got none)")


def _forget_peak() -> None:
    """Let ``VmHWM`` start anew."""
    Path("/proc/self/clear_refs").write_text("5")


def summary(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """Counts, and the most that a case took."""
    results = Counter(found.result for found in outcomes)
    subjects = Counter(found.subject for found in outcomes if found.result == "fault")
    return {
        "cases": len(outcomes),
        **{result: results[result] for result in ("read", "refused", "fault")},
        "seconds": round(sum(found.seconds for found in outcomes), 1),
        "slowest_seconds": max(found.seconds for found in outcomes),
        "largest_mib": max(found.mib for found in outcomes),
        "faults_by_subject": dict(subjects),
        "faults": [found._asdict() for found in outcomes if found.result == "fault"][:100],
    }


def keep(kind: str, number: int, folder: Path) -> None:
    """Write the files of a case."""
    from fuzz_subjects import subjects

    with tempfile.TemporaryDirectory() as place:
        found = subjects(kind, Path(place))
    print(found[number % len(found)].write(folder, Random(f"{kind} {number}")))


def main(show: Callable[[str], None] = print) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = ("videos", "annotations", "caches", "configurations", "checkpoints")
    parser.add_argument("--kinds", nargs="+", choices=kinds, default=kinds)
    parser.add_argument("--cases", type=int, default=2000, help="of each kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seconds", type=float, default=60.0, help="limit of a case")
    parser.add_argument("--mib", type=int, default=1024, help="limit of the memory of a case")
    parser.add_argument("--output", type=Path, help="JSON file of the summary")
    parser.add_argument("--keep", type=Path, help="only write the files of the first case into this folder")
    options = parser.parse_args()
    if options.keep:
        return keep(options.kinds[0], options.first, options.keep)
    limits = {"seconds": options.seconds, "mib": options.mib}
    results: dict[str, object] = {}
    for kind in options.kinds:
        outcomes = []
        for found in campaign(
            "fuzz_subjects:subjects", kind, range(options.first, options.first + options.cases), **limits
        ):
            outcomes.append(found)
            if found.result == "fault":
                show(f"{kind} {found.number} ({found.subject}): {found.what}")
        results[kind] = summary(outcomes)
        show(json.dumps({name: value for name, value in results[kind].items() if "faults" not in name}))
    if options.output:
        from measuring import environment, write

        write(options.output, {"environment": environment(), "limits": limits, "kinds": results})
    sys.exit(any(result["fault"] for result in results.values()))


if __name__ == "__main__":
    main()
