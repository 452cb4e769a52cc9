import pytest
import torch

from pyg_video.layers import AdditiveAttention, DotAttention, MeanAttention
from pyg_video.layers.attention import resolve_attention


def logits(attention, x):
    receiver, sender = attention.project(x)
    return attention.logits(receiver[:, None], sender[None])  # [N, N, heads]


def test_dot_logits_are_unscaled_products():
    attention, x = DotAttention(4), torch.randn(3, 4)
    torch.testing.assert_close(logits(attention, x)[..., 0], attention.query(x) @ attention.key(x).T)


def test_every_head_sees_its_own_channels():
    attention, x = DotAttention(8, heads=2), torch.randn(3, 8)
    want = attention.query(x)[:, 4:] @ attention.key(x)[:, 4:].T
    torch.testing.assert_close(logits(attention, x)[..., 1], want)


def test_additive_logits_are_those_of_gat():
    attention, x = AdditiveAttention(4), torch.randn(3, 4)
    pre = attention.receiver(x) + attention.sender(x).T
    torch.testing.assert_close(logits(attention, x)[..., 0], torch.where(pre > 0, pre, 0.2 * pre))


def test_the_mean_has_no_preference():
    assert logits(MeanAttention(), torch.randn(3, 4)).abs().max() == 0


def test_an_unknown_name_answers_with_the_known_ones():
    with pytest.raises(ValueError, match="'dot', 'multi_head', 'additive', 'mean'"):
        resolve_attention("cosine", 8, 1)


def test_heads_must_divide_the_channels():
    with pytest.raises(ValueError, match="Expected 'heads' to divide channels = 8"):
        DotAttention(8, heads=3)
