import pytest
import torch

from pyg_video.checkpoints.weights import check_weights

EXPECTED = {"pair": [(2, 6)], "scale": [(1, 4, 1), (4,)], "bias": torch.zeros(7)}


def given(**changes):
    whole = {"pair": torch.zeros(2, 6), "scale": torch.zeros(4), "bias": torch.zeros(7)}
    return {name: tensor for name, tensor in (whole | changes).items() if tensor is not None}


def test_weights_that_fit_are_fine():
    check_weights(given(), EXPECTED, "a net")
    check_weights(given(scale=torch.zeros(1, 4, 1)), EXPECTED, "a net")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pair": None}, "the 3 weights of a net .got them without pair.; known are bias, pair, scale"),
        ({"bias": None}, "without bias"),
        ({"extra": torch.zeros(1)}, "got them with extra"),
        ({"pairs": torch.zeros(1)}, "got them with pairs, did you mean pair..; known"),
        ({"pair": None, "pairs": torch.zeros(1)}, "got them without pair and with pairs, did you mean pair"),
        ({"pair": torch.zeros(6, 2)}, r"Expected 'pair' of a net of shape \[2, 6\] \(got \[6, 2\]\)"),
        ({"scale": torch.zeros(1, 1, 4)}, r"of shape \[1, 4, 1\] or \[4\] \(got \[1, 1, 4\]\)"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        check_weights(given(**change), EXPECTED, "a net")


def test_the_repair_ends_the_message():
    for wrong in (given(pair=None), given(pair=torch.zeros(1))):
        with pytest.raises(ValueError, match="; copy it again$"):
            check_weights(wrong, EXPECTED, "a net", "copy it again")


def test_long_lists_of_names_are_cut():
    with pytest.raises(ValueError, match=r"without w0, w1, .*, w7 and 2 more\); known are .* and 2 more"):
        check_weights({}, {f"w{k}": [()] for k in range(10)}, "a net")
