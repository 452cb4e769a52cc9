import pytest
import torch
from torch import library

from pyg_video.layers import pair_messages
from pyg_video.layers.pair_messages import PairMessages, gather_pairs

F, N, C = 5, 4, 6


def inputs(layers=2, norm=True, pairs="most"):
    torch.manual_seed(1)
    sent, received = torch.randn(2, F, N, C, dtype=torch.float64)
    adj = None if pairs == "all" else torch.rand(F, N, N) < 0.7
    if pairs == "few":  # the same in all frames but for one that is missing, and a node that hears nobody
        adj = (torch.rand(N, N) < 0.5).expand(F, N, N).clone()
        adj[2, 1, adj[2, 1].nonzero()[0]] = False
        adj[:, 3] = False
    alpha = torch.rand(F, N, N, dtype=torch.float64)
    alpha = alpha if adj is None else alpha.masked_fill(~adj, 0.0)
    weight, bias = (torch.randn(C, C).double(), torch.randn(C).double()) if layers == 2 else (None, None)
    scale, shift = torch.randn(2, C, dtype=torch.float64) if norm else (None, None)
    tensors = [sent, received, alpha, weight, bias, scale, shift]
    return [None if tensor is None else tensor.clone().requires_grad_() for tensor in tensors], adj


def run(sent, received, alpha, weight, bias, scale, shift, adj=None):
    return gather_pairs(sent, received, alpha, adj, PairMessages(weight, bias, scale, shift, 1e-5))


def written_out(sent, received, alpha, weight, bias, scale, shift, adj=None):
    """Every message normalized by itself."""
    m = (sent[:, None] + received[:, :, None]).relu()
    if weight is not None:
        m = (m @ weight.T + bias).relu()
    if scale is not None:
        adj = torch.ones(F, N, N, dtype=torch.bool) if adj is None else adj
        kept = [m[f][adj[f]] for f in range(F)]
        m = torch.stack(
            [(m[f] - k.mean()) / (k.var(correction=0) + 1e-5).sqrt() * scale + shift for f, k in enumerate(kept)]
        )
    return torch.einsum("fij,fijc->fic", alpha, m)


def test_programs_get_operators_of_torch_alone(monkeypatch):
    for layers, norm, pairs in CASES:
        tensors, adj = inputs(layers, norm, pairs)
        want = run(*tensors, adj=adj)
        with monkeypatch.context() as exporting:
            exporting.setattr("torch.compiler.is_exporting", lambda: True)
            exporting.setattr(pair_messages, "_gather_pairs", None)
            torch.testing.assert_close(run(*tensors, adj=adj), want)


CASES = [(layers, norm, pairs) for layers in (1, 2) for norm in (False, True) for pairs in ("all", "most", "few")]


@pytest.mark.parametrize(("layers", "norm", "pairs"), CASES)
def test_it_is_the_sum_of_normalized_messages_and_so_are_its_gradients(layers, norm, pairs):
    tensors, adj = inputs(layers, norm, pairs)
    given = [tensor for tensor in tensors if tensor is not None]
    got, want = run(*tensors, adj=adj), written_out(*tensors, adj=adj)
    torch.testing.assert_close(got, want)
    cotangent = torch.randn_like(want)
    keep = adj if adj is not None else torch.ones(F, N, N, dtype=torch.bool)
    ours, theirs = (list(torch.autograd.grad(y, given, cotangent)) for y in (got, want))
    ours[2], theirs[2] = ours[2][keep], theirs[2][keep]  # the weights of pairs that do not count are 0, not variables
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(("layers", "norm", "pairs"), CASES)
def test_gradcheck(layers, norm, pairs):
    tensors, adj = inputs(layers, norm, pairs)
    given = [i for i, tensor in enumerate(tensors) if tensor is not None]

    def function(*values):
        full = [None] * len(tensors)
        for i, value in zip(given, values, strict=True):
            full[i] = value
        if adj is not None:
            full[2] = full[2].masked_fill(~adj, 0.0)
        return run(*full, adj=adj)

    assert torch.autograd.gradcheck(function, [tensors[i] for i in given], fast_mode=True)


@pytest.mark.parametrize("pairs", ["all", "few"])
@pytest.mark.parametrize("frames_at_a_time", [1, 2, 5])
def test_the_number_of_frames_at_a_time_changes_nothing(frames_at_a_time, pairs, monkeypatch):
    tensors, adj = inputs(pairs=pairs)
    want = run(*tensors, adj=adj)
    want_grad = torch.autograd.grad(want.square().sum(), tensors)
    num_pairs = int(adj.any(dim=0).sum()) if pairs == "few" else N * N
    monkeypatch.setattr(pair_messages, "_CHUNK", frames_at_a_time * num_pairs * C)
    got = run(*tensors, adj=adj)
    torch.testing.assert_close(got, want)
    torch.testing.assert_close(torch.autograd.grad(got.square().sum(), tensors), want_grad)


def test_a_second_derivative_is_refused():
    tensors, adj = inputs()
    (grad,) = torch.autograd.grad(run(*tensors, adj=adj).square().sum(), tensors[:1], create_graph=True)
    with pytest.raises(RuntimeError, match="gather_pairs_backward"):
        grad.sum().backward()


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # of the check itself
@pytest.mark.parametrize("pairs", ["all", "few"])
@pytest.mark.parametrize("layers", [1, 2])
def test_the_operator_is_registered_as_torch_wants_it(layers, pairs):
    tensors, adj = inputs(layers, pairs=pairs)
    library.opcheck(pair_messages._gather_pairs, (*tensors[:3], adj, *tensors[3:], 1e-5))
