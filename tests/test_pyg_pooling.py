"""PyG's poolings on graphs of clips, one of the tables of ``docs/pyg.md``, see ``test_pyg.py``."""

import importlib.util
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch_geometric import nn as pyg
from torch_geometric.nn import pool
from torch_geometric.nn.dense import dense_diff_pool, dense_mincut_pool

from pyg_video.data import VideoGraph
from pyg_video.functional import complete_edges, repeat_edges
from pyg_video.layers import RSTG, SpaceConv

B, T, N, C = 2, 3, 4, 8
V = B * T * N
INTRO = """
## Pooling

`pooling(graph.x, graph.edge_index, batch=graph.frame_index)` pools every frame alone, with `graph.batch` every clip.
The nodes that are left have no grid: go on with PyG's layers and the `batch` of these nodes. In a graph
(`graph.with_attr(x=..., edge_index=...)`) they are refused, as a plain `Data` is by the layers of this package. With
`ratio=1.0` all nodes are left, in another order, which nothing notices: do not put them back.
"""


class Pooled(NamedTuple):
    """Nodes that are left, the frame of each, and the edges between them."""

    x: Tensor
    frames: Tensor
    edge_index: Tensor | None = None


Run = Callable[[VideoGraph, Tensor], Pooled]


class Row(NamedTuple):
    """What makes a function that pools with weights of its own, a package that it needs, and what to know."""

    make: Callable[[], Run]
    package: str = ""
    remark: str = ""


def layer(kind, batch_at=3, edges_at=1):
    """A pooling layer, whose outputs stand in an order of their own."""

    def make():
        module = kind(C).eval()

        def run(graph, frames):
            given = module(graph.x, graph.edge_index, batch=frames)
            return Pooled(given[0], given[batch_at], given[edges_at])

        return run

    return make


def vectors(function):
    def run(graph, frames):
        x = function(graph.x, frames)
        return Pooled(x, torch.arange(len(x)))

    return lambda: run


def memory():
    module = pool.MemPooling(C, C, 2, 3).eval()

    def run(graph, frames):
        x, _ = module(graph.x, frames)
        return Pooled(x.flatten(0, 1), torch.arange(len(x)).repeat_interleave(3))

    return run


def clusters_of_two(graph):
    return torch.arange(graph.num_nodes) // 2


def of_graph(function):
    def run(graph, frames):
        data = function(clusters_of_two(graph), graph.with_attr(batch=frames))
        assert not isinstance(data, VideoGraph)
        return Pooled(data.x, data.batch, data.edge_index)

    return lambda: run


def of_nodes(function):
    return lambda: lambda graph, frames: Pooled(*function(clusters_of_two(graph), graph.x, frames))


def of_neighbours(function):
    def run(graph, frames):
        kept = function(graph.clone())
        assert kept.frames.shape == graph.frames.shape  # the nodes that there were: the grid holds
        return Pooled(kept.x, frames)

    return lambda: run


def dense(function):
    weight = torch.randn(C, 3)

    def run(graph, frames):
        nodes = graph.frames.flatten(0, 1)
        x = function(nodes, graph.dense_edges().flatten(0, 1).to(nodes.dtype), nodes @ weight)
        return Pooled(x.flatten(0, 1), torch.arange(len(x)).repeat_interleave(x.size(1)))

    return lambda: run


def modularity():
    module = pyg.DMoNPooling(C, 3).eval()
    return dense(lambda x, adj, _: module(x, adj)[1])()


def of_attention():
    conv, module = pyg.PANConv(C, C, 2), pool.PANPooling(C)

    def run(graph, frames):
        x, attention = conv(graph.x, graph.edge_index)
        given = module(x, attention, batch=frames)
        return Pooled(given[0], given[3], given[1])

    return run


def calls(function):
    """What a missing package is asked for."""
    return lambda: lambda graph, frames: function(graph, frames)


TO_VECTOR = "a vector per frame, or per clip; `ToVector` reads a grid"
CLUSTERS = "a plain `Data`; clusters within frames, and `with_attr(batch=graph.frame_index)` before"
IN_PLACE = "the graph itself is changed; its grid holds"
DENSE = "on `graph.frames.flatten(0, 1)` and `graph.dense_edges().flatten(0, 1).float()`"
EDGES = 'edges within frames by `batch=graph.frame_index`; so does `connect="knn"` of a builder'
POOLINGS = {
    "global_add_pool": Row(vectors(pool.global_add_pool), remark=TO_VECTOR),
    "global_mean_pool": Row(vectors(pool.global_mean_pool), remark=TO_VECTOR),
    "global_max_pool": Row(vectors(pool.global_max_pool), remark=TO_VECTOR),
    "TopKPooling": Row(layer(pool.TopKPooling)),
    "SAGPooling": Row(layer(pool.SAGPooling)),
    "EdgePooling": Row(layer(pool.EdgePooling, batch_at=2)),
    "ClusterPooling": Row(layer(pool.ClusterPooling, batch_at=2)),
    "ASAPooling": Row(layer(pool.ASAPooling)),
    "PANPooling": Row(of_attention, "torch_sparse", "the `SparseTensor` of `PANConv`"),
    "MemPooling": Row(memory, remark="the same number of nodes in every frame"),
    "max_pool": Row(of_graph(pool.max_pool), remark=CLUSTERS),
    "avg_pool": Row(of_graph(pool.avg_pool), remark=CLUSTERS),
    "max_pool_x": Row(of_nodes(pool.max_pool_x)),
    "avg_pool_x": Row(of_nodes(pool.avg_pool_x)),
    "max_pool_neighbor_x": Row(of_neighbours(pool.max_pool_neighbor_x), remark=IN_PLACE),
    "avg_pool_neighbor_x": Row(of_neighbours(pool.avg_pool_neighbor_x), remark=IN_PLACE),
    "graclus": Row(calls(lambda graph, _: pool.graclus(graph.edge_index)), "pyg_lib", "clusters along edges"),
    "voxel_grid": Row(calls(lambda graph, f: pool.voxel_grid(graph.pos, 0.5, f)), "pyg_lib", "clusters by `pos`"),
    "fps": Row(calls(lambda graph, f: pool.fps(graph.pos, f)), "pyg_lib", "numbers of nodes"),
    "knn": Row(calls(lambda graph, f: pool.knn(graph.pos, graph.pos, 2, f, f)), "pyg_lib", EDGES),
    "knn_graph": Row(calls(lambda graph, f: pool.knn_graph(graph.pos, 2, f)), "pyg_lib", EDGES),
    "radius": Row(calls(lambda graph, f: pool.radius(graph.pos, graph.pos, 0.5, f, f)), "pyg_lib", EDGES),
    "radius_graph": Row(calls(lambda graph, f: pool.radius_graph(graph.pos, 0.5, f)), "pyg_lib", EDGES),
    "nearest": Row(calls(lambda graph, f: pool.nearest(graph.pos, graph.pos, f, f)), "pyg_lib", EDGES),
    "approx_knn": Row(calls(lambda graph, f: pool.approx_knn(graph.pos, graph.pos, 2, f, f)), "pynndescent", EDGES),
    "approx_knn_graph": Row(calls(lambda graph, f: pool.approx_knn_graph(graph.pos, 2, f)), "pynndescent", EDGES),
    "KNNIndex": Row(calls(lambda graph, _: pool.KNNIndex(graph.pos)), "faiss", "knows no frames"),
    "L2KNNIndex": Row(calls(lambda graph, _: pool.L2KNNIndex(graph.pos)), "faiss", "knows no frames"),
    "MIPSKNNIndex": Row(calls(lambda graph, _: pool.MIPSKNNIndex(graph.pos)), "faiss", "knows no frames"),
    "ApproxL2KNNIndex": Row(
        calls(lambda graph, _: pool.ApproxL2KNNIndex(2, 2, 2, graph.pos)), "faiss", "knows no frames"
    ),
    "ApproxMIPSKNNIndex": Row(
        calls(lambda graph, _: pool.ApproxMIPSKNNIndex(2, 2, 2, graph.pos)), "faiss", "knows no frames"
    ),
}
OF_PAIRS = {
    "dense_diff_pool": Row(dense(lambda *given: dense_diff_pool(*given)[0]), remark=DENSE),
    "dense_mincut_pool": Row(dense(lambda *given: dense_mincut_pool(*given)[0]), remark=DENSE),
    "DMoNPooling": Row(modularity, remark=DENSE),
}
TESTED = {name: row for name, row in (POOLINGS | OF_PAIRS).items() if not row.package}


@pytest.fixture
def clips():
    edges = repeat_edges(complete_edges(N, self_loops=False), N, B * T)
    x = torch.randn(V, C)
    return VideoGraph(x, edges, layout=(T, N), box=torch.rand(V, 4), batch=torch.arange(V) // (T * N))


@pytest.mark.parametrize("name", TESTED)
def test_a_pooling_pools_every_frame_alone(name, clips):
    run = TESTED[name].make()
    pooled = run(clips, clips.frame_index)
    for k in range(B * T):
        frame = clips.frame(*divmod(k, T))
        alone = run(frame, torch.zeros(N, dtype=torch.long))
        torch.testing.assert_close(in_order(pooled.x[pooled.frames == k]), in_order(alone.x))
    if pooled.edge_index is not None:
        assert torch.equal(*pooled.frames[pooled.edge_index])


def in_order(rows):
    """Rows sorted by their first values, since poolings leave nodes in an order of their own."""
    return rows[rows[:, 0].argsort()]


FEWER = [name for name in TESTED if name not in OF_PAIRS and "neighbor" not in name]


@pytest.mark.parametrize("name", FEWER)
def test_what_is_left_has_no_grid(name, clips):
    pooled = TESTED[name].make()(clips, clips.frame_index)
    assert len(pooled.x) < V
    edges = torch.empty(2, 0, dtype=torch.long) if pooled.edge_index is None else pooled.edge_index
    graph = clips.with_attr(x=pooled.x, edge_index=edges)
    with pytest.raises(ValueError, match=f"Expected the {V} nodes that the 'layout' was given for"):
        _ = graph.frames


@pytest.mark.parametrize("function", [pool.max_pool, pool.avg_pool])
def test_a_plain_graph_is_refused_by_layers_of_clips(function, clips):
    data = function(clusters_of_two(clips), clips)
    with pytest.raises(TypeError, match="Expected 'graph' to be a VideoGraph .got DataBatch"):
        RSTG(SpaceConv(C), nn.Identity(), nn.Identity())(data)


@pytest.mark.parametrize("name", [name for name, row in POOLINGS.items() if row.package])
def test_what_needs_a_package_names_it(name, clips):
    if importlib.util.find_spec(POOLINGS[name].package) is None:
        with pytest.raises(ImportError, match=r"torch-sparse|pyg-lib|pynndescent|faiss"):
            POOLINGS[name].make()(clips, clips.frame_index)


def test_every_pooling_of_pyg_has_a_row():
    assert set(pool.__all__) == POOLINGS.keys()


def section(link):
    lines = [INTRO, "| pooling | works | remark |", "|---|---|---|"]
    for name, row in (POOLINGS | OF_PAIRS).items():
        answer = f"with {row.package.replace('_', '-')}; not tested" if row.package else "yes"
        package = "nn.dense" if name in OF_PAIRS else "nn.pool"
        lines.append(f"| {link(package, name)} | {answer} | {row.remark} |".replace("|  |", "| |"))
    return "\n".join(lines) + "\n"
