import pytest
import torch

from pyg_video.models import rstg_sync_mnist

TINY = {"num_classes": 4, "frame": 12, "channels": (8, 8), "strides": (2, 1)}


@pytest.mark.parametrize("attention", ["dot", "multi_head", "additive", "mean"])
def test_every_attention(attention):
    assert rstg_sync_mnist(**TINY, attention=attention)(torch.rand(1, 2, 1, 12, 12)).shape == (1, 4)


@pytest.mark.parametrize(("positional", "inputs"), [(False, 8), (True, 8 + 36)])
def test_positional_messages_see_the_heat_map(positional, inputs):
    model = rstg_sync_mnist(**TINY, positional=positional)
    assert {m.send.in_features for m in model.modules() if hasattr(m, "send")} == {inputs}
    assert model(torch.rand(1, 2, 1, 12, 12)).shape == (1, 4)


def test_the_paper_has_fourteen_nodes_a_frame():
    assert rstg_sync_mnist().head.builder.num_nodes == 14


def test_readout_last_ignores_nothing_and_mean_differs():
    last, mean = (rstg_sync_mnist(**TINY, readout=readout).eval() for readout in ("last", "mean"))
    mean.load_state_dict(last.state_dict())
    video = torch.rand(1, 3, 1, 12, 12)
    assert not torch.allclose(last(video), mean(video))
