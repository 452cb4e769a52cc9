"""Time and memory of ways to compute the same thing, measured in turn; and what was measured where."""

import gc
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
import torch_geometric
import torchvision
from torch import Tensor, nn

import pyg_video

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler reports each of its stages otherwise

Result = TypeVar("Result")


class Way(NamedTuple):
    """A way to compute a block.

    Attributes:
        module: takes the map.
        same_as: the way whose values it has; ``None`` where there is none.
        bfloat16: run it under autocast.
    """

    module: nn.Module
    same_as: str | None = "ours"
    bfloat16: bool = False

    def to(self, device: torch.device | str) -> "Way":
        return self._replace(module=self.module.to(device))


class Step:
    """The forward pass of a way on ``x``, or forward and backward with the gradients of input and parameters."""

    def __init__(self, way: Way, x: Tensor, backward: bool) -> None:
        self.way, self.backward = way, backward
        self.x = x.detach().clone().requires_grad_(backward)
        self.probe = torch.randn_like(x) if backward else None

    def __call__(self) -> Tensor:
        autocast = torch.autocast(self.x.device.type, torch.bfloat16) if self.way.bfloat16 else nullcontext()
        with torch.set_grad_enabled(self.backward), autocast:
            y = self.way.module(self.x)
        if self.probe is not None:
            y.backward(self.probe.to(y.dtype))
        return y.detach()

    def forget(self) -> None:
        """Drop the gradients, as an optimizer does between steps."""
        self.x.grad = None
        self.way.module.zero_grad(set_to_none=True)

    def seconds(self) -> float:
        self.forget()
        synchronize(self.x.device)
        start = time.perf_counter()
        self()
        synchronize(self.x.device)
        return time.perf_counter() - start


def in_turn(ways: Mapping[str, Way], x: Tensor, backward: bool, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of every way in every round; each round runs all ways, and begins with another one."""
    steps = {name: Step(way, x, backward) for name, way in ways.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    names = list(steps)
    with no_collection():
        for i in range(rounds + 1):
            for name in names[i % len(names) :] + names[: i % len(names)]:
                ms = 1e3 * steps[name].seconds()
                if i > 0:  # the first round warms up
                    times[name].append(ms)
                steps[name].forget()
    return times


@contextmanager
def no_collection() -> Iterator[None]:
    """Without Python's garbage collection."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def spread(values: list[float]) -> dict[str, float]:
    """Median and quartiles."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return {"median": _rounded(median), "low": _rounded(low), "high": _rounded(high)}


def ratios(times: Mapping[str, list[float]], to: str = "ours") -> dict[str, dict[str, float]]:
    """For every way, the spread of its time over that of another in the same round."""
    return {
        name: spread([mine / other for mine, other in zip(values, times[to], strict=True)])
        for name, values in times.items()
    }


def peak_mib(way: Way, x: Tensor) -> float:
    """Most memory that torch has allocated at a time during a training step, beyond what was there before, in MiB.

    Counted from the allocator's own events, so that it does not depend on what the C library keeps for later.
    """
    step = Step(way, x, backward=True)
    step()
    step.forget()
    if x.is_cuda:
        torch.cuda.reset_peak_memory_stats(x.device)
        before = torch.cuda.memory_allocated(x.device)
        step()
        return _rounded((torch.cuda.max_memory_allocated(x.device) - before) / 2**20)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        step()
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    now = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return _rounded(peak / 2**20)


def sgemm(device: torch.device | str = "cpu", size: int = 1024) -> float:
    """Billions of float32 operations per second in a product of square matrices, now."""
    a = torch.randn(size, size, device=device)
    times = []
    for _ in range(11):
        synchronize(a.device)
        start = time.perf_counter()
        a @ a
        synchronize(a.device)
        times.append(time.perf_counter() - start)
    return _rounded(2 * size**3 / statistics.median(times[1:]) / 1e9)


def environment(device: torch.device | str = "cpu") -> dict[str, str | int]:
    """Date, versions and hardware."""
    cuda = torch.device(device).type == "cuda"
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "torch_geometric": torch_geometric.__version__,
        "pyg_video": pyg_video.__version__,
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
        "device": torch.cuda.get_device_name(device) if cuda else "cpu",
    }


def in_new_process(function: Callable[..., Result], *args: object, env: Mapping[str, str]) -> Result:
    """Call a function of a module in a process that starts with further variables in its environment."""
    before = dict(os.environ)
    os.environ.update(env)
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(function, *args).result()
    finally:
        os.environ.clear()
        os.environ.update(before)


def write(path: Path, results: Mapping[str, object]) -> None:
    """JSON with a line for every row of a list."""
    entries = []
    for name, value in results.items():
        text = json.dumps(value)
        if isinstance(value, list):
            text = "[\n" + ",\n".join(f"  {json.dumps(row)}" for row in value) + "\n ]"
        entries.append(f" {json.dumps(name)}: {text}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n" + ",\n".join(entries) + "\n}\n")


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def _rounded(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")
