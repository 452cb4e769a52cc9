import pytest
import torch

from pyg_video.layers.pairs import AllPairs, SomePairs, pairs_of

F, N, C = 3, 4, 5
EVERY = slice(0, F)


def both():
    """The same pairs in arrays of all pairs and of some; a pair is missing in one frame."""
    torch.manual_seed(0)
    adj = torch.zeros(F, N, N, dtype=torch.bool)
    adj[:, [0, 0, 1, 3], [1, 2, 1, 0]] = True
    adj[1, 0, 2] = False
    alpha = torch.rand(F, N, N, dtype=torch.float64).masked_fill(~adj, 0.0)
    return AllPairs(alpha, adj), pairs_of(alpha, adj)


def empty(pairs):
    return torch.empty(F, *pairs.shape, C, dtype=torch.float64)


def test_few_pairs_are_kept_alone():
    every, some = both()
    assert isinstance(some, SomePairs)
    assert (every.shape, some.shape) == ((N, N), (4,))
    assert type(pairs_of(every.alpha, None)) is type(pairs_of(every.alpha, torch.ones(F, N, N).bool())) is AllPairs


def test_both_gather_the_same():
    nodes, got = torch.randn(2, F, N, C, dtype=torch.float64), []
    for pairs in both():
        m, out = pairs.add(*nodes, empty(pairs)), torch.empty_like(nodes[0])
        pairs.gather(EVERY, m, out)
        got.append((out, pairs.only_present(EVERY, m).flatten(1).sum(1)))
    torch.testing.assert_close(*got)


@pytest.mark.parametrize("which", [0, 1])
def test_each_step_has_its_adjoint(which):
    pairs = both()[which]
    sent, received, grad = torch.randn(3, F, N, C, dtype=torch.float64)
    m, other, out = pairs.add(sent, received, empty(pairs)), torch.randn_like(empty(pairs)), torch.empty_like(grad)
    pairs.gather(EVERY, m, out)
    torch.testing.assert_close((out * grad).sum(), (pairs.spread(EVERY, grad, torch.zeros_like(m)) * m).sum())
    to_sent, to_received = torch.empty_like(sent), torch.empty_like(sent)
    pairs.to_ends(other, to_sent, to_received)
    torch.testing.assert_close((m * other).sum(), (to_sent * sent).sum() + (to_received * received).sum())
    d_alpha = torch.empty(F, N, N, dtype=torch.float64)
    pairs.to_alpha(m, grad, d_alpha)
    torch.testing.assert_close((d_alpha * both()[0].alpha).sum(), (out * grad).sum())
