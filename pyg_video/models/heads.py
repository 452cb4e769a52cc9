"""From feature maps to class scores."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from .._checks import check_option
from ..layers import ToVector, accepted_info, scan
from ..layers.readout import READOUTS, clip_vector, running_vector
from ..layers.scan import run, start


class PoolHead(nn.Module):
    """Mean over the pixels of every frame, a time stage, one vector per clip, a linear layer: no graph.

    Args:
        channels: channels of the feature map.
        num_classes: number of classes.
        time: module on :math:`(B, T, 1, C)`: :class:`~pyg_video.layers.TemporalRNN` for Mean+LSTM, or the identity.
        readout: ``"last"`` frame or ``"mean"`` over frames.
        dropout: dropout of the vector.

    Shapes:
        - **x:** :math:`(B, T, C, H, W)`
        - **lengths:** :math:`(B)`
        - **output:** :math:`(B, num\\_classes)`
    """

    def __init__(
        self,
        channels: int,
        num_classes: int,
        *,
        time: nn.Module | None = None,
        readout: str = "mean",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.time = nn.Identity() if time is None else time
        check_option("readout", readout, READOUTS)
        self.readout = readout
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self.scan(x, lengths=lengths)[0]

    def scan(
        self, x: Tensor, state: Sequence[Any] | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, list[Any]]:
        """Class scores as of the frames so far, given the state after the frames before."""
        states = start(state, 2)
        frames = x.mean(dim=(-2, -1))[:, :, None]  # [B, T, 1, C]
        frames, states[0] = scan(self.time, frames, states[0], lengths=lengths)
        vector, states[1] = running_vector(frames[:, :, 0], self.readout, states[1], lengths)
        return self.linear(self.dropout(vector)), states


class GraphHead(nn.Module):
    """Builder, processor, readout and a linear layer: the graph's nodes decide the class (RSTG-to-vec).

    Args:
        channels: node channels.
        num_classes: number of classes.
        builder: feature map to graph.
        processor: graph to graph.
        readout: graph to vector.

    Shapes:
        - **x:** :math:`(B, T, C, H, W)`
        - **lengths:** :math:`(B)`
        - **info:** further inputs of the builder, such as ``box`` :math:`(B, T, N, 4)`
        - **output:** :math:`(B, num\\_classes)`
    """

    def __init__(
        self,
        channels: int,
        num_classes: int,
        builder: nn.Module,
        processor: nn.Module,
        *,
        readout: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.builder, self.processor = builder, processor
        self.readout = ToVector() if readout is None else readout
        self.linear = nn.Linear(channels, num_classes)

    @property
    def accepts(self) -> frozenset[str]:
        """Names of the builder's inputs besides the feature map."""
        return accepted_info(self.builder)

    def forward(self, x: Tensor, lengths: Tensor | None = None, **info: Any) -> Tensor:
        return self.linear(self.readout(self.processor(run(self.builder, x, lengths=lengths, **info))))

    def scan(self, x: Tensor, state: Sequence[Any] | None = None, **info: Any) -> tuple[Tensor, list[Any]]:
        """Class scores as of the frames so far, given the state after the frames before."""
        vector, states = scan(nn.Sequential(self.builder, self.processor, self.readout), x, state, **info)
        return self.linear(vector), states


class SumHead(GraphHead):
    r"""Pooled features plus the vector of a graph on the same map (RSTG-to-vec in a trained backbone).

    .. math::
        s = W \Big(\frac{1}{THW} \sum_{t,p} X_{t,p} + \mathrm{norm}\big(\mathrm{readout}(\mathrm{graph}(X))\big)\Big)

    The norm is a layer normalisation of the vector whose scale starts at zero: at initialisation the scores are those
    of :class:`PoolHead`.

    Args:
        channels: channels of the feature map.
        num_classes: number of classes.
        builder: feature map to graph.
        processor: graph to graph; its nodes have the channels of the map.
        readout: graph to vector; the mean over frames of the sum over nodes by default.
        dropout: dropout of the vector.
        residual_scale: first value of the norm's scale.

    Shapes:
        those of :class:`GraphHead`

    Example:
        >>> import torch
        >>> from pyg_video.graph_builders import GridGraph
        >>> from pyg_video.layers import RSTG, SpaceConv, TemporalRNN
        >>> rstg = RSTG(SpaceConv(16), TemporalRNN(16), TemporalRNN(16))
        >>> SumHead(16, 10, GridGraph(16), rstg)(torch.randn(2, 4, 16, 7, 7)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        channels: int,
        num_classes: int,
        builder: nn.Module,
        processor: nn.Module,
        *,
        readout: nn.Module | None = None,
        dropout: float = 0.0,
        residual_scale: float = 0.0,
    ) -> None:
        super().__init__(
            channels, num_classes, builder, processor, readout=ToVector("mean") if readout is None else readout
        )
        self.norm = nn.LayerNorm(channels)
        nn.init.constant_(self.norm.weight, residual_scale)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor | None = None, **info: Any) -> Tensor:
        pooled = clip_vector(x.mean(dim=(-2, -1)), "mean", lengths)
        graph = self.processor(run(self.builder, x, lengths=lengths, **info))
        return self._classify(pooled, self.readout(graph))

    def scan(
        self, x: Tensor, state: Sequence[Any] | None = None, lengths: Tensor | None = None, **info: Any
    ) -> tuple[Tensor, list[Any]]:
        """Class scores as of the frames so far, given the state after the frames before."""
        states, graph = start(state, 2), nn.Sequential(self.builder, self.processor, self.readout)
        pooled, states[0] = running_vector(x.mean(dim=(-2, -1)), "mean", states[0], lengths)
        vector, states[1] = scan(graph, x, states[1], lengths=lengths, **info)
        return self._classify(pooled, vector), states

    def _classify(self, pooled: Tensor, vector: Tensor) -> Tensor:
        return self.linear(self.dropout(pooled + self.norm(vector)))
