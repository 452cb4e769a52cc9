"""From feature maps to class scores."""

from torch import Tensor, nn

from ..layers import ToVector
from ..layers.readout import clip_vector
from ..layers.scan import scan
from ..layers.time import scan_time


class PoolHead(nn.Module):
    """Mean over the pixels of every frame, a time stage, one vector a clip, a linear layer: no graph.

    Args:
        channels: channels of the feature map.
        num_classes: number of classes.
        time: frames over time, :math:`(B, T, 1, C)`: :class:`~pyg_video.layers.TemporalRNN` for Mean+LSTM, or
            ``nn.Identity()``.
        readout: ``"last"`` frame or ``"mean"`` over frames.

    Shapes:
        - **x:** :math:`(B, T, C, H, W)`
        - **lengths:** :math:`(B)`
        - **output:** :math:`(B, num\\_classes)`
    """

    def __init__(
        self, channels: int, num_classes: int, *, time: nn.Module | None = None, readout: str = "mean"
    ) -> None:
        super().__init__()
        self.time = time or nn.Identity()
        self.readout = ToVector(readout).time
        self.linear = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        frames = x.mean(dim=(-2, -1))[:, :, None]  # [B, T, 1, C]
        frames, _ = scan_time(self.time, frames, None, lengths)
        return self.linear(clip_vector(frames[:, :, 0], self.readout, lengths))


class GraphHead(nn.Module):
    """Builder, processor, readout and a linear layer: the graph's nodes decide the class (RSTG-to-vec).

    Args:
        builder: feature map to graph.
        processor: graph to graph.
        channels: node channels.
        num_classes: number of classes.
        readout: graph to vector.

    Shapes:
        - **x:** :math:`(B, T, C, H, W)`
        - **lengths:** :math:`(B)`
        - **output:** :math:`(B, num\\_classes)`
    """

    def __init__(
        self,
        builder: nn.Module,
        processor: nn.Module,
        *,
        channels: int,
        num_classes: int,
        readout: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.builder = builder
        self.processor = processor
        self.readout = readout or ToVector()
        self.linear = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        graph = self.processor(self.builder(x, lengths))
        return self.linear(self.readout(graph))

    def scan(self, x: Tensor, state: object = None) -> tuple[Tensor, object]:
        """Go on from the state that an earlier call gave; class scores as of the last frame so far."""
        states = list(state) if isinstance(state, list) else [None, None]
        graph, states[0] = scan(self.builder, x, states[0])
        graph, states[1] = scan(self.processor, graph, states[1])
        return self.linear(self.readout(graph)), states
