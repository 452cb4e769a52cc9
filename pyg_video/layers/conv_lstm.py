"""The convolutional LSTM: recurrence over feature maps."""

from typing import TypeAlias

import torch
from torch import Tensor, nn

MapState: TypeAlias = tuple[Tensor, Tensor] | None
"""Hidden and cell state of every pixel, ``[B, C, H, W]`` each; ``None`` at the start of a clip."""


class ConvLSTM(nn.Module):
    r"""An LSTM on feature maps whose gates see a neighbourhood of every pixel (Shi et al., NeurIPS 2015).

    .. math::
        (i, f, g, o) &= W_x * X^t + W_h * H^{t-1} + b \\
        C^t &= \sigma(f) \odot C^{t-1} + \sigma(i) \odot \tanh(g) \\
        H^t &= \sigma(o) \odot \tanh(C^t)

    without the original's peepholes. The baseline Conv+LSTM of RSTG's SyncMNIST table. :math:`W_x * X` is one
    convolution over all frames; what is left of the loop over frames is the recurrence itself. No frame sees a later
    one, so padding at the end of clips changes nothing.

    Args:
        channels: channels of the input.
        hidden_channels: channels of the output; the input's by default.
        kernel_size: side of both kernels, odd.

    Shapes:
        - **x:** :math:`(B, T, C, H, W)`
        - **output:** :math:`(B, T, C', H, W)`

    Example:
        >>> rnn = ConvLSTM(8)
        >>> x = torch.randn(2, 6, 8, 5, 5)
        >>> first, state = rnn.scan(x[:, :4])
        >>> second, state = rnn.scan(x[:, 4:], state)
        >>> torch.allclose(torch.cat([first, second], dim=1), rnn(x), atol=1e-6)
        True
    """

    def __init__(self, channels: int, hidden_channels: int | None = None, *, kernel_size: int = 3) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"Expected 'kernel_size' to be odd, so that maps keep their size (got {kernel_size})")
        self.channels = channels
        self.hidden_channels = channels if hidden_channels is None else hidden_channels
        padding = kernel_size // 2
        self.input = nn.Conv2d(channels, 4 * self.hidden_channels, kernel_size, padding=padding)
        self.hidden = nn.Conv2d(
            self.hidden_channels, 4 * self.hidden_channels, kernel_size, padding=padding, bias=False
        )

    def reset_parameters(self) -> None:
        self.input.reset_parameters()
        self.hidden.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        return self.scan(x)[0]

    def scan(self, x: Tensor, state: MapState = None) -> tuple[Tensor, MapState]:
        """Continue from the state of an earlier call; also return the state after the last frame."""
        if x.dim() != 5 or x.size(2) != self.channels or x.size(1) == 0:
            raise ValueError(f"Expected 'x' of shape [B, T, {self.channels}, H, W] (got {list(x.shape)})")
        h, c = self._start(state, x)
        y = []
        for gates in self.input(x.flatten(0, 1)).unflatten(0, x.shape[:2]).unbind(dim=1):
            i, f, g, o = (gates + self.hidden(h)).chunk(4, dim=1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            y.append(h)
        return torch.stack(y, dim=1), (h, c)

    def _start(self, state: MapState, x: Tensor) -> tuple[Tensor, Tensor]:
        B, _, _, H, W = x.shape
        shape = (B, self.hidden_channels, H, W)
        if state is None:
            return x.new_zeros(shape), x.new_zeros(shape)
        if not isinstance(state, tuple) or len(state) != 2 or any(part.shape != shape for part in state):
            got = [list(part.shape) for part in state] if isinstance(state, tuple) else type(state).__name__
            raise ValueError(
                f"Expected 'state' as an earlier scan of maps of the same size gave it, two tensors of shape "
                f"{list(shape)} (got {got})"
            )
        return state

    def extra_repr(self) -> str:
        return f"{self.channels}, {self.hidden_channels}"
