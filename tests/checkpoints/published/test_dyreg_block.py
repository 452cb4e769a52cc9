import pytest
import torch

from pyg_video.checkpoints import load_published_dyreg_block
from pyg_video.checkpoints.published.dyreg_block import build_dyreg_block
from pyg_video.checkpoints.published.dyreg_names import dyreg_entries
from pyg_video.checkpoints.published.dyreg_options import dyreg_options
from pyg_video.graph_builders.region_generators import sinusoidal_positions

TINY = {"backbone_dim": 4, "H": 7, "offset_dim": 3}


def weights(config, **changes):
    """Random tensors under all the released names."""
    o = dyreg_options(config)
    drawn = {entry.name: torch.randn(entry.shapes[0]) for entry in dyreg_entries(o, build_dyreg_block(o))}
    return {name: tensor for name, tensor in (drawn | changes).items() if tensor is not None}


def test_the_block_is_a_graph_block_of_the_weights_type():
    block = load_published_dyreg_block({k: v.double() for k, v in weights(TINY).items()}, **TINY)
    assert block(torch.randn(1, 2, 4, 7, 7, dtype=torch.float64)).dtype == torch.float64


@pytest.mark.parametrize("kept", [8, 7])
def test_weights_trained_on_small_maps_run_at_full_resolution(kept):
    trained = weights(TINY)
    full = {**TINY, "H": 8, "iH": 7, "full_res": True}
    ruler = {f"dynamic_graph.arange_{axis}_buf": torch.arange(kept).view(1, 1, kept) for axis in "hw"}
    x = torch.randn(1, 2, 4, 8, 8)
    torch.testing.assert_close(
        load_published_dyreg_block(trained | ruler, **full)(x), load_published_dyreg_block(trained, **TINY)(x)
    )


def test_on_a_map_that_is_no_square_the_centre_is_half_the_height_from_the_left():
    config = {**TINY, "offset_generator": "small", "H": 8, "W": 12}
    fixed = {"dynamic_graph.glore.pos_emb_buf": sinusoidal_positions(4, (8, 12))}
    fixed["dynamic_graph.offset_alpha"] = torch.zeros(4)
    block = load_published_dyreg_block(weights(config, **fixed), **config)
    box = block.builder(torch.randn(1, 1, 4, 8, 12)).box
    torch.testing.assert_close(box[0, :2], torch.tensor([(4 + 0.5) / 12, (4 + 0.5) / 8]))


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("dynamic_graph.offset_pred.bias", None, "got them without dynamic_graph.offset_pred.bias"),
        ("dynamic_graph.arange_h_buf", None, "got them without dynamic_graph.arange_h_buf"),
        ("dynamic_graph.att_q.weight", torch.zeros(4, 4), "got them with dynamic_graph.att_q.weight, did you mean"),
        ("dynamic_graph.offset_alpha", torch.zeros(5), r"'dynamic_graph.offset_alpha' .* of shape \[4\] \(got \[5\]"),
        ("dynamic_graph.rstg.att_q.weight", torch.zeros(4, 5), r"of shape \[4, 4\] \(got \[4, 5\]"),
    ],
)
def test_weights_that_do_not_fit_are_named(name, tensor, message):
    with pytest.raises(ValueError, match=message):
        load_published_dyreg_block(weights(TINY, **{name: tensor}), **TINY)


def test_weights_of_other_options_are_refused():
    with pytest.raises(ValueError, match="weights of a released DyReg-GNN block with .*rnn='LSTM'"):
        load_published_dyreg_block(weights(TINY), **TINY, update_layers=1, rnn="LSTM")
    with pytest.raises(ValueError, match=r"of shape \[12, 3\] \(got \[9, 3\]"):
        load_published_dyreg_block(weights(TINY), **TINY, rnn="LSTM")


def test_unknown_options_are_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"backbone_dim, H, W, iH, .*got generator"):
        load_published_dyreg_block({}, **TINY, generator="big")
