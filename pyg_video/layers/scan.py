"""Running a model chunk by chunk: the same numbers as all frames at once."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from .._checks import looks_free
from .clip_info import taken_by

Nested = TypeVar("Nested")


def scan(module: nn.Module, x: Any, state: Any = None, **info: Any) -> tuple[Any, Any]:
    """Run ``module`` on the next frames of a clip, with the recurrent state carried over.

    Parts with a ``scan`` method take and return their state; an :class:`~torch.nn.Sequential` is run part by part; a
    module without such parts keeps no state. A state is a tensor, a list, tuple or dictionary of states, or ``None``.
    The first dimension of each of its tensors is the clip, and zeros mean the start of a clip, so that clips of a batch
    are streams of their own: see :func:`reset_state`.

    Args:
        module: a builder, processor, readout, block, whole model, or a sequence of them.
        x: the next frames, or their graph.
        state: the state of the call for the frames before; ``None`` at the start of a clip.
        **info: information about the clips, such as ``lengths``; each part is passed what its ``forward`` names.

    Returns:
        The output of ``module``, and the state after these frames.

    Raises:
        TypeError: the module has parts that keep a state, but no ``scan`` method to carry it, or blocks of
            :func:`~pyg_video.attachment.attach_blocks`, which ``scan`` does not reach.

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
    if _blocks_behind(module):
        raise TypeError(
            f"Expected a module without attached blocks (got {type(module).__name__} with one, whose state would be "
            "lost); use insert_block"
        )
    own = getattr(module, "scan", None)
    if callable(own):
        y, state = own(x, state, **taken_by(module, info))
        return y, state
    if isinstance(module, nn.Sequential):
        states = start(state, len(module))
        for i, part in enumerate(module):
            x, states[i] = scan(part, x, states[i], **info)
        return x, states
    if any(hasattr(part, "scan") or _blocks_behind(part) for part in module.modules()):
        raise TypeError(
            f"Expected a module with a scan method (got {type(module).__name__}, whose parts keep a state that would "
            "be lost); give it scan(x, state) -> (y, state), or use nn.Sequential"
        )
    return run(module, x, **info), None


def detach_state(state: Nested) -> Nested:
    """The state without its history, so that gradients stop there: truncated backpropagation through time.

    Args:
        state: a state that :func:`scan` gave.

    Returns:
        The same lists, tuples and dictionaries of the same values.

    Raises:
        TypeError: ``state`` holds something else than those, tensors and ``None``.

    Example:
        >>> from pyg_video.layers import TemporalRNN
        >>> rnn, state = TemporalRNN(8), None
        >>> for chunk in torch.randn(2, 6, 9, 8).split(2, dim=1):
        ...     y, state = scan(rnn, chunk, state)
        ...     y.square().mean().backward()  # through two frames
        ...     state = detach_state(state)
        >>> state.requires_grad
        False
    """
    return map_state(Tensor.detach, state)


def reset_state(state: Nested, which: Tensor | Sequence[int] | Sequence[bool]) -> Nested:
    """The state with some streams of the batch back at the start of a clip; the others go on.

    Args:
        state: a state that :func:`scan` gave.
        which: the streams to reset, as booleans :math:`(B)` or as numbers, whose range is not checked on a GPU.

    Returns:
        The same lists, tuples and dictionaries; ``state`` itself is unchanged, and a stream that is reset gets no
        gradient from later frames, nor a value that is not finite.

    Raises:
        ValueError: ``which`` is neither, or the tensors of ``state`` do not have the same first dimension.
        TypeError: as for :func:`detach_state`.

    Example:
        >>> from pyg_video.layers import TemporalRNN
        >>> rnn, x = TemporalRNN(8), torch.randn(3, 6, 9, 8)
        >>> _, state = scan(rnn, x[:, :4])
        >>> y, _ = scan(rnn, x[:, 4:], reset_state(state, [1]))
        >>> torch.allclose(y[1], rnn(x[1:2, 4:])[0], atol=1e-6)
        True
        >>> torch.allclose(y[[0, 2]], rnn(x)[[0, 2], 4:], atol=1e-6)
        True
    """
    tensors = state_tensors(state)
    if not tensors:
        return state
    if tensors[0].dim() == 0 or any(part.shape[:1] != tensors[0].shape[:1] for part in tensors):
        shapes = ", ".join(sorted({str(list(part.shape)) for part in tensors}))
        raise ValueError(f"Expected 'state' whose tensors all have the clips in their first dimension (got {shapes})")
    back = _as_mask(which, tensors[0].size(0), tensors[0].device)
    return map_state(lambda part: part.masked_fill(back.view(-1, *[1] * (part.dim() - 1)), 0), state)


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


def _blocks_behind(module: nn.Module) -> bool:
    """Whether forward hooks run modules, of which nothing outside of ``forward`` knows."""
    hooks = module._forward_hooks.values()
    return any(getattr(getattr(hook, "__self__", None), "is_attached_block", False) for hook in hooks)


def map_state(function: Callable[[Tensor], Tensor], state: Any) -> Any:
    """The same state with ``function`` of every tensor."""
    if isinstance(state, Tensor):
        return function(state)
    if isinstance(state, Mapping):
        return {name: map_state(function, part) for name, part in state.items()}
    if isinstance(state, (list, tuple)):
        parts = [map_state(function, part) for part in state]
        return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)
    if state is not None:
        raise TypeError(
            "Expected 'state' as scan gave it, lists, tuples or dictionaries of tensors and None "
            f"(got {type(state).__name__})"
        )
    return None


def state_tensors(state: Any) -> list[Tensor]:
    """The tensors of a state, in its order."""
    tensors: list[Tensor] = []

    def keep(part: Tensor) -> Tensor:
        tensors.append(part)
        return part

    map_state(keep, state)
    return tensors


def _as_mask(which: Tensor | Sequence[int] | Sequence[bool], num_clips: int, device: torch.device) -> Tensor:
    """Booleans :math:`(B)` of streams given as booleans or as numbers."""
    given = torch.as_tensor(which, device=device)
    if given.dtype == torch.bool and given.shape == (num_clips,):
        return given
    numbers = given.long() if given.shape == (0,) else given  # of an empty list, torch makes floats
    inside = numbers.dtype in (torch.int32, torch.int64) and numbers.dim() == 1
    if inside and numbers.numel() > 0 and looks_free(numbers):
        inside = int(numbers.min()) >= 0 and int(numbers.max()) < num_clips
    if not inside:
        raise ValueError(
            f"Expected 'which' as {num_clips} booleans, or as a list of numbers between 0 and {num_clips - 1} "
            f"(got {given.tolist()} of {given.dtype})"
        )
    return torch.zeros(num_clips, dtype=torch.bool, device=device).index_fill(0, numbers, True)
