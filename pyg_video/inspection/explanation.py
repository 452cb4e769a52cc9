"""Which nodes, edges and frames an answer of a model depends on: PyG's explainers on the graphs of its blocks."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.explain import AttentionExplainer, Explainer, GNNExplainer
from torch_geometric.explain.algorithm import CaptumExplainer, ExplainerAlgorithm, GraphMaskExplainer, PGExplainer
from torch_geometric.nn import MessagePassing

from ..data import VideoGraph
from .edges import hooks, masks_follow_edges, on_edges
from .graphs import find_builders

Call = Callable[[nn.Module], Any]

REFUSED: dict[type[ExplainerAlgorithm], str] = {
    GraphMaskExplainer: "it also credits what the answer does not depend on, such as later frames",
    PGExplainer: "it has to be trained on other graphs before",
}
"""Algorithms of PyG that :func:`explain` refuses, and why."""


def explain(
    model: nn.Module,
    video: Tensor,
    target: int | Tensor | None = None,
    *,
    algorithm: ExplainerAlgorithm | None = None,
    **given: Tensor,
) -> dict[str, VideoGraph]:
    """Explain the class scores of a model by the nodes, edges and frames of every graph in it.

    The blocks are explained one after the other, each with the others as they are, on a copy of the model in evaluation
    mode. A node is masked by a factor of its features as the builder gives them, an edge by a factor of its messages
    in all iterations. A :class:`~pyg_video.layers.DenseSpaceConv` is explained as the
    :class:`~pyg_video.layers.SpaceConv` with its parameters, which has edges.

    Args:
        model: any module with :class:`~pyg_video.graph_builders.GraphBuilder` parts that gives class scores
            :math:`(B, K)`, such as a :class:`~pyg_video.models.VideoClassifier`.
        video: input of the model.
        target: the class to explain, of each clip or of all; by default the one predicted.
        algorithm: an algorithm of :mod:`torch_geometric.explain`; by default a ``GNNExplainer``, which learns which
            masks keep the score. ``AttentionExplainer()`` masks edges alone, by their largest attention. The masks of a
            ``CaptumExplainer`` are how large its attributions are, whatever their sign.
        **given: further inputs of the model, such as ``box``.

    Shapes:
        - **video:** :math:`(B, T, C, H, W)`
        - **target:** :math:`(B)`
        - **output:** graphs by the name of their builder within the model, with ``node_mask`` :math:`(V)`,
          ``edge_mask`` :math:`(E)` and ``frame_mask`` :math:`(B, T)`, the largest of the frame's nodes; in [0, 1] but
          for Captum's. Those within a graph compare: norms undo what nodes have in common. Where nothing passes
          messages there is no ``edge_mask``, and with ``AttentionExplainer`` nothing else

    Raises:
        ValueError: the model has no builder or gives no class scores, messages pass along edges that no graph has,
            ``target`` is no class, or given for an explanation by attention, which does not depend on it, or the
            algorithm is ``PGExplainer`` or ``GraphMaskExplainer``.

    Example:
        >>> from pyg_video.models import create_model
        >>> model = create_model("dyreg_gnn_sync_mnist", num_classes=10, frame_size=40)
        >>> graphs = explain(model, torch.rand(1, 8, 1, 40, 40), algorithm=GNNExplainer(epochs=2))
        >>> graph = graphs["blocks.stage3.builder"]
        >>> graph.node_mask.shape, graph.edge_mask.shape, graph.frame_mask.shape
        (torch.Size([72]), torch.Size([648]), torch.Size([1, 8]))
    """
    twin = _twin(model)

    def run(twin: nn.Module) -> Any:
        return twin(video, **given)

    scores, made, layers = _record(twin, run, find_builders(twin))
    if not isinstance(scores, Tensor) or scores.dim() != 2:
        got = list(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise ValueError(f"Expected a model that gives class scores [B, K] (got {got}); use explain_graph for graphs")
    wanted = _classes(target, scores)
    explained = {}
    for name, graphs in made.items():
        block = _Block(twin, run, twin.get_submodule(name), max(graphs, key=_num_edges).with_x(graphs[0].x))
        explained[name] = block.explained(algorithm, layers[name], wanted, scores.size(1) > 1)
    return explained


def explain_graph(
    processor: nn.Module,
    graph: VideoGraph,
    target: int | Tensor | None = None,
    *,
    algorithm: ExplainerAlgorithm | None = None,
) -> VideoGraph:
    """Explain what a module makes of a graph, by the graph's nodes, edges and frames; as :func:`explain`.

    Args:
        processor: a module that gives a graph, such as :class:`~pyg_video.layers.RSTG`, or class scores :math:`(B, K)`.
        graph: what it is given.
        target: number of the node whose new features to explain, or a class, by default the one predicted.
        algorithm: as for :func:`explain`.

    Returns:
        The graph with the masks, self-loops behind the other edges; also with the edges that the processor adds.

    Example:
        >>> from pyg_video.graph_builders import GridGraph
        >>> from pyg_video.layers import RSTG, SpaceConv, TemporalRNN
        >>> graph = GridGraph(8, scales=(2,))(torch.randn(1, 3, 8, 6, 6))
        >>> rstg = RSTG(SpaceConv(8), TemporalRNN(8), TemporalRNN(8))
        >>> explained = explain_graph(rstg, graph, 4, algorithm=GNNExplainer(epochs=2))  # a node of the second frame
        >>> explained.frame_mask[0, 2]
        tensor(0.)
    """
    if not isinstance(graph, VideoGraph):
        raise TypeError(f"Expected 'graph' to be a VideoGraph (got {type(graph).__name__}); use explain for videos")
    twin, graph = _twin(nn.Sequential(nn.Identity(), processor)), graph.loops_last()
    door = twin.get_submodule("0")

    def run(twin: nn.Module) -> Any:
        return twin(graph)

    y, made, layers = _record(twin, run, {"0": door})
    block = _Block(twin, run, door, max(made["0"], key=_num_edges).with_x(graph.x))
    if isinstance(y, VideoGraph):
        node = int(-1 if target is None else target)
        if not 0 <= node < graph.num_nodes:
            raise ValueError(f"Expected 'target' as the number of a node below {graph.num_nodes} (got {target})")
        return block.explained(algorithm, layers["0"], None, classes=False, node=node)
    return block.explained(algorithm, layers["0"], _classes(target, y), classes=y.size(1) > 1)


class _Block(nn.Module):
    """A model as PyG's explainers call it: what they mask are the nodes and edges of the graph of one ``maker``."""

    def __init__(self, model: nn.Module, run: Call, maker: nn.Module, graph: VideoGraph) -> None:
        super().__init__()
        self.model, self.run, self.graph = model, run, graph
        self.maker = [maker]  # which is a part of the model

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:  # noqa: ARG002
        def mask(maker: nn.Module, args: object, graph: VideoGraph) -> VideoGraph:  # noqa: ARG001
            return graph.with_x(graph.x * x.to(graph.x.dtype))

        with hooks(self.maker, mask):
            y = self.run(self.model)
        return y.x if isinstance(y, VideoGraph) else y

    def explained(
        self,
        algorithm: ExplainerAlgorithm | None,
        layers: set[MessagePassing],
        target: Tensor | None,
        classes: bool,
        node: int | None = None,
    ) -> VideoGraph:
        """The graph with its masks."""
        algorithm = _learned_masks() if algorithm is None else algorithm
        _check_algorithm(algorithm, of_scores=node is None, of_messages=bool(layers))
        by_attention = isinstance(algorithm, AttentionExplainer)
        if by_attention and target is not None:
            raise ValueError(
                "Expected no 'target' for AttentionExplainer, whose masks do not depend on it (got one); leave it out, "
                "or use GNNExplainer"
            )
        explainer = Explainer(
            self,
            algorithm,
            explanation_type="model" if target is None else "phenomenon",
            node_mask_type=None if by_attention else "attributes",
            edge_mask_type="object" if layers else None,
            model_config={
                "mode": "multiclass_classification" if classes else "regression",
                "task_level": "graph",
                "return_type": "raw",
            },
        )
        ones = self.graph.x.new_ones(self.graph.num_nodes, 1)
        with ExitStack() as stack:
            for layer in (part for part in self.model.modules() if isinstance(part, MessagePassing)):
                layer.explain = None if layer in layers else False
            stack.enter_context(masks_follow_edges(layers, self.graph, by_attention))
            found = explainer(ones, self.graph.edge_index, target=target, index=node)
        given = {name: found.get(name) for name in ("edge_mask", "node_mask")}
        masks = {name: mask.detach().abs().flatten() for name, mask in given.items() if mask is not None}
        if "node_mask" in masks:
            masks["frame_mask"] = self.graph.grid(masks["node_mask"]).amax(dim=-1)
        return self.graph.with_attr(**masks)


def _check_algorithm(algorithm: ExplainerAlgorithm, of_scores: bool, of_messages: bool) -> None:
    reason = next((why for kind, why in REFUSED.items() if isinstance(algorithm, kind)), "")
    if isinstance(algorithm, CaptumExplainer) and not of_scores:
        reason = "it explains class scores, not the features of a node"
    if isinstance(algorithm, AttentionExplainer) and not of_messages:
        reason = "no layer behind this graph sends messages along edges"
    if reason:
        got = f"{type(algorithm).__name__}: {reason}"
        raise ValueError(f"Expected an algorithm that explains this answer (got {got}); use GNNExplainer")


def _classes(target: int | Tensor | None, scores: Tensor) -> Tensor | None:
    """The class to explain of every clip."""
    if target is None:
        return None
    given, (B, K) = torch.as_tensor(target, device=scores.device), scores.shape
    right = given.dtype == torch.long and given.shape in ((), (B,)) and K > 1
    if not right or int(given.min()) < 0 or int(given.max()) >= K:
        raise ValueError(
            f"Expected 'target' as a class below {K}, for all clips or for each of {B} (got {target}); leave it out "
            "for the class that is predicted, or for a model with one output"
        )
    return given.expand(B)


def _learned_masks() -> GNNExplainer:
    """With edges that cost what nodes cost: PyG's defaults keep edges that change next to nothing."""
    return GNNExplainer(epochs=100, lr=0.1, edge_size=1.0, edge_reduction="mean", edge_ent=0.1)


def _twin(model: nn.Module) -> nn.Module:
    return on_edges(model).eval().requires_grad_(False)


@torch.no_grad()
def _record(
    twin: nn.Module, run: Call, makers: Mapping[str, nn.Module]
) -> tuple[Any, dict[str, list[VideoGraph]], dict[str, set[MessagePassing]]]:
    """The output, and by maker the graphs that follow it, its own first, and the layers that send messages in them."""
    made: dict[str, list[VideoGraph]] = {}
    layers: dict[str, set[MessagePassing]] = {}
    names = {maker: name for name, maker in makers.items()}

    def keep(part: nn.Module, args: object, y: Any) -> None:  # noqa: ARG001
        if part in names:
            made.pop(names[part], None)  # of an earlier call
            made[names[part]], layers[names[part]] = [y.loops_last()], set()
        elif made:
            name = next(reversed(made))
            if isinstance(y, VideoGraph) and y.num_nodes == made[name][0].num_nodes:
                made[name].append(y)
            if isinstance(part, MessagePassing):
                layers[name].add(part)

    with hooks(list(twin.modules()), keep):
        y = run(twin)
    return y, made, layers


def _num_edges(graph: VideoGraph) -> int:
    return graph.num_edges
