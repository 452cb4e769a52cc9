"""One step of a stream as a function of tensors, for export."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .scan import map_state, scan, state_tensors


class StreamStep(nn.Module):
    """A model on the next frames of streams, with its state as inputs and outputs: for ``torch.export`` and ONNX.

    Args:
        model: a module that :func:`scan` runs.
        x: frames for it to run on once, such as :math:`(B, 1, C, H, W)`; their number is that of every step.

    Shapes:
        - **x:** the next frames, :math:`(B, T, C, H, W)`
        - **state:** the tensors of the state one by one, each :math:`(B, *)`; zeros mean the start of a clip
        - **output:** a tuple of the model's output and the tensors of the state after these frames

    Raises:
        TypeError: the model cannot run frame by frame.

    Example:
        >>> from pyg_video.models import create_model
        >>> model = create_model("cnn_sync_mnist", num_classes=10, frame_size=20).eval()
        >>> video = torch.rand(2, 6, 1, 20, 20)
        >>> step = StreamStep(model, video[:, :1])
        >>> state = step.start(2)
        >>> with torch.no_grad():
        ...     for frame in video.split(1, dim=1):
        ...         scores, *state = step(frame, *state)
        ...     torch.allclose(scores, model(video), atol=1e-5)
        True
    """

    def __init__(self, model: nn.Module, x: Tensor) -> None:
        super().__init__()
        self.model = model
        training = model.training
        with torch.no_grad():  # without a change of the statistics of norms
            self._state = map_state(torch.zeros_like, scan(model.eval(), x)[1])
        model.train(training)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "StreamStep":
        """Move or convert the parameters, and the state with them."""
        self._state = map_state(fn, self._state)
        return super()._apply(fn, recurse)

    def start(self, num_streams: int) -> tuple[Tensor, ...]:
        """The state of streams that have not begun."""
        return tuple(part.new_zeros(num_streams, *part.shape[1:]) for part in state_tensors(self._state))

    def forward(self, x: Tensor, *state: Tensor) -> tuple[Any, ...]:
        expected = len(state_tensors(self._state))
        if len(state) != expected:
            raise ValueError(f"Expected the {expected} tensors of the state (got {len(state)}); begin with start(B)")
        parts = iter(state)
        y, after = scan(self.model, x, map_state(lambda _: next(parts), self._state))
        return y, *state_tensors(after)
