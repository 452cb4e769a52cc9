"""The variables of RSTG's released TensorFlow code as our modules."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ...backbones import PlainCNN
from ...functional import grid_boxes, overlap_edges
from ...graph_builders import GridGraph
from ...layers import RSTG, ApplyToNodes, ConnectAllPairs, GraphBlock, TablePosition, ToVector
from ...models import GraphHead, VideoClassifier
from .rstg_layers import EPS, Variables, linear_of, lstm_of, norm_before_graph_of, set_value, space_of

_SCOPE = "whole_graph_model_"
_TIME_STAGES = 3  # iterations of the released code that have one, the first ones
_SLOTS = re.compile(r"/(Momentum|Adam(_1)?)$|^global_step$|(beta|gamma)[12]_power$|resize_filters__")


class PublishedRSTG(NamedTuple):
    """The released graph module in parts.

    Attributes:
        builder: feature map to graph.
        processor: graph to graph: projection, positions, the recurrent graph, projection back.
        norms: norms of the residual branches, by the place in the backbone that their names begin with.
    """

    builder: GridGraph
    processor: nn.Sequential
    norms: dict[str, nn.Module]

    def block(self, place: str) -> GraphBlock:
        """The graph as a residual block on a feature map (RSTG-to-map), with the norm named after ``place``."""
        if place not in self.norms:
            raise ValueError(f"Expected 'place' to be one of {', '.join(self.norms) or 'none'} (got '{place}')")
        norm = self.norms[place]
        assert isinstance(norm, (nn.GroupNorm, nn.BatchNorm3d))
        return GraphBlock(self.builder.channels, self.builder, self.processor, norm=norm)


def load_published_rstg(
    weights: Mapping[str, npt.ArrayLike],
    *,
    place: str | None = None,
    scales: Sequence[int] = (3, 2, 1),
    num_iterations: int = 3,
    frame_size: tuple[int, int] | None = None,
) -> PublishedRSTG:
    """Rebuild the graph module of RSTG's released TensorFlow code from its variables.

    Widths, positions, the kinds of attention, update and norms are read off the variables. The modules, in evaluation
    mode, compute what the released code does where it differs from the paper (``docs/paper_and_code.md``).

    Args:
        weights: the variables, TensorFlow's names to arrays, of the graph or of a whole network. LSTMs as
            ``opaque_kernel`` or as TensorFlow's saver writes them. Optimizer slots and resize filters are ignored.
        place: which graph, if there are several: ``"res3"`` of ``whole_graph_model_res3``.
        scales: rows (and columns) of the grids, the released ``num_scales`` counted down.
        num_iterations: the released ``num_process_iter``. Its code has time stages in the first three only.
        frame_size: the released ``dim_h`` and ``dim_w``, in pixels. The code finds neighbours by rectangles of whole
            pixels, which differ from exact fractions only with five scales or more.

    Raises:
        ValueError: a variable is missing, left over or of another shape; names it.

    Shapes:
        - ``nn.Sequential(builder, processor)`` takes :math:`(B, T, C, H, W)`
    """
    cleaned = _cleaned(weights)
    inside = _graph_variables(cleaned, place)
    final_time = lstm_of(inside, "time_update_extern/cudnn_lstm")
    width = final_time.channels
    in_channels = inside["project_i3d/kernel"].size(0) if "project_i3d/kernel" in inside else width
    edges = None if frame_size is None else _whole_pixel_edges(scales, frame_size)
    builder = GridGraph(in_channels, scales=tuple(scales), edge_index=edges)

    parts: list[nn.Module] = [ApplyToNodes(linear_of(inside, "project_i3d"))] if "project_i3d/kernel" in inside else []
    norm = norm_before_graph_of(inside, width)
    space: nn.Module = nn.Identity()
    time: nn.Module = nn.Identity()
    if num_iterations > 0:  # without iterations, the code makes no variables of the stages
        table = next((value for name, value in cleaned.items() if name.split("/")[-1] == "positional_emb"), None)
        parts += [ConnectAllPairs()] if table is None else [TablePosition(table), ConnectAllPairs()]
        space = space_of(inside, width, builder.nodes_per_scale, 0 if table is None else table.size(1))
        time = lstm_of(inside, "cudnn_lstm", width)
    if num_iterations > _TIME_STAGES:
        time = nn.ModuleList(time if k < _TIME_STAGES else nn.Identity() for k in range(num_iterations))
    parts.append(RSTG(space, time, final_time, num_iterations=num_iterations, norm=norm))
    if "project_back_to_i3d/kernel" in inside:
        parts.append(ApplyToNodes(linear_of(inside, "project_back_to_i3d")))
    inside.check_used()
    return PublishedRSTG(builder.eval(), nn.Sequential(*parts).eval(), _residual_norms(cleaned))


def load_published_rstg_network(
    weights: Mapping[str, npt.ArrayLike],
    *,
    scales: Sequence[int] = (3, 2, 1),
    num_iterations: int = 3,
    frame_size: tuple[int, int] | None = None,
    pixel_range: float = 255.0,
) -> VideoClassifier:
    """Rebuild the whole SyncMNIST network of RSTG's released code: convolutions, graph, mean over frames, scores.

    Args:
        weights: the variables of the network; this and the next three as in :func:`load_published_rstg`.
        scales: see there.
        num_iterations: see there.
        frame_size: see there.
        pixel_range: value of white in the frames that the network was trained on. The model takes frames from 0 to 1;
            the factor goes into the first convolution.

    Shapes:
        - **video:** :math:`(B, T, 1, H, W)`, in [0, 1]
        - **output:** :math:`(B, num\\_classes)`
    """
    cleaned = _cleaned(weights)
    names = [re.search(r"(?:^|/)(conv\d+/conv2d|pred)/(kernel|bias)$", name) for name in cleaned]
    around = Variables({found[0].lstrip("/"): cleaned[found.string] for found in names if found}, "the network")
    numbers = sorted({int(name[4:].split("/")[0]) for name in around if name.startswith("conv")})
    if not numbers:
        raise ValueError("Expected the variables conv0/conv2d/kernel, ... of the SyncMNIST network (got none of them)")
    graph = load_published_rstg(
        weights, place="final", scales=scales, num_iterations=num_iterations, frame_size=frame_size
    )
    kernels = [around.take(f"conv{i}/conv2d/kernel") for i in numbers]
    backbone = PlainCNN(kernels[0].size(2), [kernel.size(3) for kernel in kernels])
    with torch.no_grad():
        for i, kernel, stage in zip(numbers, kernels, backbone.stages.values(), strict=True):
            conv = stage[0]  # type: ignore[index] # a Sequential
            conv.weight.copy_(kernel.permute(3, 2, 0, 1) * (pixel_range if i == numbers[0] else 1.0))
            conv.bias.copy_(around.take(f"conv{i}/conv2d/bias", conv.bias.shape))
    linear = linear_of(around, "pred")
    around.check_used()
    head = GraphHead(linear.in_features, linear.out_features, graph.builder, graph.processor, readout=ToVector("mean"))
    head.linear = linear
    return VideoClassifier(backbone, head).eval()


def _whole_pixel_edges(scales: Sequence[int], frame_size: tuple[int, int]) -> Tensor:
    """Neighbours among rectangles of ``int(H / s)`` by ``int(W / s)`` pixels, from the upper left corner."""
    H, W = frame_size
    boxes = []
    for s in scales:
        if s < 1 or min(H, W) < s or H // (H // s) != s or W // (W // s) != s:
            raise ValueError(
                f"Expected a 'frame_size' into which {s} x {s} rectangles of whole pixels fit (got {H} x {W})"
            )
        boxes.append(grid_boxes(s, s, dtype=torch.float64) * torch.tensor([W // s * s / W, H // s * s / H] * 2))
    return overlap_edges(torch.cat(boxes))


def _cleaned(weights: Mapping[str, npt.ArrayLike]) -> dict[str, Tensor]:
    named = {name.removesuffix(":0"): value for name, value in weights.items()}
    return {
        name: torch.from_numpy(np.array(value, dtype=np.float32))
        for name, value in named.items()
        if not _SLOTS.search(name)
    }


def _graph_variables(cleaned: Mapping[str, Tensor], place: str | None) -> Variables:
    found = {name: re.search(rf"(?:^|/){_SCOPE}([^/]+)/(.+)$", name) for name in cleaned}
    places = sorted({match[1] for match in found.values() if match})
    if not places:
        raise ValueError(
            f"Expected variables under {_SCOPE}... (got {', '.join(list(cleaned)[:3]) or 'none'}); give the names that "
            "tf.train.list_variables shows"
        )
    if (len(places) > 1) if place is None else (place not in places):
        raise ValueError(f"Expected 'place' to be one of {', '.join(places)} (got {place})")
    chosen = place or places[0]
    inside = {match[2]: cleaned[name] for name, match in found.items() if match and match[1] == chosen}
    return Variables(inside, f"{_SCOPE}{chosen}")


def _residual_norms(cleaned: Mapping[str, Tensor]) -> dict[str, nn.Module]:
    """``scale * (LN(x) + beta)``, or a batch norm, of every place."""
    norms: dict[str, nn.Module] = {}
    for name, value in cleaned.items():
        found = re.fullmatch(r"((?:.*/)?([^/]+)_after_graph_(ln|bn))/beta", name)
        if not found:
            continue
        stem, place, kind = found.groups()
        norm: nn.GroupNorm | nn.BatchNorm3d
        if kind == "ln":
            norm = nn.GroupNorm(1, value.numel(), eps=EPS)
            scale = cleaned[f"{stem}_scale"]
            set_value(norm.weight, scale)
            set_value(norm.bias, scale * value)
        else:
            norm = nn.BatchNorm3d(value.numel(), eps=1e-3, momentum=0.01)
            set_value(norm.weight, cleaned[f"{stem}/gamma"])
            set_value(norm.bias, value)
            set_value(norm.running_mean, cleaned[f"{stem}/moving_mean"])
            set_value(norm.running_var, cleaned[f"{stem}/moving_variance"])
        norms[place] = norm.eval()
    return norms
