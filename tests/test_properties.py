"""What holds for every builder, processor and readout together."""

import pytest
import torch
from torch import nn

from pyg_video.graph_builders import REGION_BUILDERS, BoxGraph, list_builders, resolve_builder
from pyg_video.layers import (
    RSTG,
    FrameNorm,
    GaussianPosition,
    GraphBlock,
    KernelEmbedding,
    SpaceConv,
    TemporalRNN,
    ToMap,
    ToVector,
    precision,
    scan,
)

C, SIZE = 8, (7, 6)
BUILDERS = [*list_builders(), "dyreg+overlap", "dyreg+knn", "dyreg+attention", "saliency+track"]

CAUSAL = [name for name in BUILDERS if name != "constant_time"]  # which looks at the whole clip
# The number of edges depends on the values (boxes that are missing, edges that come and go), or a library that is not
# torch makes the nodes: these compile with breaks in the graph.
BROKEN_GRAPHS = {"box", "superpixel", "cluster", "dyreg+overlap", "dyreg+attention"}
# Pixels are assigned, or points chosen, for good: rounding to bfloat16 may decide otherwise.
HARD_CHOICES = {"superpixel", "cluster", "saliency", "saliency+track", "dyreg+overlap", "dyreg+knn"}


class GivenBoxes(BoxGraph):
    """Boxes that the test need not hand on: drawn once, a third of them missing."""

    def __init__(self, *args):
        super().__init__(*args)
        generator = torch.Generator().manual_seed(5)
        self.given = torch.rand(16, self.num_nodes, 4, generator=generator, dtype=torch.float64) / 2 + 0.2
        self.given[torch.rand(16, self.num_nodes, generator=generator) < 1 / 3] = torch.nan

    def regions(self, x):
        return super().regions(x, self.given[: x.size(1)].expand(len(x), -1, -1, -1))


def build(name):
    name, _, option = name.partition("+")
    if name == "box":
        return GivenBoxes(C, 4)
    options = {"region_channels": 8, "gain": 1.0} if name in REGION_BUILDERS else {}
    if option:
        options |= {"track": True} if option == "track" else {"connect": option}
    num_nodes = None if name in {"grid", "dyreg"} else 4
    return resolve_builder(name, C, num_nodes, size=SIZE, **options)


def process():
    norms = {"message_norm": FrameNorm(C), "update_norm": FrameNorm(C)}
    return RSTG(SpaceConv(C, **norms), TemporalRNN(C), TemporalRNN(C), norm=FrameNorm(C))


def model(name, readout=ToVector):
    torch.manual_seed(2)
    return nn.Sequential(build(name), KernelEmbedding(C, SIZE), process(), readout())


@pytest.fixture
def x():
    return torch.randn(2, 4, C, *SIZE)


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("readout", [ToMap, ToVector])
def test_two_clips_in_a_batch_equal_the_clips_alone(name, readout, x):
    net = model(name, readout).double()
    x = x.double()
    torch.testing.assert_close(net(x), torch.cat([net(clip[None]) for clip in x]))


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_pixel_that_is_no_number_is_refused(name, value, x):
    x[1, 2, 0, 1, 1] = value
    with pytest.raises(ValueError, match=r"Expected finite 'x' \(got NaN or infinity in frame 2 of clip 1\)"):
        build(name)(x)


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_is_no_number_beyond_the_end_of_a_clip_changes_nothing(name, value, x):
    net, lengths = nn.ModuleList([build(name), process(), ToVector()]), torch.tensor([2, 4])
    odd = x.clone()
    odd[0, 2:, 3] = value
    odd, even = (net[2](net[1](net[0](given, lengths))) for given in (odd, x))
    torch.testing.assert_close(odd, even)


@pytest.mark.parametrize("name", CAUSAL)
def test_future_frames_do_not_leak_into_the_map(name, x):
    net = model(name, ToMap).double()
    later = x.double().clone()
    later[:, 2:] += 1
    torch.testing.assert_close(net(later)[:, :2], net(x.double())[:, :2])


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("time", ["last", "mean"])
def test_padded_clips_equal_the_clips_alone(name, time, x):
    builder, processor, readout = build(name).double(), process().double(), ToVector(time)
    x, lengths = x.double(), torch.tensor([2, 4])
    padded = readout(processor(builder(x, lengths)))
    alone = [readout(processor(builder(x[b : b + 1, :n]))) for b, n in enumerate(lengths)]
    torch.testing.assert_close(padded, torch.cat(alone))


@pytest.mark.parametrize("name", BUILDERS)
def test_renumbered_nodes_give_renumbered_results(name, x):
    """Nodes in another order within each frame, edges and kernels along with them: the map stays the same."""
    builder, processor = build(name).double(), process().double()
    graph = builder(x.double())
    N = builder.num_nodes
    order = torch.randperm(N)
    place = (torch.arange(graph.num_nodes).view(-1, N)[:, order]).flatten()
    nodes = {key: graph[key][place] for key in ("x", "kernel", "box", "mask") if key in graph}
    other = graph.with_attr(**nodes, edge_index=place.argsort()[graph.edge_index])
    torch.testing.assert_close(ToMap()(processor(other)), ToMap()(processor(graph)))


@pytest.mark.parametrize("name", ["grid", "dyreg"])
@pytest.mark.parametrize("readout", [ToMap, ToVector])
def test_the_whole_model_compiles_into_one_graph(name, readout, x):
    net = model(name, readout)
    torch._dynamo.reset()
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), net(x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", [name for name in BUILDERS if name not in {*BROKEN_GRAPHS, *REGION_BUILDERS[:-1]}])
def test_every_builder_compiles_into_one_graph(name, x):
    net = nn.Sequential(build(name), ToMap())
    torch._dynamo.reset()
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), net(x), atol=1e-5, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # dynamo's own, at a break
@pytest.mark.parametrize("name", sorted(BROKEN_GRAPHS))
def test_the_other_builders_compile_with_breaks(name, x):
    processor = RSTG(SpaceConv(C), TemporalRNN(C), nn.Identity(), num_iterations=1) if name == "box" else nn.Identity()
    net = nn.Sequential(build(name), processor, ToMap())
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(net, backend="eager")(x), net(x), atol=1e-5, rtol=1e-4)


def test_gaussian_positions_compile_too(x):
    space = SpaceConv(C, position_channels=36)
    net = nn.Sequential(build("grid"), GaussianPosition(), RSTG(space, TemporalRNN(C), TemporalRNN(C)), ToMap())
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(net, fullgraph=True, backend="eager")(x), net(x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", BUILDERS)
def test_bfloat16_autocast_stays_close_to_float32(name, x, monkeypatch):
    monkeypatch.setattr(precision, "_has_bfloat16", lambda: True)  # whatever the machine has
    block = GraphBlock(C, build(name), process())
    nn.init.ones_(block.norm.weight)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = block(x)
        y.float().square().mean().backward()
    assert name in HARD_CHOICES or (y.float() - block(x)).norm() < 0.05 * block(x).norm()
    assert all(p.grad.isfinite().all() for p in block.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("readout", [ToMap, ToVector])
def test_pure_bfloat16_runs(name, readout):
    x = torch.randn(9, 3, C, *SIZE)
    y = model(name, readout).bfloat16()(x.bfloat16())
    assert y.dtype == torch.bfloat16
    assert y.isfinite().all()
    want = model(name, readout)(x)
    # Of most clips: where two choices are close, such as two slots for a pixel, rounding decides.
    error = (y.float() - want).flatten(1).norm(dim=1) / want.flatten(1).norm(dim=1)
    assert name in HARD_CHOICES or error.median() < 0.1


@pytest.mark.parametrize("name", BUILDERS)
def test_gradients_of_the_whole_model_are_right(name):
    net = model(name, ToMap).double()
    x = torch.randn(1, 2, C, *SIZE, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(net, x, fast_mode=True)


@pytest.mark.parametrize("name", [name for name in CAUSAL if name != "box"])  # which its own tests scan
def test_chunks_give_the_map_of_the_clip_at_once(name, x):
    net = model(name, ToMap).double()
    first, state = scan(net, x[:, :1].double())
    second, _ = scan(net, x[:, 1:].double(), state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), net(x.double()))


@pytest.mark.parametrize("name", BUILDERS)
def test_the_same_weights_and_clip_give_the_same_bits(name, x):
    assert torch.equal(model(name, ToMap)(x), model(name, ToMap)(x))


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_gradients_are_the_same_bits_in_deterministic_mode(name, device, x, monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    net, x = model(name, ToMap).to(device), x.to(device)
    torch.use_deterministic_algorithms(True)
    try:
        found = []
        for _ in range(2):
            net.zero_grad()
            net(x).square().sum().backward()
            found.append([p.grad for p in net.parameters() if p.grad is not None])
    finally:
        torch.use_deterministic_algorithms(False)
    assert found[0]
    assert all(map(torch.equal, *found))


@pytest.mark.parametrize("name", BUILDERS)
def test_input_need_not_be_contiguous(name, x):
    net = model(name)
    channels_last = x.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    torch.testing.assert_close(net(channels_last), net(x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize(("T", "size"), [(1, SIZE), (7, SIZE), (3, (12, 9)), (2, (5, 14))])
def test_the_same_weights_run_at_another_length_and_map_size(name, T, size):
    y = model(name, ToMap)(torch.randn(2, T, C, *size))
    assert y.shape == (2, T, C, *size)
    assert y.isfinite().all()


@pytest.mark.parametrize("name", BUILDERS)
def test_the_explainer_sees_the_graph(name, x):
    from torch_geometric.explain import Explainer, GNNExplainer

    builder, processor = build(name), process()

    class Score(nn.Module):
        def __init__(self):
            super().__init__()
            self.processor = processor

        def forward(self, x, edge_index, *, graph):
            return ToVector()(self.processor(graph.with_attr(x=x, edge_index=edge_index))).sum(-1, keepdim=True)

    graph = builder(x[:1]).detach()
    explainer = Explainer(
        Score(),
        GNNExplainer(epochs=1),
        explanation_type="model",
        node_mask_type="attributes",
        edge_mask_type="object",
        model_config={"mode": "regression", "task_level": "graph", "return_type": "raw"},
    )
    explanation = explainer(graph.x, graph.edge_index, graph=graph)
    assert explanation.edge_mask.shape == (graph.num_edges,)


@pytest.mark.gpu
@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("readout", [ToMap, ToVector])
def test_a_gpu_gives_the_numbers_of_the_cpu(name, readout, x):
    net = model(name, readout)
    want = net(x)
    got = net.cuda()(x.cuda())
    torch.testing.assert_close(got.cpu(), want, atol=1e-3, rtol=1e-3)
