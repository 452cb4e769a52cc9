import pytest
import torch

from pyg_video.checkpoints import load_published_dyreg_block
from pyg_video.checkpoints.published.dyreg_block import (
    build_dyreg_block,
    check_dyreg_constants,
    dyreg_entries,
    dyreg_options,
)
from pyg_video.graph_builders.region_generators import sinusoidal_positions

TINY = {"backbone_dim": 4, "H": 7, "offset_dim": 3}
NINE = TINY | {"H": 9}


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


@pytest.mark.parametrize("generator", ["big", "small"])
@pytest.mark.parametrize("changes", [{}, {"combine_by_sum": False, "send_layers": 2, "update_layers": 2}])
def test_the_names_fill_every_one_of_our_tensors_once(generator, changes):
    o = dyreg_options({**NINE, "offset_generator": generator, **changes})
    block = build_dyreg_block(o)
    entries = list(dyreg_entries(o, block))
    filled = [name for entry in entries for name in entry.ours]
    assert sorted(filled) == sorted(block.state_dict())
    assert len({entry.name for entry in entries}) == len(entries)


def test_a_prefix_goes_before_every_name():
    o = dyreg_options(NINE)
    entries = dyreg_entries(o, build_dyreg_block(o), "theirs.", "ours.")
    assert all(e.name.startswith("theirs.") and all(name.startswith("ours.") for name in e.ours) for e in entries)


def anchors(rows, cols):
    return {"dynamic_graph.ph_buf": rows.view(1, 9, 1), "dynamic_graph.pw_buf": cols.view(1, 9, 1)}


def test_anchors_of_the_other_kind_are_refused():
    cell = torch.tensor([1.5, 4.5, 7.5])
    grid = anchors(cell.repeat_interleave(3), cell.repeat(3))
    center = anchors(torch.full((9,), 4.5), torch.full((9,), 4.5))
    check_dyreg_constants(grid, dyreg_options({**NINE, "init_regions": "grid"}))
    check_dyreg_constants(center, dyreg_options(NINE))
    with pytest.raises(ValueError, match="Expected anchors of init_regions='center' .*got those of 'grid'"):
        check_dyreg_constants(grid, dyreg_options(NINE))
    with pytest.raises(ValueError, match="got those of 'center'"):
        check_dyreg_constants(center, dyreg_options({**NINE, "init_regions": "grid"}))


def test_another_table_of_positions_is_refused():
    o = dyreg_options({**NINE, "offset_generator": "small"})
    center = anchors(torch.full((9,), 4.5), torch.full((9,), 4.5))
    table = sinusoidal_positions(4, (9, 9))
    check_dyreg_constants(center | {"dynamic_graph.glore.pos_emb_buf": table}, o)
    with pytest.raises(ValueError, match="Expected the sinusoidal table of"):
        check_dyreg_constants(center | {"dynamic_graph.glore.pos_emb_buf": table.flip(0)}, o)


def test_sizes_follow_from_one_another():
    o = dyreg_options({"backbone_dim": 32, "H": 14})
    assert (o.W, o.iH, o.iW, o.node_dim, o.num_nodes, o.h, o.w) == (14, 14, 14, 32, 9, 3, 3)
    o = dyreg_options({"backbone_dim": 32, "H": 16, "iH": 14, "full_res": True})
    assert (o.map_size, o.trained_size) == ((16, 16), (14, 14))


def test_the_size_trained_on_matters_at_full_resolution_only():
    assert dyreg_options({"backbone_dim": 32, "H": 16, "iH": 14}).trained_size == (16, 16)


def test_rows_and_columns_give_the_number_of_regions():
    assert dyreg_options({"backbone_dim": 8, "H": 7, "h": 2, "w": 5}).num_nodes == 10
    assert dyreg_options({"backbone_dim": 8, "H": 7, "num_nodes": 16})[7:9] == (4, 4)


def test_none_counts_as_not_given():
    assert dyreg_options({"backbone_dim": 8, "H": 7, "iH": None}).iH == 7


def test_what_a_recording_tells_beside_is_fine():
    assert dyreg_options({"backbone_dim": 8, "H": 7, "batch": 2, "frames": 5, "out_num_ch": 8}).H == 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rnn_kind": "GRU"}, "options of the released block, backbone_dim, H, .*got rnn_kind"),
        ({"rnn": "gru"}, "Expected 'rnn' to be one of 'GRU', 'LSTM' .got 'gru'"),
        ({"offset_generator": "none"}, "one of 'big', 'small'"),
        ({"send_layers": 3}, "'send_layers' to be one of 1, 2"),
        ({"combine_by_sum": 1}, "Expected 'combine_by_sum' of type bool .got 1"),
        ({"H": "14"}, "Expected 'H' of type int"),
        ({"offset_dim": 0}, "Expected 'offset_dim' of at least 1"),
        ({"num_nodes": 8}, "Expected 'num_nodes' to be a square"),
        ({"num_nodes": 9, "h": 2, "w": 2}, "got 9 and 2 x 2"),
        ({"node_dim": 16}, "'node_dim' to be backbone_dim = 32 without project_i3d"),
        ({"combine_by_sum": False}, "to be 2 with combine_by_sum=False.*got 1 and 0"),
        ({"H": None}, "Expected the options backbone_dim and H .*got no H"),
    ],
)
def test_impossible_options_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        dyreg_options({"backbone_dim": 32, "H": 14, **change})
