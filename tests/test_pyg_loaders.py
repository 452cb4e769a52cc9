"""PyG's loaders on graphs of clips, a table of ``docs/pyg.md``, see ``test_pyg.py``."""

import importlib.util
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch_geometric import loader as loaders

from pyg_video.data import VideoGraph
from pyg_video.graph_builders import GridGraph
from pyg_video.layers import RSTG, SpaceConv

C = 8

COLLATES = "clips of any length, likewise"
SAMPLES = "chooses nodes: no grid any more"
LOADERS = {
    "DataLoader": ("yes", "clips of any length; layers and readouts take the batch as it is"),
    "DataListLoader": ("yes", "a list of graphs; `pad_clips` makes one of them"),
    "DenseDataLoader": ("no", "stacks graphs of one size to a plain `Data` without a grid, which layers refuse"),
    "CachedLoader": ("yes", COLLATES),
    "PrefetchLoader": ("yes", COLLATES),
    "ImbalancedSampler": ("yes", "of graphs with one class `y` each"),
    "DynamicBatchSampler": ("yes", "as many clips as have `max_num` nodes; give `num_steps` for its length"),
    "RandomNodeLoader": ("yes", SAMPLES),
    "NeighborLoader": ("with pyg-lib or torch-sparse", SAMPLES),
    "LinkNeighborLoader": ("with pyg-lib or torch-sparse", SAMPLES),
    "NodeLoader": ("with a sampler of yours", SAMPLES),
    "LinkLoader": ("with a sampler of yours", SAMPLES),
    "ClusterData": ("with pyg-lib or torch-sparse", "sorts the nodes by part: no grid any more"),
    "ClusterLoader": ("with pyg-lib or torch-sparse", "likewise, also with all parts in one batch"),
    "GraphSAINTSampler": ("with torch-sparse", SAMPLES),
    "GraphSAINTNodeSampler": ("with torch-sparse", SAMPLES),
    "GraphSAINTEdgeSampler": ("with torch-sparse", SAMPLES),
    "GraphSAINTRandomWalkSampler": ("with torch-sparse", SAMPLES),
    "ShaDowKHopSampler": ("with torch-sparse; not tested", "a plain `Data` without a grid"),
    "NeighborSampler": ("with torch-sparse; not tested", "gives edges and numbers of nodes, no graph"),
    "HGTLoader": ("no", "for graphs of several kinds of nodes, `HeteroData`"),
    "ZipLoader": ("with pyg-lib or torch-sparse", "as the loaders that it joins"),
    "TemporalDataLoader": ("no", "for streams of events, `TemporalData`"),
    "AffinityMixin": ("no", "a part of loaders"),
}


@pytest.fixture
def clips():
    """Two clips of three frames."""
    return GridGraph(C)(torch.randn(2, 3, C, 6, 6)).detach()


def of_lengths(*lengths):
    graphs = [GridGraph(C)(torch.randn(1, T, C, 6, 6)).detach() for T in lengths]
    return [graph.with_attr(y=torch.tensor([int(T > 2)])) for graph, T in zip(graphs, lengths, strict=True)]


GRAPH_LOADERS = {
    "DataLoader": lambda graphs: loaders.DataLoader(graphs, batch_size=2),
    "CachedLoader": lambda graphs: loaders.CachedLoader(loaders.DataLoader(graphs, batch_size=2)),
    "PrefetchLoader": lambda graphs: loaders.PrefetchLoader(loaders.DataLoader(graphs, batch_size=2)),
    "ImbalancedSampler": lambda graphs: loaders.DataLoader(
        graphs, batch_size=2, sampler=loaders.ImbalancedSampler(graphs)
    ),
    "DynamicBatchSampler": lambda graphs: loaders.DataLoader(
        graphs, batch_sampler=loaders.DynamicBatchSampler(graphs, max_num=80, num_steps=2)
    ),
}


@pytest.mark.parametrize("name", GRAPH_LOADERS)
def test_a_loader_gives_the_clips_that_went_in(name):
    graphs, model = of_lengths(2, 3, 1, 3), RSTG(SpaceConv(C), nn.Identity(), nn.Identity())
    alone = {float(graph.x.sum()): model(graph).x for graph in graphs}
    batches = list(iter(GRAPH_LOADERS[name](graphs)))
    assert batches
    for batch in batches:
        for graph in model(batch).with_attr(given=batch.x).to_data_list():
            torch.testing.assert_close(graph.x, alone[float(graph.given.sum())])


def test_a_list_of_graphs_is_a_list_of_clips():
    graphs = of_lengths(2, 3)
    (batch,) = loaders.DataListLoader(graphs, batch_size=2)
    assert [graph.layout for graph in batch] == [(2, 14), (3, 14)]


def test_stacked_graphs_are_refused_by_layers():
    (batch,) = loaders.DenseDataLoader([graph.with_attr(box=graph.box) for graph in of_lengths(2, 2)], batch_size=2)
    with pytest.raises(TypeError, match="Expected 'graph' to be a VideoGraph .got DataBatch"):
        RSTG(SpaceConv(C), nn.Identity(), nn.Identity())(batch)


def parts(graph, monkeypatch):
    """:class:`ClusterData` with two parts, every other node, in the place of the compiled choice of them."""
    monkeypatch.setattr(loaders.ClusterData, "_metis", lambda data, edges, V: torch.arange(V) % 2)
    return loaders.ClusterData(graph, num_parts=2, log=False)


@pytest.mark.parametrize("parts_per_batch", [1, 2])
def test_parts_of_a_graph_have_no_grid(parts_per_batch, clips, monkeypatch):
    for batch in loaders.ClusterLoader(parts(clips, monkeypatch), batch_size=parts_per_batch):
        assert batch.num_nodes == 42 * parts_per_batch
        with pytest.raises(ValueError, match="layout"):
            _ = batch.frames


@pytest.mark.parametrize("num_nodes", [42, 50])  # as many as a clip has, but of both
def test_nodes_of_graph_saint_have_no_grid(num_nodes, clips):
    nodes = torch.randperm(84)[:num_nodes]
    edges = SimpleNamespace(coo=lambda: (torch.arange(3), torch.arange(3) + 1, torch.arange(3)))
    sampler = SimpleNamespace(data=clips, N=84, E=clips.num_edges, sample_coverage=0)
    sample = loaders.GraphSAINTSampler._collate(sampler, [(nodes, edges)])  # without torch-sparse, which chooses
    assert torch.equal(sample.x, clips.x[nodes])
    with pytest.raises(ValueError, match="Expected the 84 nodes that the 'layout' was given for"):
        _ = sample.frames


@pytest.mark.parametrize("num_parts", [1, 2])
def test_random_nodes_have_no_grid(num_parts, clips):
    for part in loaders.RandomNodeLoader(clips, num_parts=num_parts, shuffle=True):
        with pytest.raises(ValueError, match="Expected a graph with a 'layout'"):
            _ = part.frames


def test_a_collation_does_not_give_a_lost_grid_back():
    graph = VideoGraph(torch.randn(6, 2), torch.tensor([[0, 1], [1, 0]]), layout=(1, 2))
    few = graph.with_attr(x=graph.x[:2])  # of three clips
    (batch,) = loaders.DataLoader([few, few], batch_size=2)
    for lost in (batch, *batch.to_data_list()):
        with pytest.raises(ValueError, match="that the 'layout' was given for"):
            _ = lost.frames


SAMPLERS = {
    "NeighborLoader": lambda graph: next(iter(loaders.NeighborLoader(graph, [2]))),
    "LinkNeighborLoader": lambda graph: next(iter(loaders.LinkNeighborLoader(graph, [2]))),
    "ClusterData": lambda graph: loaders.ClusterData(graph, 2, log=False),
    "GraphSAINTNodeSampler": lambda graph: loaders.GraphSAINTNodeSampler(graph, 2),
    "GraphSAINTEdgeSampler": lambda graph: loaders.GraphSAINTEdgeSampler(graph, 2),
    "GraphSAINTRandomWalkSampler": lambda graph: loaders.GraphSAINTRandomWalkSampler(graph, 2, 2),
    "ShaDowKHopSampler": lambda graph: loaders.ShaDowKHopSampler(graph, 2, 2),
    "NeighborSampler": lambda graph: loaders.NeighborSampler(graph.edge_index, [2]),
}


@pytest.mark.filterwarnings("ignore:Using 'NeighborSampler' without:UserWarning")
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_names_the_package_that_it_needs(name, clips):
    if not any(importlib.util.find_spec(package) for package in ("pyg_lib", "torch_sparse")):
        with pytest.raises(ImportError, match=r"pyg-lib|torch-sparse"):
            SAMPLERS[name](clips)


def test_every_loader_of_pyg_has_a_row():
    assert set(loaders.__all__) == LOADERS.keys()


def section(link):
    rows = [f"| {link('loader', name)} | {answer} | {words} |" for name, (answer, words) in LOADERS.items()]
    return "\n".join(["\n## Loaders\n\n| loader | works | remark |\n|---|---|---|", *rows, ""])
