"""Running a model chunk by chunk: the same numbers as all frames at once."""

from collections.abc import Sequence
from typing import TypeVar

from torch import Tensor, nn

from ..data import VideoGraph

Frames = TypeVar("Frames", Tensor, VideoGraph)


def scan(module: nn.Module, x: Frames, state: object = None) -> tuple[Frames, object]:
    """Run ``module`` on the next frames of a clip, with the recurrent state carried over.

    Parts with a ``scan`` method take and give their state; an :class:`~torch.nn.Sequential` is run part by part; all
    else keeps no state.

    Args:
        module: a builder, processor, block, or a sequence of them.
        x: the next frames, or their graph.
        state: what the call for the frames before gave; ``None`` at the start of a clip.

    Example:
        >>> import torch
        >>> from pyg_video.graph_builders import GridGraph
        >>> from pyg_video.layers import RSTG, SpaceConv, TemporalRNN, ToVector
        >>> model = nn.Sequential(GridGraph(8), RSTG(SpaceConv(8), TemporalRNN(8), TemporalRNN(8)), ToVector())
        >>> x = torch.randn(1, 6, 8, 4, 4)
        >>> _, state = scan(model, x[:, :4])
        >>> y, state = scan(model, x[:, 4:], state)
        >>> torch.allclose(y, model(x), atol=1e-5)
        True
    """
    run = getattr(module, "scan", None)
    if callable(run):
        y, state = run(x, state)
        return y, state
    if isinstance(module, nn.Sequential):
        states: list[object] = list(state) if isinstance(state, Sequence) else [None] * len(module)
        for i, part in enumerate(module):
            x, states[i] = scan(part, x, states[i])
        return x, states
    return module(x), None
