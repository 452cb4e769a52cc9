import pytest
import torch

from pyg_video.checkpoints.published.translation import Entry, layer, rnn, translate

OWN = {"a.weight": torch.zeros(2, 3), "b.weight": torch.zeros(2, 3), "norm.weight": torch.zeros(4)}
ENTRIES = [
    Entry("pair", ((2, 6),), ("a.weight", "b.weight")),
    Entry("scale", ((1, 4, 1), (4,)), ("norm.weight",)),
    Entry("constant", ((7,),)),
]


def weights(**changes):
    whole = {"pair": torch.arange(12.0).view(2, 6), "scale": torch.ones(1, 4, 1), "constant": torch.zeros(7)}
    return {name: tensor for name, tensor in (whole | changes).items() if tensor is not None}


def test_tensors_get_our_names_and_shapes():
    ours = translate(weights(), ENTRIES, OWN, "a net")
    assert ours.keys() == OWN.keys()
    assert ours["a.weight"].tolist() == [[0, 1, 2], [6, 7, 8]]
    assert ours["b.weight"].tolist() == [[3, 4, 5], [9, 10, 11]]
    assert ours["norm.weight"].shape == (4,)


def test_a_tensor_may_come_in_several_shapes():
    assert translate(weights(scale=torch.ones(4)), ENTRIES, OWN, "a net")["norm.weight"].shape == (4,)


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="Expected exactly the 3 weights of a net .got them without pair"):
        translate(weights(pair=None), ENTRIES, OWN, "a net")
    with pytest.raises(ValueError, match=r"Expected 'scale' of a net of shape \[1, 4, 1\] or \[4\]"):
        translate(weights(scale=torch.ones(3)), ENTRIES, OWN, "a net")


def test_layers_and_recurrent_networks_bring_all_their_tensors():
    assert [e.name for e in layer("x", "y", (3, 2))] == ["x.weight", "x.bias"]
    assert [e.shapes for e in layer("x", "y", (3, 2), out=5)] == [((3, 2),), ((5,),)]
    expected = {name: tuple(p.shape) for name, p in torch.nn.LSTM(3, 3).named_parameters(prefix="x")}
    assert {e.name: e.shapes[0] for e in rnn("x", "y", 3, 4)} == expected
