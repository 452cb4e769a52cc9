"""Where regions start."""

import math

import torch
from torch import Tensor, nn


def contrast(x: Tensor) -> Tensor:
    """How far the features of a pixel are from the frame's mean, beside those of the pixel that is farthest.

    Shapes:
        - **x:** :math:`(F, C, H, W)`
        - **output:** :math:`(F, 1, H, W)` in [0, 1], in float32 at least
    """
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    squared = (x - x.mean(dim=(-2, -1), keepdim=True)).square().sum(dim=1, keepdim=True)
    return squared / squared.amax(dim=(-2, -1), keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)


class SalientAnchors(nn.Module):
    r"""Points that move, in every frame, to what stands out near them.

    A pixel stands out by how far its features are from the frame's mean,

    .. math::
        S_p = \tau \, \lVert X_p - \bar X \rVert^2 \, / \, \max_q \lVert X_q - \bar X \rVert^2 .

    From its point of departure :math:`c_i`, every anchor moves a few times to the mean of the pixels near it, weighted
    by saliency, where each pixel counts for the closest anchor above all (a mean shift, Comaniciu and Meer, 2002, whose
    points compete as in a mixture of Gaussians):

    .. math::
        c_i \leftarrow \sum_p \mathrm{softmax}_p \big(S_p - d_{ip} + \log \mathrm{softmax}_i(-\rho \, d_{ip})\big) \, p,
        \qquad d_{ip} = \lVert p - c_i \rVert^2 / (2 \sigma^2)

    Only :math:`\tau` and :math:`\sigma` are learned, so anchors are on what stands out before the first training step;
    their gradient goes to the features as well.

    Args:
        points: points of departure (x, y), as fractions of the frame.
        temperature: initial :math:`\tau`.
        reach: initial :math:`\sigma`, as a fraction of the frame.
        competition: :math:`\rho`; 0 lets anchors meet on one pixel.
        num_steps: number of moves.

    Shapes:
        - **points:** :math:`(N, 2)`
        - **x:** :math:`(F, C, H, W)`
        - **output:** :math:`(F, N, 2)`, (x, y), in float32 at least

    Example:
        >>> x = torch.zeros(1, 1, 10, 10)
        >>> x[0, 0, 4, 8] = 1.0
        >>> anchors = SalientAnchors(torch.tensor([[0.25, 0.5], [0.75, 0.5]]))
        >>> anchors(x)[0, 1].detach().round(decimals=2)
        tensor([0.8500, 0.4500])
    """

    points: Tensor

    def __init__(
        self,
        points: Tensor,
        *,
        temperature: float = 8.0,
        reach: float = 0.12,
        competition: float = 16.0,
        num_steps: int = 3,
    ) -> None:
        super().__init__()
        if not (temperature > 0 and reach > 0 and competition >= 0 and num_steps > 0):
            raise ValueError(
                "Expected 'temperature', 'reach' and 'num_steps' above 0, and 'competition' of at least 0 "
                f"(got {temperature}, {reach}, {num_steps} and {competition})"
            )
        self.initial = (float(temperature), float(reach))
        self.competition, self.num_steps = float(competition), num_steps
        self.log_temperature = nn.Parameter(torch.empty(()))
        self.log_reach = nn.Parameter(torch.empty(()))
        self.register_buffer("points", points, persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for parameter, value in zip((self.log_temperature, self.log_reach), self.initial, strict=True):
            nn.init.constant_(parameter, math.log(value))

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        H, W = x.shape[-2:]
        saliency = self.log_temperature.exp() * contrast(x)
        row, col = ((torch.arange(n, device=x.device, dtype=x.dtype) + 0.5) / n for n in (H, W))
        center = self.points.to(x.dtype).expand(x.size(0), -1, -1)
        for _ in range(self.num_steps):
            # Separable, so that no array has positions and coordinates.
            x_distance, y_distance = (
                (at - of[..., None]).square() * (-2 * self.log_reach).exp() / 2
                for at, of in zip((col, row), center.unbind(-1), strict=True)
            )
            distance = y_distance[..., :, None] + x_distance[..., None, :]  # [F, N, H, W]
            share = (-self.competition * distance).log_softmax(dim=1)
            weight = (saliency - distance + share).flatten(2).softmax(dim=-1).view_as(distance)
            center = torch.stack([weight.sum(-2) @ col, weight.sum(-1) @ row], dim=-1)
        return center

    def extra_repr(self) -> str:
        return f"{self.points.size(0)}, competition={self.competition}, num_steps={self.num_steps}"
