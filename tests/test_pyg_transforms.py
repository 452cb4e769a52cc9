"""PyG's transforms on graphs of clips, a table of ``docs/pyg.md``, see ``test_pyg.py``."""

import pytest
import torch
from torch import nn
from torch_geometric import nn as pyg
from torch_geometric import transforms

from pyg_video.graph_builders import GridGraph
from pyg_video.layers import RSTG, SpaceConv

C, N = 8, 14

ALL_FRAMES = "computes with all nodes of the graph: apply it to `graph.frame(b, t)`, where frames must not meet"
AT_RANDOM = "at random"
NORMED = "with `norm=False`, else divided by the largest of all frames"
GRIDLESS = "other nodes: no grid any more"
SURFACE = "for surfaces, of `face`"
TRANSFORMS = {
    "BaseTransform": ("yes", "the base class: subclasses of yours work as the others do"),
    "Compose": ("yes", "as the transforms in it"),
    "ComposeFilters": ("yes", "as the filters in it"),
    "ToDevice": ("yes", ""),
    "ToSparseTensor": ("no", "refused by `RSTG`, which takes `edge_index`; `remove_edge_index=False` keeps it"),
    "Constant": ("yes", "a channel more"),
    "NormalizeFeatures": ("yes", ALL_FRAMES),
    "SVDFeatureReduction": ("yes", ALL_FRAMES),
    "RemoveTrainingClasses": ("yes", "of `train_mask`"),
    "RandomNodeSplit": ("yes", "chooses among the nodes of all frames"),
    "RandomLinkSplit": ("yes", "chooses among the edges of all frames; the grid holds"),
    "NodePropertySplit": ("yes", ALL_FRAMES),
    "IndexToMask": ("yes", ""),
    "MaskToIndex": ("yes", ""),
    "Pad": ("no", GRIDLESS + "; `pad_clips` pads clips"),
    "ToUndirected": ("yes", ""),
    "OneHotDegree": ("yes", "channels more"),
    "TargetIndegree": ("yes", NORMED + "; `edge_dim=1`"),
    "LocalDegreeProfile": ("yes", "five channels more"),
    "AddSelfLoops": ("yes", "loops behind the other edges"),
    "AddRemainingSelfLoops": ("yes", "likewise"),
    "RemoveSelfLoops": ("yes", ""),
    "RemoveIsolatedNodes": ("yes", "where no node is isolated; else " + GRIDLESS),
    "RemoveDuplicatedEdges": ("yes", ""),
    "KNNGraph": ("with pyg-lib; not tested", 'joins frames; `connect="knn"` of a builder does not'),
    "RadiusGraph": ("with pyg-lib; not tested", "joins frames, likewise"),
    "ToDense": ("no", "no edges and no grid any more; `graph.dense_edges()` gives matrices"),
    "TwoHop": ("yes", ""),
    "LineGraph": ("no", "nodes become edges: no grid any more"),
    "LaplacianLambdaMax": ("yes", "the largest of all frames, `lambda_max`, for each as for all"),
    "GDC": ("yes", "on `graph.frame(b, t)`: on a clip, its threshold depends on all frames"),
    "SIGN": ("yes", ""),
    "GCNNorm": ("yes", "an `edge_weight`, for what takes it"),
    "AddMetaPaths": ("no", "for graphs of several kinds of nodes, `HeteroData`"),
    "AddRandomMetaPaths": ("no", "for graphs of several kinds of nodes, `HeteroData`"),
    "RootedEgoNets": ("no", "nodes of subgraphs: a `Data` of another kind"),
    "RootedRWSubgraph": ("no", "nodes of subgraphs: a `Data` of another kind"),
    "LargestConnectedComponents": ("no", GRIDLESS),
    "VirtualNode": ("no", "a node of all frames is added: no grid any more"),
    "AddLaplacianEigenvectorPE": ("yes", ALL_FRAMES),
    "AddRandomWalkPE": ("yes", ""),
    "AddGPSE": ("with a model for it; not tested", ""),
    "FeaturePropagation": ("yes", ""),
    "HalfHop": ("no", "nodes are added: no grid any more"),
    "Distance": ("yes", NORMED + "; `edge_dim=1`"),
    "Cartesian": ("yes", NORMED + "; `edge_dim=2`"),
    "LocalCartesian": ("yes", "`edge_dim=2`"),
    "Polar": ("yes", NORMED + "; `edge_dim=2`"),
    "Spherical": ("yes", NORMED + "; of a `pos` of three values; `edge_dim=3`"),
    "PointPairFeatures": ("yes", "of a `pos` of three values and their normals `norm`; `edge_dim=4`"),
    "Center": ("yes", ALL_FRAMES),
    "NormalizeRotation": ("yes", ALL_FRAMES),
    "NormalizeScale": ("yes", ALL_FRAMES),
    "RandomJitter": ("yes", AT_RANDOM),
    "RandomFlip": ("yes", AT_RANDOM + "; of `pos` alone, not of `box`"),
    "LinearTransformation": ("yes", "of `pos` alone, not of `box`"),
    "RandomScale": ("yes", AT_RANDOM + "; of `pos` alone"),
    "RandomRotate": ("yes", AT_RANDOM + "; of `pos` alone"),
    "RandomShear": ("yes", AT_RANDOM + "; of `pos` alone"),
    "FaceToEdge": ("no", SURFACE),
    "SamplePoints": ("no", SURFACE),
    "FixedPoints": ("no", GRIDLESS),
    "GenerateMeshNormals": ("no", SURFACE),
    "Delaunay": ("no", "triangles across frames, in `face`; edges stay as they are"),
    "ToSLIC": ("no", "of images; `SuperpixelGraph` is the builder"),
    "GridSampling": ("with pyg-lib; not tested", GRIDLESS),
}


@pytest.fixture
def clips():
    """Nodes at places of their own, in frames of their own."""
    graph = GridGraph(C)(torch.randn(2, 3, C, 6, 6)).detach()
    return graph.with_attr(pos=torch.rand(graph.num_nodes, 3), norm=torch.rand(graph.num_nodes, 3))


def made(name, V):
    """A transform for a graph of ``V`` nodes."""
    with_options = {
        "SVDFeatureReduction": lambda: transforms.SVDFeatureReduction(2),
        "NodePropertySplit": lambda: transforms.NodePropertySplit("popularity", [0.3, 0.1, 0.1, 0.1, 0.4]),
        "Compose": lambda: transforms.Compose([transforms.Constant()]),
        "ToDevice": lambda: transforms.ToDevice("cpu"),
        "Pad": lambda: transforms.Pad(100, 1000),
        "OneHotDegree": lambda: transforms.OneHotDegree(N),
        "SIGN": lambda: transforms.SIGN(2),
        "AddLaplacianEigenvectorPE": lambda: transforms.AddLaplacianEigenvectorPE(2, is_undirected=True),
        "AddRandomWalkPE": lambda: transforms.AddRandomWalkPE(2),
        "FeaturePropagation": lambda: transforms.FeaturePropagation((torch.arange(V) % N == 0)[:, None].expand(V, C)),
        "HalfHop": lambda: transforms.HalfHop(p=1.0),
        "RandomFlip": lambda: transforms.RandomFlip(0, p=1.0),
        "LinearTransformation": lambda: transforms.LinearTransformation(2 * torch.eye(3)),
        "RandomScale": lambda: transforms.RandomScale((1.5, 1.5)),
        "RandomRotate": lambda: transforms.RandomRotate((30, 30)),
        "FixedPoints": lambda: transforms.FixedPoints(28),
    }
    unnormalized = ("TargetIndegree", "Distance", "Cartesian", "Polar", "Spherical")
    options = {"norm": False} if name in unnormalized else {}
    return with_options.get(name, lambda: getattr(transforms, name)(**options))()


def frame_by_frame(name, clips):
    """The last frame of the clips transformed together, and transformed alone."""
    clips = clips.with_attr(pos=clips.pos[:, :2]) if name == "Polar" else clips
    torch.manual_seed(0)
    together = made(name, clips.num_nodes)(clips.clone())
    torch.manual_seed(0)
    return together.frame(1, 2), made(name, N)(clips.frame(1, 2))


def equal(one, other):
    assert set(one.keys()) == set(other.keys())
    values = [(one[key], other[key]) for key in one.keys() if isinstance(one[key], torch.Tensor)]  # noqa: SIM118
    return all(x.shape == y.shape and torch.allclose(x.float(), y.float(), atol=1e-5) for x, y in values)


OF_MORE = ("BaseTransform", "ComposeFilters", "RandomLinkSplit", "RandomNodeSplit", "RemoveTrainingClasses", "GDC")
ALONE = [
    name
    for name, (answer, remark) in TRANSFORMS.items()
    if answer == "yes" and remark != ALL_FRAMES and AT_RANDOM not in remark and name not in OF_MORE
]


@pytest.mark.parametrize("name", ALONE)
def test_a_frame_is_that_of_the_frame_alone(name, clips):
    assert equal(*frame_by_frame(name, clips))


@pytest.mark.parametrize("name", [name for name, row in TRANSFORMS.items() if row[1] == ALL_FRAMES])
def test_what_computes_with_all_frames_is_named(name, clips):
    assert not equal(*frame_by_frame(name, clips))


@pytest.mark.parametrize("name", [name for name, row in TRANSFORMS.items() if AT_RANDOM in row[1]])
def test_what_is_random_leaves_the_grid(name, clips):
    moved = made(name, clips.num_nodes)(clips.clone()) if name not in ("RandomJitter", "RandomShear") else None
    moved = getattr(transforms, name)(0.1)(clips.clone()) if moved is None else moved
    assert moved.frames.shape == (2, 3, N, C)
    assert not torch.equal(moved.pos, clips.pos)
    assert torch.equal(moved.box, clips.box)


WITHOUT_GRID = [name for name, row in TRANSFORMS.items() if "no grid" in row[1] and "pyg-lib" not in row[0]]


@pytest.mark.parametrize("name", WITHOUT_GRID)
def test_other_nodes_have_no_grid(name, clips):
    one_edge_per_node = torch.stack([torch.arange(clips.num_nodes).view(-1, N).roll(1, 1).flatten(), torch.arange(84)])
    graph = clips.with_attr(edge_index=one_edge_per_node)
    if name == "LineGraph":
        graph.edge_attr = torch.randn(84, C)  # as many edges as nodes, and with what could be their features
    if name == "RemoveIsolatedNodes":
        graph = clips.with_attr(edge_index=one_edge_per_node[:, :N])  # one of six frames is left
    graph = made(name, clips.num_nodes)(graph)
    with pytest.raises(ValueError, match="layout"):
        _ = graph.frames


@pytest.mark.parametrize(
    "name", ["AddSelfLoops", "Cartesian", "Distance", "GCNNorm", "ToUndirected", "PointPairFeatures"]
)
def test_a_space_stage_takes_what_is_made_of_edges(name, clips):
    one, other = frame_by_frame(name, clips)
    edge_dim = one.edge_attr.size(-1) if "edge_attr" in one else 0
    model = RSTG(SpaceConv(C, edge_dim=edge_dim), nn.Identity(), nn.Identity())
    together = model(made(name, clips.num_nodes)(clips.clone())).frames[1, 2]
    torch.testing.assert_close(together, model(other).frames[0, 0], atol=1e-5, rtol=1e-4)


def test_diffusion_is_right_on_a_frame(clips):
    frame = transforms.GDC()(clips.frame(1, 2))
    assert frame.frames.shape == (1, 1, N, C)
    model = RSTG(pyg.GATConv(C, C, edge_dim=1), nn.Identity(), nn.Identity())
    assert model(frame).x.isfinite().all()


def test_sparse_edges_are_refused(clips):
    model = RSTG(SpaceConv(C), nn.Identity(), nn.Identity())
    sparse = transforms.ToSparseTensor(layout=torch.sparse_csr)
    with pytest.raises(ValueError, match="Expected a graph with 'edge_index' .got one without"):
        model(sparse(clips.clone()))
    kept = transforms.ToSparseTensor(layout=torch.sparse_csr, remove_edge_index=False)(clips.clone())
    torch.testing.assert_close(model(kept).x, model(clips).x)


def test_every_transform_of_pyg_has_a_row():
    assert set(transforms.__all__) == TRANSFORMS.keys()


def section(link):
    rows = [f"| {link('transforms', name)} | {answer} | {remark} |" for name, (answer, remark) in TRANSFORMS.items()]
    table = "\n".join(["\n## Transforms\n\n| transform | works | on a clip |\n|---|---|---|", *rows, ""])
    return table.replace("|  |", "| |")
