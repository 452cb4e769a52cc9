"""What the sparse and the dense space stage have in common: their parameters, and everything that is done per node."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch_geometric.nn.inits import reset

from .._checks import check_option
from ..data import Frames
from .attention import Attention, draw_linear, resolve_attention
from .norm import normalize


class SpaceParts(nn.Module):
    """Parameters of a space stage, and its steps on nodes; see :class:`~pyg_video.layers.SpaceConv` for the options."""

    def __init__(
        self,
        channels: int,
        *,
        combine: str = "concat",
        send_layers: int = 2,
        attention: str | Attention = "dot",
        heads: int = 8,
        plain_gather: bool = False,
        update_layers: int = 2,
        update_groups: Sequence[int] | None = None,
        position_channels: int = 0,
        edge_dim: int = 0,
        message_norm: nn.Module | None = None,
        gather_norm: nn.Module | None = None,
        update_norm: nn.Module | None = None,
    ) -> None:
        super().__init__()
        check_option("combine", combine, ("concat", "sum"))
        check_option("send_layers", send_layers, (1, 2))
        if plain_gather and gather_norm is not None:
            raise ValueError("Expected no 'gather_norm' with plain_gather=True, which leaves it out (got one)")
        self.channels = channels
        self.combine = combine
        self.position_channels = position_channels
        self.edge_dim = edge_dim
        self.attention = resolve_attention(attention, channels, heads)
        self.send = nn.Linear(channels + position_channels, channels)
        # The receiver's half of the first layer; on a sum both ends share one half.
        self.receive = nn.Linear(channels + position_channels, channels, bias=False) if combine == "concat" else None
        # What an edge's features add to the first layer.
        self.send_edge = nn.Linear(edge_dim, channels, bias=False) if edge_dim > 0 else None
        self.send_mlp = nn.Sequential(nn.ReLU(), *_layers(channels, channels, send_layers - 1))
        self.value = nn.Linear(channels, channels) if self.attention.heads > 1 else nn.Identity()
        self.bias = None if plain_gather else nn.Parameter(torch.empty(channels))
        ends = channels if combine == "sum" else 2 * channels
        self.update_mlp = _update_mlp(ends, channels, update_layers, update_groups)
        self.update_by_sum = combine == "sum" or update_layers == 0
        norms = (message_norm, gather_norm, update_norm)
        self.message_norm, self.gather_norm, self.update_norm = (nn.Identity() if n is None else n for n in norms)
        self._draw()

    def reset_parameters(self) -> None:
        self._draw()
        for part in (self.attention, self.message_norm, self.gather_norm, self.update_norm):
            reset(part)

    def _draw(self) -> None:
        """Initialize the parameters that are made here; given parts keep theirs."""
        for part in (self.send, self.receive, self.send_edge, self.send_mlp, self.value, self.update_mlp):
            for linear in part.modules() if part is not None else ():
                if isinstance(linear, nn.Linear):
                    draw_linear(linear)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def _ends(self, x: Tensor, position: Tensor | None) -> tuple[Tensor, Tensor]:
        """What a node adds to the first layer of the messages as their sender, and as their receiver."""
        self._check(x, position)
        ends = x if position is None else torch.cat([x, position.to(x.dtype)], dim=-1)
        sent = self.send(ends)
        return sent, sent - self.send.bias if self.receive is None else self.receive(ends)

    def _edge(self, edge_attr: Tensor | None) -> Tensor | None:
        """What an edge adds to the first layer of its message, :math:`(E, C)`, or of all pairs."""
        if edge_attr is not None and edge_attr.dim() == 1:
            edge_attr = edge_attr[:, None]
        given = 0 if edge_attr is None else edge_attr.size(-1)
        if given != self.edge_dim:
            raise ValueError(
                f"Expected edges with edge_dim = {self.edge_dim} features in 'edge_attr' (got {given}); set 'edge_dim' "
                "to their number, or use a graph without 'edge_attr'"
            )
        if edge_attr is None or self.send_edge is None:
            return None
        edge: Tensor = self.send_edge(edge_attr.to(self.send_edge.weight.dtype))
        return edge

    def _update(self, x: Tensor, gathered: Tensor, frames: Frames | None, mask: Tensor | None) -> Tensor:
        if self.bias is not None:
            gathered = normalize(self.gather_norm, gathered + self.bias, frames, mask).relu()
        y = self.update_mlp(x + gathered if self.update_by_sum else torch.cat([x, gathered], dim=-1))
        return normalize(self.update_norm, y, frames, mask)

    def _check(self, x: Tensor, position: Tensor | None) -> None:
        if x.dim() < 2 or x.size(-1) != self.channels:
            raise ValueError(f"Expected 'x' of shape [*, N, {self.channels}] (got {list(x.shape)})")
        given = 0 if position is None else position.size(-1)
        if given != self.position_channels:
            raise ValueError(
                f"Expected node positions with position_channels = {self.position_channels} values (got {given}); "
                "put a GaussianPosition before the space stage, or set 'position_channels' to their size"
            )

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.channels}, combine='{self.combine}', attention={self.attention})"


class GroupwiseMLP(nn.Module):
    """The update MLP with separate weights for every kind of node.

    Args:
        in_channels: channels of the input.
        channels: channels of the output and in between.
        num_layers: layers, a ReLU after each.
        groups: nodes of every kind in a frame, in order.

    Shapes:
        - **x:** :math:`(V, C)` frame by frame, or :math:`(*, N, C)`
        - **output:** likewise
    """

    def __init__(self, in_channels: int, channels: int, num_layers: int, groups: Sequence[int]) -> None:
        super().__init__()
        if not groups or min(groups) < 1:
            raise ValueError(f"Expected 'update_groups' with at least one node of every kind (got {list(groups)})")
        self.groups = tuple(groups)
        self.kinds = nn.ModuleList(nn.Sequential(*_layers(in_channels, channels, num_layers)) for _ in groups)

    def forward(self, x: Tensor) -> Tensor:
        num_nodes = sum(self.groups)
        if x.size(-2) % num_nodes != 0:
            raise ValueError(
                f"Expected frames of {num_nodes} nodes, the sum of update_groups = {list(self.groups)} "
                f"(got {x.size(-2)} nodes)"
            )
        parts = x.unflatten(-2, (-1, num_nodes)).split(self.groups, dim=-2)
        return torch.cat([mlp(part) for mlp, part in zip(self.kinds, parts, strict=True)], dim=-2).flatten(-3, -2)


def _update_mlp(in_channels: int, channels: int, num_layers: int, groups: Sequence[int] | None) -> nn.Module:
    if num_layers < 0:
        raise ValueError(f"Expected 'update_layers' of at least 0 (got {num_layers})")
    if groups is not None:
        return GroupwiseMLP(in_channels, channels, num_layers, groups)
    return nn.Sequential(*_layers(in_channels, channels, num_layers))


def _layers(in_channels: int, channels: int, num_layers: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for _ in range(num_layers):
        layers += [nn.Linear(in_channels, channels), nn.ReLU()]
        in_channels = channels
    return layers
