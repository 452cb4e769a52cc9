import pytest
import torch
from torch import nn

from pyg_video.models.size_limit import SizeLimit

WEIGHTS = {"weight": torch.zeros(10)}


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Linear(10**6, 10**6),
        lambda: nn.Conv2d(10**5, 10**5, 3),
        lambda: torch.zeros(10**10),
        lambda: torch.ones(size=(10**5, 10**5)),
        lambda: torch.randn(10**4, 10**3, 10**3),
        lambda: torch.full((10**5, 10**5), 1.0),
        lambda: torch.arange(10**10),
        lambda: torch.arange(0, 1, 1e-10),
        lambda: torch.arange(0, end=10**10),
        lambda: torch.zeros(1).new_zeros(10**10),
        lambda: torch.zeros(1).new_full((10**5, 10**5), 1.0),
        lambda: torch.zeros(1).repeat(10**10),
        lambda: torch.randperm(10**10),
        lambda: torch.randint(0, 3, (10**5, 10**5)),
        lambda: torch.stack([torch.zeros(1).expand(10**10)] * 2),
        lambda: torch.cat([torch.zeros(1).expand(10**10)]),
        lambda: torch.eye(10**5),
        lambda: torch.linspace(0, 1, 10**10),
        lambda: [torch.zeros(10**6) for _ in range(1000)],
        lambda: [nn.Linear(1, 1) for _ in range(10**6)],
    ],
)
def test_what_would_fill_the_memory_is_refused(make):
    with pytest.raises(ValueError, match="of a model with about 10 values, those of the file"), SizeLimit(WEIGHTS):
        make()


def test_what_is_small_is_made_as_ever():
    with SizeLimit(WEIGHTS):
        made = [torch.zeros(2, 3), torch.ones((4,)), torch.full((2,), 3.0), torch.arange(1, 7, 2), torch.eye(2, 3)]
        linear = nn.Linear(3, 4)
    assert [tuple(x.shape) for x in made] == [(2, 3), (4,), (2,), (3,), (2, 3)]
    assert linear(torch.ones(1, 3)).shape == (1, 4)


def test_large_files_may_have_large_models():
    with SizeLimit({"weight": torch.zeros(10**7, device="meta")}):
        torch.empty(10**8)
