"""Non-Local: attention between all pixels of all frames of a clip."""

import torch.nn.functional as F
from torch import Tensor, nn

from .._checks import check_lengths
from ..functional import frame_mask
from .stages import NonCausal


class NonLocal(NonCausal, nn.Module):
    r"""Non-local block in the embedded Gaussian form (Wang et al., CVPR 2018).

    .. math:: Y = X + \mathrm{norm}\Big(W_o\, \mathrm{softmax}\big(C'^{-1/2}\, \theta(X)^\top \phi(X')\big)\, g(X')\Big)

    The softmax runs over all frames and pixels; :math:`X'` is :math:`X`, max-pooled 2 x 2 within frames. The norm is a
    batch normalisation. By default its scale starts at zero: at initialisation the block is the identity, so it can go
    into a trained backbone. Start at 1 to train from scratch.

    Args:
        channels: channels of the feature map.
        inner_channels: channels :math:`C'` of queries, keys and values; half of ``channels`` by default.
        pool: max-pool the map that keys and values are taken from, for a quarter of the work.
        residual_scale: first value of the norm's scale.

    Shapes:
        - **x:** :math:`(B, T, C, H, W)`
        - **lengths:** number of valid frames of every clip, :math:`(B)`
        - **output:** :math:`(B, T, C, H, W)`

    Example:
        >>> import torch
        >>> block = NonLocal(32)
        >>> x = torch.randn(2, 4, 32, 7, 7)
        >>> torch.equal(block(x), x)  # at initialisation
        True
    """

    def __init__(
        self, channels: int, inner_channels: int | None = None, *, pool: bool = True, residual_scale: float = 0.0
    ) -> None:
        super().__init__()
        inner = max(channels // 2, 1) if inner_channels is None else inner_channels
        if channels < 1 or inner < 1:
            raise ValueError(f"Expected 'channels' and 'inner_channels' of at least 1 (got {channels} and {inner})")
        self.channels, self.residual_scale = channels, residual_scale
        self.pool = nn.MaxPool2d(2) if pool else nn.Identity()
        self.theta = nn.Conv2d(channels, inner, 1)
        self.phi = nn.Conv2d(channels, inner, 1)
        self.g = nn.Conv2d(channels, inner, 1)
        self.out = nn.Conv2d(inner, channels, 1)
        self.norm = nn.BatchNorm2d(channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for conv in (self.theta, self.phi, self.g, self.out):
            nn.init.normal_(conv.weight, std=0.01)  # [code]
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)
        self.norm.reset_parameters()
        nn.init.constant_(self.norm.weight, self.residual_scale)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        self._check(x)
        B, T, _, H, W = x.shape
        frames = x.flatten(0, 1)
        pooled = self.pool(frames)
        query, key, value = (_tokens(y, T) for y in (self.theta(frames), self.phi(pooled), self.g(pooled)))
        mask = None if lengths is None else _key_mask(lengths, B, T, key)
        y = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)  # [B, 1, T * H * W, C']
        y = y.reshape(B * T, H, W, -1).movedim(-1, 1)  # [B * T, C', H, W]
        return x + self.norm(self.out(y)).unflatten(0, (B, T))

    def _check(self, x: Tensor) -> None:
        if x.dim() != 5 or x.size(2) != self.channels:
            raise ValueError(f"Expected 'x' of shape [B, T, {self.channels}, H, W] (got {list(x.shape)})")
        if isinstance(self.pool, nn.MaxPool2d) and min(x.shape[-2:]) < 2:
            raise ValueError(f"Expected a map of at least 2 x 2 pixels (got {list(x.shape[-2:])}); use pool=False")

    def extra_repr(self) -> str:
        return f"{self.channels}"


def _tokens(frames: Tensor, T: int) -> Tensor:
    """Pixels of all frames of a clip in one row, ``[B * T, C, H, W]`` to ``[B, 1, T * H * W, C]`` (one head)."""
    return frames.flatten(2).transpose(1, 2).unflatten(0, (-1, T)).flatten(1, 2)[:, None]


def _key_mask(lengths: Tensor, B: int, T: int, key: Tensor) -> Tensor:
    """Whether keys belong to valid frames, ``[B, 1, 1, T * H * W]``."""
    check_lengths(lengths, B, T)
    return frame_mask(lengths, T, device=key.device).repeat_interleave(key.size(2) // T, dim=1)[:, None, None]
