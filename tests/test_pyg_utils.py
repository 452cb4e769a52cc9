"""PyG's utils on graphs of clips, a table of ``docs/pyg.md``, see ``test_pyg.py``."""

import pytest
import torch
from torch import nn
from torch_geometric import nn as pyg
from torch_geometric import utils

from pyg_video.data import VideoGraph
from pyg_video.graph_builders import GridGraph
from pyg_video.layers import RSTG, HomogeneousGraph, SpaceConv, SpaceTimeConv

C = 8

EDGES_OF_FRAMES = (
    "coalesce sort_edge_index to_undirected add_self_loops add_remaining_self_loops remove_self_loops "
    "segregate_self_loops get_laplacian normalize_edge_index normalized_cut"
)
FEWER_EDGES = "dropout_edge dropout_node dropout_adj dropout_path"
OTHER_EDGES = "add_random_edge negative_sampling structured_negative_sampling structured_negative_sampling_feasible"
SOME_NODES = "subgraph k_hop_subgraph remove_isolated_nodes bipartite_subgraph"
FRAME_BY_FRAME = "to_dense_batch to_dense_adj unbatch unbatch_edge_index softmax scatter homophily to_nested_tensor"
OF_ALL = (
    "is_undirected contains_self_loops contains_isolated_nodes assortativity degree get_self_loop_attr "
    "to_scipy_sparse_matrix to_torch_coo_tensor to_torch_csr_tensor to_torch_csc_tensor to_torch_sparse_tensor spmm"
)
FROM_OTHERS = (
    "from_networkx from_networkit from_dgl from_cugraph from_scipy_sparse_matrix dense_to_sparse to_edge_index"
)
NOT_OF_CLIPS = (
    "to_trimesh from_trimesh to_rdmol from_rdmol to_smiles from_smiles tree_decomposition get_mesh_laplacian "
    "geodesic_distance grid get_embeddings_hetero train_test_split_edges"
)
UTILS = {
    EDGES_OF_FRAMES: "the edges of each frame, as of the frame alone: `graph.with_attr(edge_index=...)`. Coalesced or "
    "sorted, they need `graph.loops_last()` before an explainer of PyG",
    FEWER_EDGES: "edges are taken away, nodes stay where they are: the grid holds. `dropout_path` needs pyg-lib",
    OTHER_EDGES: "edges between any two nodes, also of different frames: refused by layers of frames, taken by "
    "`SpaceTimeConv`",
    "batched_negative_sampling": "within frames, with `graph.frame_index` as `batch`",
    SOME_NODES: "nodes that are chosen have no grid any more; the hops of a node stay in its frame, over edges in time "
    "in its clip",
    FRAME_BY_FRAME: "frame by frame, with `graph.frame_index` as `batch` or `index`: the first is "
    "`graph.frames.flatten(0, 1)`, the second `graph.dense_edges()`, senders first",
    "to_networkx to_networkit to_dgl to_cugraph": "all nodes and edges, `graph.frame(b, t)` those of a frame. All but "
    "the first need the package",
    FROM_OTHERS: "edges, or a graph without a grid: `VideoGraph(x, edge_index, layout=(T, N))`",
    OF_ALL: "all frames together, which no edges join",
    "erdos_renyi_graph stochastic_blockmodel_graph barabasi_albert_graph": "the edges of one frame; "
    "`repeat_edges(edge_index, N, B * T)` are those of all",
    "get_embeddings": "of a model on graphs, `get_embeddings(model, graph)`: one entry per call of a convolution",
    "get_num_hops": "counts a convolution once, whatever the `num_iterations` of `RSTG`",
    "total_influence trim_to_layer get_ppr": "for models `(x, edge_index)`, not for those on clips",
    "mask_feature shuffle_node": "other features for the same nodes: `graph.with_x(...)`; `shuffle_node(x, "
    "graph.frame_index)` stays within frames",
    "mask_select index_to_mask mask_to_index select narrow one_hot cumsum segment segment_logsumexp group_argsort "
    "group_cat index_sort lexsort is_sparse is_torch_sparse_tensor from_nested_tensor": "on tensors, as everywhere",
    NOT_OF_CLIPS: "for meshes, molecules, other kinds of graphs, or deprecated",
}


@pytest.fixture
def clips():
    """Two clips of three frames; random edges within frames, some of them loops or twice."""
    graph = GridGraph(C)(torch.randn(2, 3, C, 6, 6)).detach()
    edges = graph.edge_index[:, torch.rand(graph.num_edges) < 0.4]
    return graph.with_attr(edge_index=torch.cat([edges, edges[:, ::7]], dim=1))


EDGE_FUNCTIONS = {
    "sort_edge_index": lambda edges, V: utils.sort_edge_index(edges, num_nodes=V),
    "remove_self_loops": lambda edges, V: utils.remove_self_loops(edges),
    "segregate_self_loops": lambda edges, V: utils.segregate_self_loops(edges)[0],
    "get_self_loop_attr": lambda edges, V: utils.get_self_loop_attr(edges, num_nodes=V),
    "normalized_cut": lambda edges, V: (edges, utils.normalized_cut(edges, torch.ones(edges.size(1)), V)),
    "normalize_edge_index": lambda edges, V: utils.normalize_edge_index(edges, V),
}


@pytest.mark.parametrize("name", EDGES_OF_FRAMES.split())
def test_edges_of_a_frame_do_not_depend_on_other_frames(name, clips):
    function = EDGE_FUNCTIONS.get(name) or (lambda edges, V: getattr(utils, name)(edges, num_nodes=V))
    whole = weighted(function(clips.edge_index, clips.num_nodes))
    for k in range(6):
        frame = clips.frame(*divmod(k, 3))
        alone = weighted(function(frame.edge_index, frame.num_nodes), first=k * 14)
        torch.testing.assert_close(whole[(whole[:, 0] // 14 == k) & (whole[:, 1] // 14 == k)], alone)
    assert ((whole[:, 0] // 14) == (whole[:, 1] // 14)).all()


def weighted(given, first=0):
    """Rows of sender, receiver and weight, in the order of the former two."""
    edges, weight = given if isinstance(given, tuple) else (given, None)
    weight = torch.ones(edges.size(1)) if weight is None else weight
    order = (edges[0] * 1000 + edges[1]).argsort(stable=True)
    return torch.stack([edges[0] + first, edges[1] + first, weight.float()], dim=1)[order]


@pytest.mark.filterwarnings("ignore:'dropout_adj' is deprecated:UserWarning")
@pytest.mark.parametrize("name", ["dropout_edge", "dropout_node", "dropout_adj"])
def test_where_edges_are_dropped_the_grid_holds(name, clips):
    given = {"num_nodes": clips.num_nodes} if name != "dropout_edge" else {}
    graph = clips.with_attr(edge_index=getattr(utils, name)(clips.edge_index, **given)[0])
    assert 0 < graph.num_edges < clips.num_edges
    model = RSTG(SpaceConv(C), nn.Identity(), nn.Identity())
    torch.testing.assert_close(model(graph).frames[1, 2], model(graph.frame(1, 2)).frames[0, 0])


def random_edges(graph):
    V = graph.num_nodes
    yield utils.add_random_edge(graph.edge_index, 0.5, num_nodes=V)[0]
    yield utils.negative_sampling(graph.edge_index, V)
    yield torch.stack(utils.structured_negative_sampling(graph.edge_index, V)[1:])


@pytest.mark.parametrize("conv", [SpaceConv, lambda width: pyg.GATv2Conv(width, width)])
def test_edges_between_frames_are_refused_where_frames_are_graphs(conv, clips):
    rstg, homogeneous = RSTG(conv(C), nn.Identity(), nn.Identity()), HomogeneousGraph(conv(C))
    for edges in random_edges(clips):
        graph = clips.with_attr(edge_index=edges)
        for model in (rstg, homogeneous):
            with pytest.raises(ValueError, match="Expected edges within frames .*; use SpaceTimeConv"):
                model(graph)
        assert SpaceTimeConv(pyg.SAGEConv(C, C))(graph).frames.shape == (2, 3, 14, C)
    graph = clips.with_attr(edge_index=utils.batched_negative_sampling(clips.edge_index, clips.frame_index))
    torch.testing.assert_close(rstg(graph).x[-14:], rstg(graph.frame(1, 2)).x)


def test_chosen_nodes_have_no_grid(clips):
    node, V = 20, clips.num_nodes  # of the second frame
    subset, edges, place, _ = utils.k_hop_subgraph(node, 3, clips.edge_index, relabel_nodes=True, num_nodes=V)
    assert subset.min() >= 14
    assert subset.max() < 28
    assert subset[place] == node
    chosen = {"k_hop_subgraph": (subset, edges)}
    half = torch.arange(V)[::2]
    chosen["subgraph"] = (half, utils.subgraph(half, clips.edge_index, relabel_nodes=True)[0])
    kept = clips.edge_index[:, (clips.edge_index != node).all(dim=0)]
    edges, _, there = utils.remove_isolated_nodes(kept, num_nodes=V)
    chosen["remove_isolated_nodes"] = (there.nonzero().flatten(), edges)
    for subset, edges in chosen.values():
        graph = clips.with_attr(x=clips.x[subset], edge_index=edges)
        with pytest.raises(ValueError, match=f"Expected the {V} nodes that the 'layout' was given for"):
            _ = graph.frames
    with pytest.raises(ValueError, match="Expected a graph with a 'layout'"):
        _ = clips.subgraph(half).frames


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
def test_batches_of_frames_are_the_grid(clips):
    frames, index = clips.frames.flatten(0, 1), clips.frame_index
    dense, there = utils.to_dense_batch(clips.x, index)
    assert torch.equal(dense, frames)
    assert there.all()
    assert torch.equal(torch.stack(utils.unbatch(clips.x, index)), frames)
    assert torch.equal(torch.stack(utils.to_nested_tensor(clips.x, index).unbind()), frames)
    assert torch.equal(utils.from_nested_tensor(utils.to_nested_tensor(clips.x, index)), clips.x)
    once = utils.coalesce(clips.edge_index)
    adj = utils.to_dense_adj(once, index).bool()
    assert torch.equal(adj.transpose(1, 2), clips.with_attr(edge_index=once).dense_edges().flatten(0, 1))
    parts = utils.unbatch_edge_index(once, index)
    assert torch.equal(parts[5], clips.with_attr(edge_index=once).frame(1, 2).edge_index)
    torch.testing.assert_close(utils.scatter(clips.x, index), frames.sum(1))
    torch.testing.assert_close(utils.softmax(clips.x, index), frames.softmax(1).flatten(0, 1))
    label = torch.arange(clips.num_nodes) % 3
    alone = [utils.homophily(clips.frame(*divmod(k, 3)).edge_index, label[14 * k : 14 * k + 14]) for k in range(6)]
    torch.testing.assert_close(utils.homophily(clips.edge_index, label, index), torch.tensor(alone))


def test_networkx_goes_there_and_back(clips):
    once = clips.with_attr(edge_index=utils.coalesce(clips.edge_index))
    back = utils.from_networkx(utils.to_networkx(once, node_attrs=["x"]))
    assert not isinstance(back, VideoGraph)
    graph = VideoGraph(back.x, back.edge_index, layout=(3, 14))
    torch.testing.assert_close(graph.frames, clips.frames)
    assert torch.equal(utils.coalesce(graph.edge_index), once.edge_index)


def test_embeddings_have_an_entry_per_call(clips):
    model = RSTG(pyg.SAGEConv(C, C), nn.Identity(), nn.Identity(), num_iterations=2)
    found = utils.get_embeddings(model, clips)
    torch.testing.assert_close(found[-1], model(clips).x)
    assert (len(found), utils.get_num_hops(model)) == (2, 1)


def test_every_function_of_pyg_has_a_row():
    assert sorted(name for names in UTILS for name in names.split()) == sorted(utils.__all__)


def section(link):
    rows = [
        f"| {', '.join(link('utils', name) for name in names.split())} | {words} |" for names, words in UTILS.items()
    ]
    return "\n".join(["\n## Utils\n\n| function | on a clip |\n|---|---|", *rows, ""])
