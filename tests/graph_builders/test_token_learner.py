import pytest
import torch
from torch.nn import functional as F

from pyg_video.graph_builders import TokenLearnerGraph
from pyg_video.layers import ToMap


@pytest.fixture
def x():
    return torch.randn(2, 3, 4, 5, 7, dtype=torch.float64)


def test_tokens_are_those_of_the_paper(x):
    """Attention maps and tokens written out for every frame and token, as in section 2 of the paper."""
    builder = TokenLearnerGraph(4, 3).double()
    torch.nn.init.normal_(builder.norm.weight)
    graph = builder(x)
    for b, t in [(0, 0), (1, 2)]:
        pixels = x[b, t].permute(1, 2, 0)
        mean, var = pixels.mean(-1, keepdim=True), pixels.var(-1, correction=0, keepdim=True)
        maps = ((pixels - mean) / (var + 1e-5).sqrt() * builder.norm.weight + builder.norm.bias).permute(2, 0, 1)
        convs = [part for part in builder.attention if isinstance(part, torch.nn.Conv2d)]
        for i, conv in enumerate(convs):
            maps = F.conv2d(F.pad(maps[None], (1, 1, 1, 1)), conv.weight)[0]
            if i < 3:
                maps = F.gelu(maps, approximate="tanh")
        for n in range(3):
            weight = 1 / (1 + torch.exp(-maps[n]))
            torch.testing.assert_close(graph.grid(graph.kernel)[b, t, n], weight)
            torch.testing.assert_close(graph.frames[b, t, n], (x[b, t] * weight).mean((-2, -1)))


def test_a_closed_token_is_zero(x):
    builder = TokenLearnerGraph(4, 3).double()
    kernel = torch.zeros(2, 3, 3, 5, 7, dtype=x.dtype)
    assert builder.reduce(x, kernel).abs().max() == 0


def test_all_parameters_learn_from_the_first_step(x):
    builder = TokenLearnerGraph(4, 3).double()
    ToMap()(builder(x)).square().sum().backward()
    for name, parameter in builder.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_reset_parameters_draws_anew():
    builder = TokenLearnerGraph(4, 3)
    before = builder.attention[0].weight.clone()
    builder.reset_parameters()
    assert not torch.equal(builder.attention[0].weight, before)
