import pytest
import torch
from torch import nn

from pyg_video.backbones import NonLocal
from pyg_video.layers import scan

C, SIZE = 6, (4, 5)


def lively(pool=True, **options):
    """A block that is far from the identity, without batch statistics."""
    block = NonLocal(C, pool=pool, residual_scale=1.0, **options).double().eval()
    for parameter in block.parameters():
        nn.init.normal_(parameter)
    return block


@pytest.fixture
def x():
    return torch.randn(2, 3, C, *SIZE, dtype=torch.float64)


def literal(block, x, pool):
    """One clip, pixel by pixel, as the paper writes it."""
    T, _, H, W = x.shape
    parts = {"theta": block.theta, "phi": block.phi, "g": block.g}
    conv = {name: (part.weight[:, :, 0, 0], part.bias) for name, part in parts.items()}
    seen = x.unfold(2, 2, 2).unfold(3, 2, 2).amax((-2, -1)) if pool else x
    places = [seen[t, :, i, j] for t in range(T) for i in range(seen.size(2)) for j in range(seen.size(3))]
    keys = torch.stack([conv["phi"][0] @ place + conv["phi"][1] for place in places])
    values = torch.stack([conv["g"][0] @ place + conv["g"][1] for place in places])
    y = torch.empty_like(x)
    for t in range(T):
        for i in range(H):
            for j in range(W):
                query = conv["theta"][0] @ x[t, :, i, j] + conv["theta"][1]
                alpha = ((keys @ query) * len(query) ** -0.5).softmax(0)
                z = block.out.weight[:, :, 0, 0] @ (alpha @ values) + block.out.bias
                z = block.norm.weight * z / (1 + block.norm.eps) ** 0.5 + block.norm.bias  # running mean 0, variance 1
                y[t, :, i, j] = x[t, :, i, j] + z
    return y


@pytest.mark.parametrize("pool", [True, False])
def test_the_block_is_what_the_paper_writes(pool, x):
    block = lively(pool)
    torch.testing.assert_close(block(x), torch.stack([literal(block, clip, pool) for clip in x]))


@pytest.mark.parametrize("pool", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_the_block_is_the_identity_at_initialisation(pool, training):
    x = torch.randn(2, 3, C, *SIZE)
    assert torch.equal(NonLocal(C, pool=pool).train(training)(x), x)


def test_a_reset_block_is_the_identity_again():
    block, x = NonLocal(C), torch.randn(2, 3, C, *SIZE)
    block(x)
    nn.init.ones_(block.norm.weight)
    block.reset_parameters()
    assert torch.equal(block(x), x)
    assert block.norm.num_batches_tracked == 1


def test_the_scale_learns_from_the_first_step():
    block = NonLocal(C)
    block(torch.randn(2, 3, C, *SIZE)).square().sum().backward()
    assert block.norm.weight.grad.abs().max() > 0


def test_clips_do_not_see_each_other(x):
    block = lively()
    torch.testing.assert_close(block(x), torch.cat([block(clip[None]) for clip in x]))


def test_every_frame_sees_the_others(x):
    block, other = lively(), x.clone()
    other[:, 2] += 1
    assert (block(other) - block(x))[:, 0].abs().max() > 1e-3


@pytest.mark.parametrize("pool", [True, False])
def test_padded_clips_equal_the_clips_alone(pool, x):
    block, lengths = lively(pool), torch.tensor([2, 3])
    padded = block(x, lengths)
    for b, n in enumerate(lengths):
        torch.testing.assert_close(padded[b, :n], block(x[b : b + 1, :n])[0])


def test_gradients_are_right():
    x = torch.randn(1, 2, C, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lively(), x, fast_mode=True)


@pytest.mark.parametrize("lengths", [None, torch.tensor([2, 3])])
def test_the_block_compiles_into_one_graph(x, lengths):
    block = lively()
    torch._dynamo.reset()
    compiled = torch.compile(block, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x, lengths), block(x, lengths))


def test_bfloat16_autocast_stays_close_to_float32():
    block, x = NonLocal(C, residual_scale=1.0), torch.randn(2, 3, C, *SIZE)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = block(x)
        y.float().square().mean().backward()
    assert (y.float() - block(x)).norm() < 0.05 * block(x).norm()
    assert all(p.grad.isfinite().all() for p in block.parameters())


def test_a_stream_is_refused():
    with pytest.raises(TypeError, match="depends on no later frames .got NonLocal"):
        scan(NonLocal(C), torch.randn(1, 2, C, *SIZE))


def test_wrong_maps_are_clear_errors():
    with pytest.raises(ValueError, match=r"shape \[B, T, 6, H, W\] \(got \[1, 2, 5, 4, 4\]\)"):
        NonLocal(C)(torch.randn(1, 2, 5, 4, 4))
    with pytest.raises(ValueError, match="at least 2 x 2 pixels .*use pool=False"):
        NonLocal(C)(torch.randn(1, 2, C, 1, 4))
    with pytest.raises(ValueError, match="'inner_channels' of at least 1"):
        NonLocal(C, 0)
