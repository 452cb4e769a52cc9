"""PyG's explainers, summaries and profiles, compilers and tracers on models of clips: tables of ``docs/pyg.md``."""

import logging

import pytest
import torch
from torch import nn
from torch_geometric import nn as pyg
from torch_geometric import profile
from torch_geometric.explain import algorithm as algorithms
from torch_geometric.loader import DataLoader

from pyg_video.graph_builders import GridGraph
from pyg_video.inspection import explain_graph
from pyg_video.inspection.explanation import REFUSED
from pyg_video.layers import RSTG, TemporalRNN, ToVector

C, T, N = 8, 3, 5
FRAME, NODE = 1, 2  # of the planted cause

EXPLAINERS = {
    "GNNExplainer": ("yes", "the default, with settings of its own"),
    "AttentionExplainer": ("yes", "edges alone, by their largest attention; takes no `target`"),
    "CaptumExplainer": ("needs captum", "of class scores; masks are how large attributions are, whatever their sign"),
    "DummyExplainer": ("yes", "random masks, to compare others with"),
    "ExplainerAlgorithm": ("yes", "the base class: subclasses of yours work as the others do"),
}
EXPLAINERS |= {kind.__name__: ("no", reason) for kind, reason in REFUSED.items()}
TOOLS = [
    (("nn", "summary"), "right, of graphs and of videos; needs tabulate; recurrent parts show no shapes"),
    (("profile", "count_parameters", "get_model_size", "get_data_size"), "right, of models and of graphs"),
    (("profile", "timeit", "benchmark"), "right (`benchmark` needs tabulate); `model_cost` counts by parts"),
    (("profile", "profileit", "get_gpu_memory_from_nvidia_smi"), "with CUDA; not tested"),
    ("`torch.compile`", "right; with `fullgraph=True` where a builder makes the graph, not for a batch of a loader"),
    ("`torch.export`, `torch.onnx.export(dynamo=True)`", "right, for any batch: see [export](export.md)"),
    ("`torch.fx.symbolic_trace`", "of a model of yours: a `GraphBlock` and a block of `attach_blocks` are one call. "
     "Models and backbones of this package are refused"),
    ("`create_feature_extractor` of torchvision", "likewise. A block behind a leaf, such as a convolution, works, but "
     "its parameters are not the extractor's: train `model.graph_blocks`, or attach it to the extractor"),
    ("`torch.jit.script`, `torch.jit.trace`", "refused: TorchScript fixes the edges of the example"),
]  # fmt: skip


def graph_of(num_clips=1):
    return GridGraph(C, scales=(2, 1))(torch.randn(num_clips, T, C, 6, 6)).detach()


class Planted(nn.Module):
    """Class 1 if the first channel of one node of one frame is large; the others hardly count."""

    def forward(self, graph):
        x = graph.frames[..., 0]
        score = 5 * x[:, FRAME, NODE] + 0.01 * x.sum((1, 2))
        return torch.stack([-score, score], dim=1)


def planted():
    return nn.Sequential(RSTG(pyg.SimpleConv("mean"), nn.Identity(), nn.Identity(), num_iterations=1), Planted())


@pytest.mark.filterwarnings("ignore:Input Tensor 0 did not already require gradients:UserWarning")  # of Captum
@pytest.mark.parametrize("method", ["Saliency", "InputXGradient", "IntegratedGradients"])
def test_captum_finds_the_planted_cause(method):
    found = explain_graph(planted(), graph_of(), 1, algorithm=algorithms.CaptumExplainer(method))
    assert found.frame_mask.argmax() == FRAME
    assert (found.edge_index[1, found.edge_mask.topk(2).indices] == FRAME * N + NODE).all()
    assert found.node_mask.min() >= 0
    assert not found.node_mask.requires_grad


def test_random_masks_are_those_of_the_graph():
    graph = graph_of(2)
    found = explain_graph(planted(), graph, algorithm=algorithms.DummyExplainer())
    assert (found.node_mask.shape, found.edge_mask.shape) == ((graph.num_nodes,), (graph.num_edges,))


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("node", [None, 7])
def test_other_algorithms_are_refused_in_words(kind, node, monkeypatch):
    monkeypatch.setattr(logging, "error", lambda *_: pytest.fail("PyG has begun to look at the settings"))
    options = {"epochs": 1} if kind is algorithms.PGExplainer else {"num_layers": 1, "epochs": 1, "log": False}
    model = planted() if node is None else planted()[0]
    with pytest.raises(
        ValueError, match=f"Expected an algorithm that explains .* .got {kind.__name__}: it .*; use GNN"
    ):
        explain_graph(model, graph_of(), node, algorithm=kind(**options))


def test_captum_explains_no_node():
    with pytest.raises(ValueError, match="CaptumExplainer: it explains class scores, not the features of a node"):
        explain_graph(planted()[0], graph_of(), 3, algorithm=algorithms.CaptumExplainer("Saliency"))


def classifier():
    rstg = RSTG(pyg.GATv2Conv(C, C), TemporalRNN(C), TemporalRNN(C))
    return nn.Sequential(rstg, ToVector(), nn.Linear(C, 4))


def test_summary_lists_the_parts():
    model = classifier()
    table = pyg.summary(model, graph_of(2))
    assert "(space)GATv2Conv" in table
    assert f"{profile.count_parameters(model):,}" in table
    for row, shape in (("(1)ToVector", "[2, 8]"), ("(2)Linear", "[2, 4]")):
        assert any(row in line and shape in line for line in table.splitlines())
    whole = nn.Sequential(GridGraph(C), *classifier())
    assert "(0)GridGraph" in pyg.summary(whole, torch.randn(1, 2, C, 6, 6))


def test_sizes_are_those_of_the_tensors(capsys):
    model, graph = classifier(), graph_of(2)
    assert profile.count_parameters(model) == sum(p.numel() for p in model.parameters())
    tensors = [value for value in graph.to_dict().values() if isinstance(value, torch.Tensor)]
    distinct = {value.untyped_storage().data_ptr(): value.untyped_storage().nbytes() for value in tensors}
    assert profile.get_data_size(graph) == sum(distinct.values())
    assert profile.timeit(log=False)(model.forward)(graph).shape == (2, 4)
    profile.benchmark([model], (graph,), num_steps=1, func_names=["rstg"], num_warmups=1)
    assert "rstg" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor", "ignore:Dynamo does not know")
def test_compiled_layers_take_batches_of_a_loader():
    graph, model = graph_of(2), classifier()
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(graph), model(graph))
    (batch,) = DataLoader([graph_of(), graph_of()], batch_size=2)
    torch.testing.assert_close(torch.compile(model, backend="eager")(batch), model(batch))


def test_every_explainer_of_pyg_has_a_row():
    assert set(algorithms.__all__) == EXPLAINERS.keys()


def explainers(link):
    rows = [
        f"| {link('explain.algorithm', name)} | {answer} | {words} |" for name, (answer, words) in EXPLAINERS.items()
    ]
    return "\n".join(["\n| explainer | works | remark |\n|---|---|---|", *rows, ""])


def section(link):
    rows = []
    for tool, words in TOOLS:
        names = [tool] if isinstance(tool, str) else [link(tool[0], name) for name in tool[1:]]
        rows.append(f"| {', '.join(names)} | {words} |")
    return "\n".join(["\n## Tools\n\n| tool | models and graphs of clips |\n|---|---|", *rows, ""])
