"""PyG's convolutions, norms and transforms on graphs of clips, and the page that lists them.

``python tests/test_pyg.py`` writes ``docs/pyg.md`` from the tables here and in ``test_pyg_*.py``, which are proven.
"""

import importlib.util
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch_geometric import nn as pyg
from torch_geometric.nn import aggr, conv, norm

from pyg_video.data import VideoGraph
from pyg_video.functional import complete_edges, loops_last, repeat_edges
from pyg_video.graph_builders import ConnectInTime
from pyg_video.layers import RSTG, SpaceConv, SpaceTimeConv, scan
from pyg_video.layers.space_call import REFUSED
from pyg_video.layers.space_time import LOOKS_AHEAD

PAGE = Path(__file__).parent.parent / "docs" / "pyg.md"
B, T, N, C, D = 2, 3, 4, 8, 3
V = B * T * N


class Row(NamedTuple):
    """A layer, what a graph must have for it, a package that it needs, and whether frames meet in training."""

    make: Callable[[], nn.Module] | None = None
    needs: tuple[str, ...] = ()
    package: str = ""
    mixes: bool = False
    remark: str = ""


def linear(in_channels, out_channels=C):
    return nn.Linear(in_channels, out_channels)


CONVS = {
    "SimpleConv": Row(lambda: pyg.SimpleConv()),
    "GCNConv": Row(lambda: pyg.GCNConv(C, C)),
    "ChebConv": Row(lambda: pyg.ChebConv(C, C, 3)),
    "SAGEConv": Row(lambda: pyg.SAGEConv(C, C)),
    "GraphConv": Row(lambda: pyg.GraphConv(C, C)),
    "GravNetConv": Row(lambda: pyg.GravNetConv(C, C, 2, 4, 2), package="pyg_lib", remark="finds its own neighbours"),
    "GatedGraphConv": Row(lambda: pyg.GatedGraphConv(C, 2)),
    "ResGatedGraphConv": Row(lambda: pyg.ResGatedGraphConv(C, C)),
    "GATConv": Row(lambda: pyg.GATConv(C, C)),
    "GATv2Conv": Row(lambda: pyg.GATv2Conv(C, C)),
    "TransformerConv": Row(lambda: pyg.TransformerConv(C, C)),
    "AGNNConv": Row(lambda: pyg.AGNNConv()),
    "TAGConv": Row(lambda: pyg.TAGConv(C, C)),
    "GINConv": Row(lambda: pyg.GINConv(linear(C))),
    "GINEConv": Row(lambda: pyg.GINEConv(linear(C), edge_dim=D), ("edge_attr",)),
    "ARMAConv": Row(lambda: pyg.ARMAConv(C, C)),
    "SGConv": Row(lambda: pyg.SGConv(C, C)),
    "SSGConv": Row(lambda: pyg.SSGConv(C, C, 0.1)),
    "APPNP": Row(lambda: pyg.APPNP(2, 0.1)),
    "MFConv": Row(lambda: pyg.MFConv(C, C)),
    "RGCNConv": Row(lambda: pyg.RGCNConv(C, C, 2), ("edge_type",)),
    "FastRGCNConv": Row(lambda: pyg.FastRGCNConv(C, C, 2), ("edge_type",)),
    "RGATConv": Row(lambda: pyg.RGATConv(C, C, 2), ("edge_type",)),
    "SignedConv": Row(lambda: pyg.SignedConv(C, C // 2, True)),
    "DNAConv": Row(lambda: pyg.DNAConv(C)),
    "PointNetConv": Row(lambda: pyg.PointNetConv(linear(C + 2))),
    "GMMConv": Row(lambda: pyg.GMMConv(C, C, D, 2), ("edge_attr",)),
    "SplineConv": Row(lambda: pyg.SplineConv(C, C, D, 2), ("edge_attr",), package="pyg_lib"),
    "NNConv": Row(lambda: pyg.NNConv(C, C, linear(D, C * C)), ("edge_attr",)),
    "CGConv": Row(lambda: pyg.CGConv(C), remark="`edge_attr` with `dim`; `batch_norm=True` mixes frames in training"),
    "EdgeConv": Row(lambda: pyg.EdgeConv(linear(2 * C))),
    "DynamicEdgeConv": Row(
        lambda: pyg.DynamicEdgeConv(linear(2 * C), 2), package="pyg_lib", remark="finds its own neighbours"
    ),
    "XConv": Row(
        lambda: pyg.XConv(C, C, 2, 3, hidden_channels=4), package="pyg_lib", remark="finds its own neighbours"
    ),
    "PPFConv": Row(lambda: pyg.PPFConv(linear(C + 4)), ("pos of three values", "normal")),
    "FeaStConv": Row(lambda: pyg.FeaStConv(C, C)),
    "PointTransformerConv": Row(lambda: pyg.PointTransformerConv(C, C, pos_nn=linear(2))),
    "HypergraphConv": Row(lambda: pyg.HypergraphConv(C, C)),
    "LEConv": Row(lambda: pyg.LEConv(C, C)),
    "PNAConv": Row(
        lambda: pyg.PNAConv(C, C, ["mean", "max"], ["identity", "amplification"], torch.tensor([0, 0, 3, 3]))
    ),
    "ClusterGCNConv": Row(lambda: pyg.ClusterGCNConv(C, C)),
    "GENConv": Row(lambda: pyg.GENConv(C, C), mixes=True),
    "GCN2Conv": Row(lambda: pyg.GCN2Conv(C, 0.1)),
    "PANConv": Row(lambda: pyg.PANConv(C, C, 2)),
    "WLConv": Row(lambda: pyg.WLConv()),
    "WLConvContinuous": Row(lambda: pyg.WLConvContinuous()),
    "FiLMConv": Row(lambda: pyg.FiLMConv(C, C), remark="`edge_type` with several relations"),
    "SuperGATConv": Row(lambda: pyg.SuperGATConv(C, C)),
    "FAConv": Row(lambda: pyg.FAConv(C)),
    "EGConv": Row(lambda: pyg.EGConv(C, C, num_heads=2)),
    "PDNConv": Row(lambda: pyg.PDNConv(C, C, D, 4), ("edge_attr",)),
    "GeneralConv": Row(lambda: pyg.GeneralConv(C, C), remark="`edge_attr` with `in_edge_channels`"),
    "HGTConv": Row(lambda: pyg.HGTConv(C, C, (["a"], [("a", "to", "a")]))),
    "HEATConv": Row(lambda: pyg.HEATConv(C, C, 2, 2, 3, D, 3, concat=False), ("node_type", "edge_type", "edge_attr")),
    "HeteroConv": Row(lambda: pyg.HeteroConv({("a", "to", "a"): pyg.GCNConv(C, C)})),
    "HANConv": Row(lambda: pyg.HANConv(C, C, (["a"], [("a", "to", "a")]))),
    "LGConv": Row(lambda: pyg.LGConv()),
    "PointGNNConv": Row(lambda: pyg.PointGNNConv(linear(C, 2), linear(C + 2), linear(C))),
    "GPSConv": Row(
        lambda: pyg.GPSConv(C, pyg.GCNConv(C, C), heads=2),
        mixes=True,
        remark="what the convolution in it needs; `norm=None` or `norm='graph_norm'` mixes nothing",
    ),
    "AntiSymmetricConv": Row(lambda: pyg.AntiSymmetricConv(C), remark="what the convolution in it needs"),
    "DirGNNConv": Row(lambda: pyg.DirGNNConv(pyg.GCNConv(C, C)), remark="hands nothing on to the convolution in it"),
    "MixHopConv": Row(lambda: pyg.MixHopConv(C, C, [1])),
    "MeshCNNConv": Row(lambda: pyg.MeshCNNConv(C, C)),
    "FusedGATConv": Row(remark="takes compressed edges and the package dgNN"),
    "CuGraphSAGEConv": Row(remark="takes compressed edges and the package pylibcugraphops; use `SAGEConv`"),
    "CuGraphGATConv": Row(remark="takes compressed edges and the package pylibcugraphops; use `GATConv`"),
    "CuGraphRGCNConv": Row(remark="takes compressed edges and the package pylibcugraphops; use `RGCNConv`"),
    "MessagePassing": Row(remark="the base class: subclasses of yours work as the others do"),
}
NOT_EXPORTED = ("GPSConv", "RGCNConv", "HEATConv", "ClusterGCNConv")  # which count nodes or edges by value
NEEDS_MORE = "needs more than nodes and their frames"
NORMS = {
    "BatchNorm": Row(lambda: pyg.BatchNorm(C), mixes=True),
    "HeteroBatchNorm": Row(lambda: pyg.HeteroBatchNorm(C, 2), remark=NEEDS_MORE),
    "InstanceNorm": Row(lambda: pyg.InstanceNorm(C)),
    "LayerNorm": Row(lambda: pyg.LayerNorm(C)),
    "HeteroLayerNorm": Row(lambda: pyg.HeteroLayerNorm(C, 2), remark=NEEDS_MORE),
    "GraphNorm": Row(lambda: pyg.GraphNorm(C)),
    "GraphSizeNorm": Row(lambda: pyg.GraphSizeNorm()),
    "PairNorm": Row(lambda: pyg.PairNorm()),
    "MeanSubtractionNorm": Row(lambda: pyg.MeanSubtractionNorm()),
    "MessageNorm": Row(lambda: pyg.MessageNorm(), remark=NEEDS_MORE),
    "DiffGroupNorm": Row(lambda: pyg.DiffGroupNorm(C, 2), mixes=True),
}
AGGREGATIONS = {
    "MultiAggregation": Row(lambda: aggr.MultiAggregation(["mean", "max"])),
    "SumAggregation": Row(lambda: aggr.SumAggregation(), remark="`ToVector` is this, over the last or the mean frame"),
    "MeanAggregation": Row(lambda: aggr.MeanAggregation()),
    "MaxAggregation": Row(lambda: aggr.MaxAggregation()),
    "MinAggregation": Row(lambda: aggr.MinAggregation()),
    "MulAggregation": Row(lambda: aggr.MulAggregation()),
    "VarAggregation": Row(lambda: aggr.VarAggregation()),
    "StdAggregation": Row(lambda: aggr.StdAggregation()),
    "SoftmaxAggregation": Row(lambda: aggr.SoftmaxAggregation()),
    "PowerMeanAggregation": Row(lambda: aggr.PowerMeanAggregation()),
    "MedianAggregation": Row(lambda: aggr.MedianAggregation()),
    "QuantileAggregation": Row(lambda: aggr.QuantileAggregation(0.5)),
    "LSTMAggregation": Row(lambda: aggr.LSTMAggregation(C, C)),
    "GRUAggregation": Row(lambda: aggr.GRUAggregation(C, C)),
    "Set2Set": Row(lambda: aggr.Set2Set(C, 2)),
    "DegreeScalerAggregation": Row(lambda: aggr.DegreeScalerAggregation("mean", "identity", torch.tensor([0, 1]))),
    "SortAggregation": Row(lambda: aggr.SortAggregation(3)),
    "GraphMultisetTransformer": Row(lambda: aggr.GraphMultisetTransformer(C, 3)),
    "AttentionalAggregation": Row(lambda: aggr.AttentionalAggregation(linear(C, 1))),
    "EquilibriumAggregation": Row(remark="its inner steps depend on the number of graphs, in PyG as well"),
    "MLPAggregation": Row(lambda: aggr.MLPAggregation(C, C, N, num_layers=1), remark="for frames of one size"),
    "DeepSetsAggregation": Row(lambda: aggr.DeepSetsAggregation(linear(C), linear(C))),
    "SetTransformerAggregation": Row(lambda: aggr.SetTransformerAggregation(C)),
    "LCMAggregation": Row(lambda: aggr.LCMAggregation(C, C)),
    "VariancePreservingAggregation": Row(lambda: aggr.VariancePreservingAggregation()),
    "PatchTransformerAggregation": Row(lambda: aggr.PatchTransformerAggregation(C, C, 2, C, 1)),
    "Aggregation": Row(remark="the base class: subclasses of yours work as the others do"),
}


def works(name, row):
    return row.make is not None and row.remark != NEEDS_MORE and not refused(name)


def refused(name):
    return next((reason for kind, reason in REFUSED.items() if kind.__name__ == name), "")


def package_is_there(row):
    return not row.package or importlib.util.find_spec(row.package) is not None


def graph_for(row, edges):
    frame = complete_edges(N) if edges == "complete" else torch.tensor([[0, 1, 2, 3, 0], [1, 0, 1, 2, 3]])
    edge_index, E = repeat_edges(frame, N, B * T), B * T * frame.size(1)
    attributes = {
        "edge_attr": lambda: torch.rand(E, D),
        "edge_type": lambda: torch.arange(E) % 2,
        "node_type": lambda: torch.arange(V) % 2,
        "normal": lambda: torch.randn(V, 3),
        "pos of three values": lambda: torch.randn(V, 3),
    }
    given = {need.split()[0]: attributes[need]() for need in row.needs}
    graph = VideoGraph(torch.randn(V, C), edge_index, layout=(T, N), box=torch.rand(V, 4), **given)
    return graph.apply(lambda value: value.double() if value.is_floating_point() else value)


def clip_of(graph, b):
    """One clip, made anew."""
    nodes, of_clip = slice(b * T * N, (b + 1) * T * N), graph.edge_index[0] // (T * N) == b
    attributes = {
        key: value[of_clip if key.startswith("edge_") else nodes]
        for key, value in graph.to_dict().items()
        if key not in ("layout", "edge_index")
    }
    return VideoGraph(edge_index=graph.edge_index[:, of_clip] - b * T * N, layout=(T, N), **attributes)


def with_missing_nodes(graph):
    """The second node of every frame is missing, and all of the second frame."""
    mask = torch.ones(V, dtype=torch.bool)
    mask[1::N] = mask[N : 2 * N] = False
    kept = mask[graph.edge_index].all(dim=0)
    edges = {key: value[..., kept] if key == "edge_index" else value[kept] for key, value in edges_of(graph)}
    return graph.with_attr(mask=mask, **edges)


def edges_of(graph):
    return [(key, value) for key, value in graph.to_dict().items() if key.startswith("edge_")]


def check(model, graph, mixes):
    """Frames and clips do not meet, gradients are finite, and nodes that are missing do not count."""
    for training in (False, True):
        model.train(training)
        torch.manual_seed(0)
        y = model(graph).frames
        other = graph.frames.clone()
        other[:, 1:] += torch.randn_like(other[:, 1:])
        torch.manual_seed(0)
        leaks = not torch.allclose(model(graph.with_x(other.flatten(0, 2))).frames[:, 0], y[:, 0])
        alone = torch.cat([model(clip_of(graph, b)).frames for b in range(B)])
        assert (leaks or not torch.allclose(alone, y)) == (training and mixes)
    model.eval()
    graph.x.requires_grad_()
    model(graph).x.square().sum().backward()
    assert graph.x.grad.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    partial = with_missing_nodes(graph.with_x(graph.x.detach()))
    noise = torch.where(partial.mask[:, None], partial.x, 1e3)
    torch.testing.assert_close(model(partial.with_x(noise)).x[partial.mask], model(partial).x[partial.mask])


@pytest.mark.parametrize("edges", ["complete", "sparse"])
@pytest.mark.parametrize("name", [name for name, row in CONVS.items() if works(name, row)])
def test_a_convolution_works_as_a_space_stage(name, edges):
    row = CONVS[name]
    if not package_is_there(row):
        with pytest.raises(ImportError):
            row.make()
        return
    model = RSTG(row.make(), nn.Identity(), nn.Identity(), num_iterations=2).double()
    check(model, graph_for(row, edges), row.mixes)


class FromNodes(nn.Module):
    """A space stage on nodes :math:`(B, T, N, C)`, all of whose other inputs are made of them."""

    def __init__(self, row):
        super().__init__()
        self.net = RSTG(row.make(), nn.Identity(), nn.Identity(), num_iterations=1)
        self.needs = [need.split()[0] for need in row.needs]

    def forward(self, x):
        edges, nodes = repeat_edges(complete_edges(N), N, x.size(0) * T), x.flatten(0, 2)
        values = {
            "edge_attr": nodes[edges[0], :D].sigmoid(),
            "edge_type": edges[0] % 2,
            "node_type": torch.arange(nodes.size(0)) % 2,
            "normal": nodes[:, :3],
        }
        pos = nodes[:, :3] if "normal" in self.needs else nodes[:, :2]
        given = {name: value for name, value in values.items() if name in self.needs}
        return self.net(VideoGraph(nodes, edges[:, loops_last(edges)], layout=(T, N), pos=pos, **given)).frames


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, row in CONVS.items() if works(name, row) and not row.package])
def test_a_convolution_is_exported_for_any_batch_or_is_named(name):
    net, shapes = FromNodes(CONVS[name]).eval(), ({0: torch.export.Dim("batch", min=1, max=16)},)
    with torch.no_grad():
        try:
            program = torch.export.export(net, (torch.rand(2, T, N, C),), dynamic_shapes=shapes).module()
            differences = [program(x) - net(x) for x in (torch.rand(1, T, N, C), torch.rand(5, T, N, C))]
        except RuntimeError:  # also of the program
            assert name in NOT_EXPORTED
        else:
            assert name not in NOT_EXPORTED
            assert max(difference.abs().max() for difference in differences) < 1e-4


@pytest.mark.parametrize("name", [name for name in CONVS if refused(name)])
def test_the_other_convolutions_are_refused(name):
    with pytest.raises(ValueError, match=f"Expected a space stage .* .got {name}: {refused(name)[:10]}"):
        RSTG(CONVS[name].make(), nn.Identity(), nn.Identity()).double()(graph_for(CONVS[name], "complete"))


@pytest.mark.parametrize("place", ["space", "nodes"])
@pytest.mark.parametrize("name", NORMS)
def test_a_norm_works_frame_by_frame_or_is_refused(name, place):
    row = NORMS[name]
    norms = {"message_norm": row.make(), "update_norm": row.make()} if place == "space" else {}
    before = row.make() if place == "nodes" else None
    model = RSTG(SpaceConv(C, **norms), nn.Identity(), nn.Identity(), norm=before).double()
    if works(name, row):
        check(model, graph_for(row, "sparse"), row.mixes)
    else:
        with pytest.raises(ValueError, match="Expected a norm of nodes and their frames|'type_vec' or 'type_ptr'"):
            model(graph_for(row, "sparse"))


@pytest.mark.parametrize("name", [name for name, row in AGGREGATIONS.items() if works(name, row)])
def test_an_aggregation_reads_frames(name):
    readout, graph = AGGREGATIONS[name].make().double().eval(), graph_for(Row(), "sparse")
    alone = [readout(frame, torch.zeros(N, dtype=torch.long)) for frame in graph.frames.abs().flatten(0, 1)]
    torch.testing.assert_close(readout(graph.x.abs(), graph.frame_index), torch.cat(alone))


NEEDS_EDGES = {"edge_attr", "edge_type"}  # of which one is made with the edges in time, and the other is not
IN_TIME = [
    name for name, row in CONVS.items() if works(name, row) and not row.package and not NEEDS_EDGES & {*row.needs}
]


@pytest.mark.parametrize("name", [*IN_TIME, "RGCNConv", "RGATConv"])
def test_a_convolution_over_time_is_causal_and_streams_or_is_named(name):
    net = SpaceTimeConv(CONVS[name].make(), connect=ConnectInTime("same_node")).double().eval()
    graph = graph_for(CONVS[name], "sparse")
    nodes = {key: graph.grid(graph[key]) for key in ("x", "pos", "normal") if key in graph}

    def frames(first, last):
        part = {key: value[:, first:last].flatten(0, 2) for key, value in nodes.items()}
        edges = repeat_edges(graph.edge_index[:, :5], N, B * (last - first))
        return VideoGraph(edge_index=edges, layout=(last - first, N), **part)

    whole = net(frames(0, T)).frames
    looks_ahead = not torch.allclose(net(frames(0, T - 1)).frames, whole[:, :-1])
    assert looks_ahead == (type(net.space_conv) in LOOKS_AHEAD)
    if not looks_ahead:
        state, parts = None, []
        for t in range(T):
            y, state = scan(net, frames(t, t + 1), state)
            parts.append(y.frames)
        torch.testing.assert_close(torch.cat(parts, dim=1), whole)


def joints_that_move(num_clips, seed):
    """Five joints on a circle that turn one way or the other, by clip."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.arange(num_clips) % 2
    start = 6.28 * torch.rand(num_clips, 1, 1, generator=generator)
    turn = (2.0 * label - 1)[:, None, None] * torch.arange(8)[:, None] * 0.4
    angle = start + turn + torch.arange(5)
    return torch.stack([angle.cos(), angle.sin(), torch.zeros_like(angle)], dim=-1), label


def test_the_model_of_the_page_tells_which_way_joints_turn():
    names = {}
    exec(re.findall(r"```python\n(.*?)```", TIME, re.DOTALL)[0], names)
    torch.manual_seed(0)
    net, skeletons = names["st_gcn"](3, 2, widths=(16, 16)), names["skeletons"]
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for step in range(40):
        joints, label = joints_that_move(32, step)
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(skeletons(joints)), label).backward()
        optimizer.step()
    joints, label = joints_that_move(100, 1000)
    assert (net(skeletons(joints)).argmax(1) == label).float().mean() > 0.95
    still = joints[:, :1].expand_as(joints)  # without motion there is nothing to tell
    assert (net(skeletons(still)).argmax(1) == label).float().mean() < 0.65


def link(package, name):
    site, path = "https://pytorch-geometric.readthedocs.io/en/latest", f"torch_geometric.{package}.{name}"
    on_one_page = package in ("utils", "loader", "profile")
    return f"[`{name}`]({site}/{f'modules/{package}.html#{path}' if on_one_page else f'generated/{path}.html'})"


def of(name):
    """What is defined in another file of tests on PyG."""
    return runpy.run_path(str(Path(__file__).parent / f"test_pyg_{name}.py"))


def table(package, rows):
    lines = ["| layer | works | the graph needs | remark |", "|---|---|---|---|"]
    for name, row in rows.items():
        needs = ", ".join(f"`{need.split()[0]}`{need.removeprefix(need.split()[0])}" for need in row.needs)
        remarks = [refused(name), row.remark, "mixes frames in training: a batch norm" if row.mixes else ""]
        package_of_row = row.package.replace("_", "-")
        answer = f"with {package_of_row}; not tested" if row.package else "yes" if works(name, row) else "no"
        cells = [link(package, name), answer, needs, "; ".join(filter(None, remarks))]
        lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |"))
    return "\n".join(lines)


TIME = """
## Time as edges

`RSTG` joins frames by recurrence. Edges may join them as well: `connect_in_time(graph, rule)`, or its module
`ConnectInTime`, adds edges from the node with the same number (`"same_node"`), from all nodes (`"complete"`), from
boxes that overlap (`"overlap"`), from the nearest nodes (`"knn"`) or along tracks (`"track"`), over the last `steps`
frames; with `causal=False` in both directions. `edge_type` says which edges are of space (0) and of time (1), as
`RGCNConv(..., num_relations=2)` takes it. `SpaceTimeConv(conv)` runs a convolution over all edges,
`SpaceTimeConv(space_conv, time_conv)` one over each kind and sums, as `HeteroConv` does. A model after ST-GCN (Yan et
al., AAAI 2018), for joints of a skeleton:

```python
import torch
from torch import nn
from torch_geometric.nn import GCNConv, SAGEConv
from pyg_video import VideoGraph
from pyg_video.functional import repeat_edges
from pyg_video.graph_builders import ConnectInTime
from pyg_video.layers import ApplyToNodes, SpaceTimeConv, ToVector, scan

BONES = torch.tensor([[0, 1, 1, 2, 1, 3, 3, 4], [1, 0, 2, 1, 3, 1, 4, 3]])  # both ways, of five joints


def skeletons(joints):  # [B, T, 5, C]
    B, T, N, C = joints.shape
    return VideoGraph(joints.flatten(0, 2), repeat_edges(BONES, N, B * T), layout=(T, N))


def st_gcn(channels, num_classes, widths=(32, 32, 64)):
    layers, connect = [], ConnectInTime("same_node", steps=4)
    for width in widths:
        conv = SpaceTimeConv(GCNConv(channels, width), SAGEConv(channels, width), connect=connect)
        layers += [conv, ApplyToNodes(nn.Sequential(nn.LayerNorm(width), nn.ReLU()))]
        channels = width
    return nn.Sequential(*layers, ToVector("mean"), nn.Linear(channels, num_classes))


model, joints, state = st_gcn(3, num_classes=10), torch.randn(2, 12, 5, 3), None
for part in joints.split(4, dim=1):  # a stream, four frames at a time
    scores, state = scan(model, skeletons(part), state)
assert torch.allclose(scores, model(skeletons(joints)), atol=1e-5)
```

Edges that go forward never show a frame a later one, and a clip in pieces gives the numbers of the clip whole: with
every convolution of the table above that needs no `edge_attr`, but for `ChebConv` and `DirGNNConv`, which look ahead
and are refused in a stream.
"""


EXPLANATIONS = """
## Explanations

`explain(model, video, target)` runs PyG's explainers on the graph of every block of a model, `explain_graph` on any
module from a graph to a graph or to class scores. What comes back are the graphs with a `node_mask`, an `edge_mask` and
a `frame_mask`; `plot_explanation` draws them over the frames. An `edge_mask` belongs to the `edge_index` number for
number, whether a convolution adds self-loops or not, also over edges in time. Frames after the one that is explained
have masks of 0 where edges go forward.

```python
import torch
from torch_geometric.explain import AttentionExplainer
from pyg_video.inspection import explain
from pyg_video.models import create_model
from pyg_video.visualization import plot_explanation

model, video = create_model("rstg_sync_mnist", num_classes=10, frame_size=28), torch.rand(1, 4, 1, 28, 28)
graph = explain(model, video, target=3)["head.builder"]  # a GNNExplainer, if no other algorithm is given
assert graph.frame_mask.shape == (1, 4) and len(graph.edge_mask) == graph.num_edges
figure = plot_explanation(graph, video[0])  # figure.savefig("explanation.png")
attention = explain(model, video, algorithm=AttentionExplainer())["head.builder"].edge_mask
```

Masks tell within a graph which nodes and edges count more than others; how large they are is less telling, since norms
undo a factor that all nodes have in common. Refused are `HomogeneousGraph`, attention over two kinds of edges, and
clips with padding where a convolution knows no mask.
"""


def page():
    parts = ("pooling", "transforms", "utils", "loaders", "tools")
    sections = "".join(of(part)["section"](link) for part in parts)
    return f"""# PyG's layers on clips

`python tests/test_pyg.py` writes this page; the tests in that file and in its neighbours, `test_pyg_pooling.py`,
`test_pyg_transforms.py`, `test_pyg_utils.py`, `test_pyg_loaders.py` and `test_pyg_tools.py`, prove its rows. "Works"
means: no frame and no clip changes the numbers of another, gradients are finite, and missing nodes do not count. The
notebook `examples/compose_with_pyg.ipynb` puts loaders, convolutions, edges in time, explanations and export together.

## Convolutions

As the space stage of `RSTG`: any convolution `(x, edge_index) -> x` that keeps the channels. What a `forward` names is
passed on by name: `batch` (frames), `pos`, `x_0` (the nodes before the first iteration), and every attribute of the
graph. The graph of a builder has `pos`; set the rest with `graph.with_attr(edge_attr=...)`. `cached=True` is refused,
as is an `edge_attr` that a convolution would ignore.
[Exported](export.md) are all but {", ".join(map("`{}`".format, NOT_EXPORTED))}.

{table("nn.conv", CONVS)}

## Norms

As a norm of `SpaceConv` or `RSTG`: frames are the graphs.

{table("nn.norm", NORMS)}

## Aggregations

`aggregation(graph.x, graph.frame_index)` gives a vector per frame, `aggregation(graph.x, graph.batch)` one per clip.

{table("nn.aggr", AGGREGATIONS)}
{sections}{TIME}{EXPLANATIONS}{of("tools")["explainers"](link)}"""


def test_every_layer_of_pyg_has_a_row():
    assert set(conv.__all__) == CONVS.keys()
    assert set(norm.__all__) == NORMS.keys()
    assert set(aggr.__all__) == AGGREGATIONS.keys()


def test_the_page_is_that_of_the_tables():
    assert PAGE.read_text() == page()


if __name__ == "__main__":
    PAGE.write_text(page())
