"""Our modules, loaded with the authors' variables, against what the authors' code computed (RSTG, TensorFlow).

``golden/rstg_*.npz`` are excerpts of recordings of the released code with random weights: ``weights:``, ``array:`` and
``gradients:`` of ``sum(to_map * cot_to_map) + sum(final_video_feats * cot_final_video_feats)``. Recorded in float32;
ours run in float64. Bounds on ``max|ours - theirs| / max|theirs|``: 5e-5 forward, 2e-4 for gradients.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from pyg_video.checkpoints import load_published_rstg
from pyg_video.functional import box_edges, box_kernel, grid_boxes
from pyg_video.graph_builders import GridGraph
from pyg_video.layers import ApplyToNodes, ConnectAllPairs, GaussianPosition, ToMap, ToVector
from pyg_video.layers.norm import normalize

GOLDEN = Path(__file__).parent / "golden"
FORWARD, GRADIENT = 5e-5, 2e-4


class Recording:
    """One golden file: our modules with its weights, and its arrays."""

    def __init__(self, name):
        file = np.load(GOLDEN / f"rstg_{name}.npz")
        self.arrays = {key.removeprefix("array:"): file[key] for key in file.files if key.startswith("array:")}
        self.weights = {key.removeprefix("weights:"): file[key] for key in file.files if key.startswith("weights:")}
        self.gradients = {
            key.removeprefix("gradients:"): file[key] for key in file.files if key.startswith("gradients:")
        }
        self.published = load_published_rstg(self.weights)
        self.builder, self.processor = self.published.builder.double(), self.published.processor.double()
        self.input = torch.tensor(self.arrays["input"]).double().permute(0, 1, 4, 2, 3)  # channels last

    def check(self, ours, name, bound=FORWARD):
        """Compare with the recorded part of an array."""
        theirs = torch.tensor(self.arrays[name]).double()
        ours = ours[tuple(slice(0, n) for n in theirs.shape)]
        assert ours.shape == theirs.shape
        error = (ours - theirs).abs().max() / theirs.abs().max()
        assert error < bound, f"{name}: {error:.2e}"


@pytest.fixture(scope="module", params=["additive_position", "dot_scalewise"])
def recording(request):
    return Recording(request.param)


def test_the_nodes_are_the_authors(recording):
    graph = recording.builder(recording.input)
    recording.check(graph.frames.detach(), "patch_feats")


def test_the_edges_are_the_authors(recording):
    adjacency = torch.zeros(14, 14)
    sender, receiver = GridGraph(4).frame_edges
    adjacency[receiver, sender] = 1
    assert np.array_equal(recording.arrays["adj_used"][0], adjacency)


def test_the_boxes_are_the_authors_up_to_their_rounding(recording):
    H = recording.arrays["patch_coords"].max()
    boxes = torch.cat([grid_boxes(s, s) for s in (3, 2, 1)])
    left, top, right, bottom = (edge * H for edge in box_edges(boxes))
    ours = torch.stack([left, right, top, bottom], dim=-1)
    assert (
        ours - torch.tensor(recording.arrays["patch_coords"])
    ).abs().max() < 2.01  # int(H / s) drops up to 2/3 a cell


@torch.no_grad()
def test_every_stage_is_the_authors(recording):
    graph = recording.builder(recording.input)
    *before, rstg = [part for part in recording.processor if not _projects_back(recording, part)]
    for part in before:
        graph = part(graph)
    B, T, N, C = graph.frames.shape
    seen = {}
    dense, sparse = rstg.space, rstg.space.sparse()
    sparse.send_mlp.register_forward_hook(lambda module, args, y: seen.update(messages=y))
    sparse.message_norm.register_forward_hook(lambda module, args, y: seen.update(messages=y))
    sparse.update_mlp.register_forward_hook(lambda module, args, y: seen.update(ends=args[0]))

    def by_time(x):
        return x.view(B, T, *x.shape[1:]).transpose(0, 1)

    context = {"frames": graph.node_frames, "return_attention_weights": True}
    context |= {"position": graph._store.get("position"), "adjacency": graph.adjacency}
    on_pairs = {"frames": graph.node_frames, "adjacency": graph.dense_edges(graph.adjacency).flatten(0, 1)}
    if "position" in graph:
        on_pairs["position"] = graph.grid(graph.position).flatten(0, 1)
    x = normalize(rstg.norm, graph.frames, graph.node_frames)
    for k in range(3):
        x = rstg.time(x)
        recording.check(x.transpose(0, 1), f"iter{k}_time_out")
        y, (_, alpha) = sparse(x.flatten(0, 2), graph.edge_index, **context)
        recording.check(by_time(seen["messages"].view(B * T, N, N, C)), f"iter{k}_messages")
        recording.check(by_time(alpha.view(B * T, N, N, -1).permute(0, 3, 1, 2)), f"iter{k}_att")
        recording.check(by_time(seen["ends"].view(B * T, N, -1)[..., -C:]), f"iter{k}_agg")
        x = dense(x.flatten(0, 1), **on_pairs).view(B, T, N, C)
        torch.testing.assert_close(x, y.view_as(x))
        recording.check(x.transpose(0, 1), f"iter{k}_space_out")
    recording.check(x.transpose(0, 1), "final_time_in")
    recording.check(rstg.final_time(x).transpose(0, 1), "final_time_out")


def _projects_back(recording, part):
    return isinstance(part, ApplyToNodes) and part is recording.processor[-1]


@torch.no_grad()
def test_nodes_vector_and_map_are_the_authors(recording):
    graph = recording.processor(recording.builder(recording.input))
    recording.check(graph.frames.transpose(0, 1), "final_nodes_feats")
    recording.check(graph.frames.sum(2).transpose(0, 1), "final_frames_feats")
    recording.check(ToVector("mean")(graph), "final_video_feats")
    recording.check(ToMap()(graph).permute(0, 1, 3, 4, 2), "to_map")


@torch.no_grad()
def test_the_residual_norms_are_the_authors():
    recording = Recording("dot_scalewise")
    graph = recording.processor(recording.builder(recording.input))
    norm = recording.published.norms["vec"].double()
    recording.check(norm(ToVector("mean")(graph)), "residual_norm_vec")
    block = recording.published.block("map").double()
    recording.check((block(recording.input) - recording.input).permute(0, 1, 3, 4, 2), "residual_norm_map")


def test_the_gradients_are_the_authors(recording):
    x = recording.input.clone().requires_grad_()
    recording.builder.zero_grad()
    recording.processor.zero_grad()
    graph = recording.processor(recording.builder(x))
    to_map = ToMap()(graph).permute(0, 1, 3, 4, 2) * torch.tensor(recording.arrays["cot_to_map"])
    to_vec = ToVector("mean")(graph) * torch.tensor(recording.arrays["cot_final_video_feats"])
    (to_map.sum() + to_vec.sum()).backward()
    ours = _by_published_name(recording)
    ours["input"] = x.grad.permute(0, 1, 3, 4, 2)
    assert ours.keys() == recording.gradients.keys()
    for name, gradient in recording.gradients.items():
        theirs = torch.tensor(gradient).double()
        error = (ours[name].view_as(theirs) - theirs).abs().max() / theirs.abs().max()
        assert error < GRADIENT, f"{name}: {error:.2e}"


def _by_published_name(recording):
    """The gradients of our parameters, put together as those of the authors' variables.

    Loading the place of every number instead of the number tells where in our parameters each of them went.
    """
    first, places = 0, {}
    for name, value in recording.weights.items():
        places[name] = first + np.arange(value.size, dtype=np.float32).reshape(value.shape)
        first += value.size
    assert first < 2**24  # whole numbers that float32 holds
    gradient = torch.zeros(first, dtype=torch.float64)
    where = load_published_rstg(places).processor
    for (name, ours), place in zip(recording.processor.named_parameters(), where.parameters(), strict=True):
        assert ours.grad is not None, name
        gradient.index_add_(0, place.detach().flatten().long(), ours.grad.flatten())
    chosen = recording.gradients.keys() & places.keys()
    return {name: gradient[torch.from_numpy(places[name].astype(np.int64))] for name in chosen}


def test_the_gaussians_are_the_authors():
    recording = Recording("additive_position")
    position = GaussianPosition(6, std=2.0)(recording.builder(recording.input)).position
    recording.check(position.view(-1, 14, 36)[0], "positional_emb")


def test_the_adjacency_multiplies_the_logits(recording):
    adjacency = ConnectAllPairs()(recording.builder(recording.input)).adjacency.view(-1, 14, 14)[0]
    assert np.array_equal(recording.arrays["adj_used"][0], adjacency)


RESIZE = np.load(GOLDEN / "rstg_resize_filters.npz")


@pytest.mark.parametrize("name", [name for name in RESIZE.files if int(name.split("_to_")[1].split("x")[0]) <= 3])
def test_pooling_cells_by_area_is_the_authors(name):
    """Their table ``[rows, cols, H, W]`` of an n x n map into s x s cells is our kernel over its sum."""
    n, s = (int(side.split("x")[0]) for side in name.split("_to_"))
    kernel = box_kernel(grid_boxes(s, s, dtype=torch.float64), (n, n))
    ours = (kernel / kernel.sum(dim=(1, 2), keepdim=True)).view(s, s, n, n)
    assert (ours - torch.tensor(RESIZE[name])).abs().max() < FORWARD


@pytest.mark.parametrize("name", [name for name in RESIZE.files if int(name.split("_to_")[1].split("x")[0]) > 3])
def test_going_back_by_area_is_the_authors(name):
    """Their table ``[H, W, rows, cols]`` of s x s cells into an n x n map is our kernel: columns sum to 1."""
    s, n = (int(side.split("x")[0]) for side in name.split("_to_"))
    ours = box_kernel(grid_boxes(s, s, dtype=torch.float64), (n, n)).view(s, s, n, n).permute(2, 3, 0, 1)
    assert (ours - torch.tensor(RESIZE[name])).abs().max() < FORWARD
