"""Running a model chunk by chunk: the same numbers as all frames at once."""

from typing import Any

from torch import nn

from .clip_info import taken_by


def scan(module: nn.Module, x: Any, state: Any = None, **info: Any) -> tuple[Any, Any]:
    """Run ``module`` on the next frames of a clip, with the recurrent state carried over.

    Parts with a ``scan`` method take and return their state; an :class:`~torch.nn.Sequential` is run part by part; a
    module without such parts keeps no state.

    Args:
        module: a builder, processor, readout, block, whole model, or a sequence of them.
        x: the next frames, or their graph.
        state: the state of the call for the frames before; ``None`` at the start of a clip.
        **info: information about the clips, such as ``lengths``; each part is passed what its ``forward`` names.

    Returns:
        The output of ``module``, and the state after these frames.

    Raises:
        TypeError: the module has parts that keep a state, but no ``scan`` method to carry it.

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
    own = getattr(module, "scan", None)
    if callable(own):
        y, state = own(x, state, **taken_by(module, info))
        return y, state
    if isinstance(module, nn.Sequential):
        states = start(state, len(module))
        for i, part in enumerate(module):
            x, states[i] = scan(part, x, states[i], **info)
        return x, states
    if any(hasattr(part, "scan") for part in module.modules()):
        raise TypeError(
            f"Expected a module with a scan method (got {type(module).__name__}, whose parts keep a state that would "
            "be lost); give it scan(x, state) -> (y, state), or use nn.Sequential"
        )
    return run(module, x, **info), None


def run(module: nn.Module, x: Any, **info: Any) -> Any:
    """Run ``module`` with the information that it takes; an :class:`~torch.nn.Sequential` part by part."""
    if isinstance(module, nn.Sequential) and getattr(module, "accepts", None) is None:
        for part in module:
            x = run(part, x, **info)
        return x
    return module(x, **taken_by(module, info))


def start(state: Any, num_parts: int) -> list[Any]:
    """The states of the parts of a module: those of an earlier call, or one ``None`` each."""
    if state is None:
        return [None] * num_parts
    if not isinstance(state, (list, tuple)) or len(state) != num_parts:
        got = f"{len(state)} entries" if isinstance(state, (list, tuple)) else type(state).__name__
        raise ValueError(f"Expected 'state' with {num_parts} entries, as an earlier scan gave it (got {got})")
    return list(state)
