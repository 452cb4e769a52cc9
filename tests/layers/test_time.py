import pytest
import torch
from torch import nn

from pyg_video.layers import TemporalRNN

CELLS = ["gru", "lstm"]


@pytest.fixture
def x():
    return torch.randn(2, 6, 3, 4, dtype=torch.float64)


@pytest.mark.parametrize(("cell", "oracle"), [("gru", nn.GRU), ("lstm", nn.LSTM)])
def test_every_node_runs_through_torchs_cell_by_itself(cell, oracle, x):
    rnn = TemporalRNN(4, 5, cell=cell).double()
    torchs = oracle(4, 5, batch_first=True).double()
    torchs.load_state_dict(rnn.state_dict())
    for n in range(3):
        torch.testing.assert_close(rnn(x)[:, :, n], torchs(x[:, :, n])[0])


@pytest.mark.parametrize("cell", CELLS)
def test_two_chunks_equal_the_clip_at_once(cell, x):
    rnn = TemporalRNN(4, cell=cell).double()
    first, state = rnn.scan(x[:, :4])
    second, state = rnn.scan(x[:, 4:], state)
    whole, last = rnn.scan(x)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole)
    torch.testing.assert_close(state, last)


@pytest.mark.parametrize("cell", CELLS)
def test_padded_clips_equal_the_clips_alone(cell, x):
    rnn, lengths = TemporalRNN(4, cell=cell).double(), torch.tensor([6, 3])
    padded, state = rnn.scan(x, lengths=lengths)
    for b, length in enumerate(lengths):
        alone, last = rnn.scan(x[b : b + 1, :length])
        torch.testing.assert_close(padded[b, :length], alone[0])
        assert padded[b, length:].abs().sum() == 0
        for mine, other in zip(*([s] if cell == "gru" else s for s in (state, last)), strict=True):
            torch.testing.assert_close(mine[b], other[0])


@pytest.mark.parametrize("cell", CELLS)
def test_future_frames_do_not_leak(cell, x):
    rnn = TemporalRNN(4, cell=cell).double()
    later = x.clone()
    later[:, 3:] += 1
    torch.testing.assert_close(rnn(later)[:, :3], rnn(x)[:, :3])


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_are_right(cell, x):
    rnn = TemporalRNN(4, cell=cell).double()
    assert torch.autograd.gradcheck(rnn, x.requires_grad_(), fast_mode=True)


def test_wrong_input_is_a_clear_error(x):
    with pytest.raises(ValueError, match="Expected 'cell' to be one of 'gru', 'lstm'"):
        TemporalRNN(4, cell="rnn")
    rnn = TemporalRNN(5)
    with pytest.raises(ValueError, match=r"Expected 'x' of shape \[B, T, N, 5\] \(got \[2, 6, 3, 4\]\)"):
        rnn(x)
    with pytest.raises(ValueError, match="Expected 'state' as an earlier scan"):
        rnn.scan(torch.randn(2, 6, 3, 5), torch.zeros(2, 4, 5))


def parts(state):
    return [state] if isinstance(state, torch.Tensor) else list(state)


@pytest.mark.parametrize("cell", CELLS)
def test_a_node_keeps_its_state_through_the_frames_it_is_missing_in(cell, x):
    rnn, mask = TemporalRNN(4, cell=cell).double(), torch.rand(2, 6, 3) > 0.4
    mask[0, :, 1] = False
    lengths = torch.tensor([6, 4])
    _, before = rnn.scan(x)
    y, state = rnn.scan(x, before, lengths, mask)
    mask[1, 4:] = False
    assert y[~mask].abs().sum() == 0
    for b, n in [(b, n) for b in range(2) for n in range(3)]:
        seen = mask[b, :, n]
        last = [s[b : b + 1, n : n + 1] for s in parts(before)]
        if seen.any():
            alone, end = rnn.scan(x[b : b + 1, seen, n : n + 1], last[0] if cell == "gru" else tuple(last))
            torch.testing.assert_close(y[b, seen, n], alone[0, :, 0])
            last = parts(end)
        for mine, want in zip(parts(state), last, strict=True):
            torch.testing.assert_close(mine[b, n], want[0, 0])


@pytest.mark.parametrize("cell", CELLS)
def test_a_mask_of_all_nodes_changes_nothing(cell, x):
    rnn = TemporalRNN(4, cell=cell).double()
    torch.testing.assert_close(rnn.scan(x, mask=torch.ones(2, 6, 3, dtype=torch.bool)), rnn.scan(x))


@pytest.mark.parametrize("cell", CELLS)
def test_lengths_outside_of_the_clips_are_refused(cell):
    for length in (0, 7):
        with pytest.raises(ValueError, match="Expected 'lengths'"):
            TemporalRNN(4, cell=cell)(torch.randn(1, 6, 3, 4), torch.tensor([length]))


@pytest.mark.parametrize("cell", CELLS)
def test_another_type_than_that_of_the_weights_is_refused(cell, x):
    with pytest.raises(TypeError, match="Expected 'x' of type torch.float32"):
        TemporalRNN(4, cell=cell)(x)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("masked", [False, True])
def test_what_follows_may_work_in_place(cell, masked, x):
    rnn, mask = TemporalRNN(4, cell=cell).double(), torch.ones(2, 6, 3, dtype=torch.bool) if masked else None
    (want,) = torch.autograd.grad((rnn(x, mask=mask) + 1).relu().sum(), [rnn.weight_hh_l0])
    y = rnn(x, mask=mask)
    y += 1
    torch.testing.assert_close(torch.autograd.grad(y.relu_().sum(), [rnn.weight_hh_l0])[0], want)


@pytest.mark.parametrize("cell", CELLS)
def test_autocast_leaves_float64_alone(cell, x):
    rnn = TemporalRNN(4, cell=cell).double()
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(rnn(x), rnn(x.clone()), atol=0, rtol=0)
        inside = rnn(x, mask=torch.ones(2, 6, 3, dtype=torch.bool))
    torch.testing.assert_close(inside, rnn(x))


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_program_knows_missing_nodes_by_operators_of_torch_alone(cell):
    rnn, mask = TemporalRNN(4, cell=cell), torch.rand(2, 5, 3) > 0.4
    batch = torch.export.Dim("batch", min=1, max=8)
    x, shapes = torch.randn(2, 5, 3, 4), {"x": {0: batch}, "lengths": None, "mask": {0: batch}}
    with torch.no_grad():
        program = torch.export.export(rnn, (x, None, mask), dynamic_shapes=shapes)
        assert not [node for node in program.graph.nodes if str(node.target).startswith("pyg_video")]
        x, mask = x.repeat(2, 1, 1, 1), torch.rand(4, 5, 3) > 0.4
        torch.testing.assert_close(program.module()(x, None, mask), rnn(x, None, mask))
