import pytest
import torch

from pyg_video.checkpoints.published.variables import Variables


@pytest.fixture
def two():
    return Variables({"a/kernel": torch.zeros(2, 3), "a/bias": torch.zeros(3)}, "the net")


def test_every_variable_has_to_be_used(two):
    two.take("a/kernel")
    with pytest.raises(ValueError, match="Expected no variables in the net but those .* .got a/bias."):
        two.check_used()
    two.take("a/bias")
    two.check_used()


def test_looking_at_a_shape_does_not_use_a_variable(two):
    assert two.shape("a/kernel") == (2, 3)
    two.take("a/bias", (3,))
    with pytest.raises(ValueError, match="a/kernel"):
        two.check_used()


def test_a_missing_name_and_a_wrong_shape_are_told(two):
    with pytest.raises(ValueError, match="Expected the variable 'b' in the net .got a/bias, a/kernel"):
        two.take("b")
    with pytest.raises(ValueError, match=r"Expected 'a/bias' in the net of shape \[4\] \(got \[3\]\)"):
        two.take("a/bias", (4,))
