"""Parameters, multiply-adds by part and latency of a model."""

import copy
import functools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, ParamSpec, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..data import VideoGraph
from ..graph_builders import GraphBuilder
from ..layers import GraphBlock
from .edges import on_edges

P = ParamSpec("P")
Result = TypeVar("Result")

_WARM_UP = 3  # runs before timing, in which kernels are chosen and memory is allocated


class MultiplyAdds(NamedTuple):
    """Multiply-adds of convolutions and matrix products for one clip, by part.

    Attributes:
        backbone: everything outside the graphs, including the classifier.
        region_prediction: ``regions`` of every :class:`~pyg_video.graph_builders.GraphBuilder`.
        graph: everything else in the graphs: pooling, message passing, recurrence, lift, 1 x 1 convolutions of blocks.
    """

    backbone: int
    region_prediction: int
    graph: int

    @property
    def total(self) -> int:
        return sum(self)


class Latency(NamedTuple):
    """Latency for a batch of one clip.

    Attributes:
        seconds: median over the runs.
        runs: number of timed runs.
        device: the device, with the name of a GPU.
        threads: number of CPU threads.
    """

    seconds: float
    runs: int
    device: str
    threads: int


class Cost(NamedTuple):
    """The result of :func:`model_cost`.

    Attributes:
        video_shape: frames, channels, height and width of the clip.
        parameters: learned values, those of tied weights once.
        multiply_adds: by part.
        latency: ``None`` where it was not measured.
    """

    video_shape: tuple[int, ...]
    parameters: int
    multiply_adds: MultiplyAdds
    latency: Latency | None


def model_cost(
    model: nn.Module, video_shape: Sequence[int], *, runs: int = 10, device: torch.device | str | None = None
) -> Cost:
    """Parameters, multiply-adds and latency of a model for one clip, in the type of its parameters, without gradients.

    Multiply-adds are exact, those of the model as it is defined, and do not depend on the device: they are counted from
    the shapes of operators while the model runs on torch's meta device, or on the CPU and a black clip if its edges
    depend on values. As in the papers, only convolutions and matrix products count, including those of recurrent cells,
    but not norms, activations, softmax and the weighted sums of messages.

    Args:
        model: a model on videos :math:`(B, T, C, H, W)`; it is not changed.
        video_shape: :math:`(T, C, H, W)` of the clip.
        runs: number of timed runs, the median of which is the latency; 0 for no latency.
        device: device of the timed runs; by default that of the model.

    Raises:
        ValueError: the shape does not have four sizes of at least 1, or ``runs`` is negative.

    Example:
        >>> from pyg_video.models import create_model
        >>> cost = model_cost(create_model("dyreg_gnn_sync_mnist"), (10, 1, 64, 64), runs=0)
        >>> cost.parameters, cost.multiply_adds
        (1068870, MultiplyAdds(backbone=36865472, region_prediction=31836160, graph=5253120))
    """
    if len(video_shape) != 4 or min(video_shape) < 1 or runs < 0:
        raise ValueError(
            "Expected 'video_shape' as frames, channels, height and width, all at least 1, and 'runs' of at least 0 "
            f"(got {tuple(video_shape)} and {runs})"
        )
    parameters = sum(parameter.numel() for parameter in model.parameters())
    multiply_adds = _count(model, video_shape)
    latency = _time(model, video_shape, runs, device) if runs else None
    return Cost(tuple(video_shape), parameters, multiply_adds, latency)


def _count(model: nn.Module, video_shape: Sequence[int]) -> MultiplyAdds:
    try:
        return _count_on(torch.device("meta"), model, video_shape)
    except NotImplementedError:  # an operator whose output's shape depends on values: with values then
        # Not by oneDNN, whose LSTM is a single operator that the counter does not know.
        with torch.backends.mkldnn.flags(enabled=False, allow_tf32=None):
            return _count_on(torch.device("cpu"), model, video_shape)


def as_defined(model: nn.Module) -> nn.Module:
    """A copy of the model that computes by its definition: messages on edges, norms and projections of whole maps."""
    twin = on_edges(getattr(model, "_orig_mod", model))  # _orig_mod: of a compiled model
    for block in [module for module in twin.modules() if isinstance(module, GraphBlock)]:
        for part in (block.project_back, block.norm):
            part.register_forward_hook(lambda *_: None)  # a part with a hook is called, not merged with others
    return twin


def _count_on(device: torch.device, model: nn.Module, video_shape: Sequence[int]) -> MultiplyAdds:
    twin = as_defined(model).to(device).eval()
    twin.requires_grad_(False)  # the counter fails on a parameter that a module returns unchanged
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        graphs, regions = _Meter(counter.get_total_flops), _Meter(counter.get_total_flops)
        for module in twin.modules():
            always = isinstance(module, (GraphBlock, GraphBuilder))
            module.forward = _metered(module.forward, graphs, always=always)
            if isinstance(module, GraphBuilder):
                module.scan_regions = _metered(module.scan_regions, regions)  # type: ignore[method-assign]
        video = _video(twin, video_shape)
        twin(video, **_boxes(twin, video))
        total = counter.get_total_flops()
    # A multiply-add is two floating point operations; the counter counts nothing else.
    return MultiplyAdds((total - graphs.sum) // 2, regions.sum // 2, (graphs.sum - regions.sum) // 2)


class _Meter:
    """Sums the increase of a counter while it is ``running``; nested runs count once."""

    def __init__(self, read: Callable[[], int]) -> None:
        self.read, self.sum, self.active = read, 0, False

    @contextmanager
    def running(self) -> Iterator[None]:
        outermost, start = not self.active, self.read()
        self.active = True
        yield
        if outermost:
            self.sum, self.active = self.sum + self.read() - start, False


def _metered(function: Callable[P, Result], meter: _Meter, *, always: bool = True) -> Callable[P, Result]:
    """The function, metered in all calls or in those that are given a graph."""

    @functools.wraps(function)  # keeps the signature, which tells what a part takes
    def run(*args: P.args, **kwargs: P.kwargs) -> Result:
        if not always and not any(isinstance(value, VideoGraph) for value in (*args, *kwargs.values())):
            return function(*args, **kwargs)
        with meter.running():
            return function(*args, **kwargs)

    return run


def _time(model: nn.Module, video_shape: Sequence[int], runs: int, device: torch.device | str | None) -> Latency:
    twin = copy.deepcopy(model).to(device).eval()  # the caller's keeps its mode and device
    video = _video(twin, video_shape)
    boxes = _boxes(twin, video)
    seconds = []
    with torch.inference_mode():
        for _ in range(_WARM_UP + runs):
            _wait(video.device)
            start = time.perf_counter()
            twin(video, **boxes)
            _wait(video.device)
            seconds.append(time.perf_counter() - start)
    return Latency(statistics.median(seconds[_WARM_UP:]), runs, _in_words(video.device), torch.get_num_threads())


def _video(model: nn.Module, video_shape: Sequence[int]) -> Tensor:
    """A black clip with the type and device of the model's parameters."""
    return next(model.parameters(), torch.empty(0)).new_zeros(1, *video_shape)


def _boxes(model: nn.Module, video: Tensor) -> dict[str, Tensor]:
    """Boxes of the whole frame, as many as the model takes; empty for a model without given boxes."""
    numbers = [part.num_nodes for part in model.modules() if isinstance(part, GraphBuilder) and "box" in part.accepts]
    if not numbers:
        return {}
    return {"box": video.new_tensor([0.5, 0.5, 1.0, 1.0]).expand(1, video.size(1), min(numbers), 4)}


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)  # kernels run on after the call that asked for them


def _in_words(device: torch.device) -> str:
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)
