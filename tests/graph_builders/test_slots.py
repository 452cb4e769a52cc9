import pytest
import torch
from torch import nn

from pyg_video.functional import kernel_boxes, normalize_kernel, pool
from pyg_video.graph_builders import SlotAttention, SlotGraph
from pyg_video.graph_builders.slots import _places
from pyg_video.layers import ToMap

C, N = 4, 3


def builder(**options):
    return SlotGraph(C, N, **{"slot_channels": 6, **options}).double()


@pytest.fixture
def x():
    return torch.randn(2, 3, C, 5, 7, dtype=torch.float64)


def reference(layer, slots, x):
    """Algorithm 1 of the paper for one frame, slots [N, D] and inputs [P, D], in plain loops."""
    D = x.size(1)
    x = layer.input_norm(x)
    for _ in range(layer.iterations):
        previous = slots
        q = layer.slot_norm(slots) @ layer.query.weight.T
        k, v = x @ layer.key.weight.T, x @ layer.value.weight.T
        attention = torch.zeros(len(x), len(slots), dtype=x.dtype)
        for p in range(len(x)):
            score = torch.stack([k[p] @ q[n] for n in range(len(slots))]) / D**0.5
            attention[p] = score.exp() / score.exp().sum()  # over the slots
        weight = (attention + 1e-8) / (attention + 1e-8).sum(0)  # over the inputs
        updates = weight.T @ v
        slots = torch.stack([layer.gru(u, s) for u, s in zip(updates, previous, strict=True)])
        norm, first, _, second = layer.mlp
        slots = slots + torch.relu(norm(slots) @ first.weight.T + first.bias) @ second.weight.T + second.bias
    return slots, attention.T


@pytest.mark.parametrize("iterations", [1, 3])
def test_slot_attention_is_the_papers_algorithm(iterations):
    layer = SlotAttention(6, iterations).double()
    slots, inputs = torch.randn(2, N, 6, dtype=torch.float64), torch.randn(2, 10, 6, dtype=torch.float64)
    after, attention = layer(slots, inputs)
    for f in range(2):
        want = reference(layer, slots[f], inputs[f])
        torch.testing.assert_close((after[f], attention[f]), want)


def test_slots_go_on_from_the_frame_before(x):
    model = builder()
    regions, (last, going) = model.scan_regions(x)
    assert going.all()
    pixels = model.encode((x.movedim(2, -1) + model.position(_places(x))).flatten(2, 3))
    for b in range(2):
        slots = model.slots
        for t in range(3):
            slots, attention = reference(model.attention, slots, pixels[b, t])
            torch.testing.assert_close(regions.kernel[b, t].flatten(1), attention)
        torch.testing.assert_close(last[b], slots)


def test_without_carry_every_frame_starts_anew(x):
    model = builder(carry=False)
    torch.testing.assert_close(model(x.flip(1)).frames, model(x).frames.flip(1))
    assert model.scan(x)[1] is None
    first = builder()
    model.load_state_dict(first.state_dict())
    torch.testing.assert_close(model(x).frames[:, 0], first(x).frames[:, 0])


def test_two_chunks_equal_the_clip_at_once(x):
    model = builder()
    first, state = model.scan(x[:, :1])
    second, state = model.scan(x[:, 1:], state)
    whole, last = model.scan(x)
    torch.testing.assert_close(torch.cat([first.frames, second.frames], dim=1), whole.frames)
    torch.testing.assert_close(state, last)


def test_the_state_of_a_padded_clip_is_that_of_its_last_frame(x):
    model = builder()
    _, state = model.scan(x, lengths=torch.tensor([2, 3]))
    torch.testing.assert_close(state[0][:1], model.scan(x[:1, :2])[1][0])


def test_clips_that_do_not_go_on_start_from_the_learned_slots(x):
    model = builder()
    _, (slots, _) = model.scan(x[:, :1])
    graph, _ = model.scan(x[:, 1:], (slots, torch.tensor([True, False])))
    torch.testing.assert_close(graph.frames[0], model(x).frames[0, 1:])
    torch.testing.assert_close(graph.frames[1], model(x[:, 1:]).frames[1])


def test_slots_share_every_pixel_and_nodes_are_means_of_the_map(x):
    graph = builder()(x)
    kernel = graph.grid(graph.kernel)
    torch.testing.assert_close(kernel.sum(2), torch.ones(2, 3, 5, 7, dtype=x.dtype))
    torch.testing.assert_close(graph.frames, pool(x, normalize_kernel(kernel)))
    torch.testing.assert_close(graph.grid(graph.box), kernel_boxes(kernel))


def test_slots_differ_and_nothing_is_random(x):
    model = builder()
    graph = model(x)
    assert torch.equal(model(x).x, graph.x)
    assert (graph.frames[:, :, 0] - graph.frames[:, :, 1]).abs().amin() > 0


def test_places_are_distances_from_the_sides():
    places = _places(torch.zeros(1, 1, 1, 2, 4))
    torch.testing.assert_close(places[1, 0], torch.tensor([0.125, 0.75, 0.875, 0.25]))


@pytest.mark.parametrize("options", [{}, {"iterations": 1}, {"carry": False, "iterations": 2}])
def test_all_parameters_learn_from_the_first_step(options, x):
    model = builder(**options)
    ToMap()(model(x)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_reset_parameters_draws_anew():
    model = builder()
    before = {name: p.clone() for name, p in model.named_parameters() if "norm" not in name and p.dim() > 1}
    model.reset_parameters()
    after = dict(model.named_parameters())
    assert isinstance(model.attention.gru, nn.GRUCell)
    assert not any(torch.equal(after[name], p) for name, p in before.items())


def test_wrong_input_is_a_clear_error(x):
    with pytest.raises(ValueError, match="Expected 'iterations' of at least 1, or 2 with carry=False"):
        builder(carry=False, iterations=1)
    message = r"slots of shape \[2, 3, 6\] and which clips go on, \[2\] \(got"
    with pytest.raises(ValueError, match=message + r" \[\[1, 3, 6\], \[1\]\]\)"):
        builder().scan(x, (torch.zeros(1, 3, 6), torch.ones(1, dtype=torch.bool)))
    with pytest.raises(ValueError, match=message + " Tensor"):
        builder().scan(x, torch.zeros(2, 3, 6))
