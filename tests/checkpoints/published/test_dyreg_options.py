import pytest

from pyg_video.checkpoints.published.dyreg_options import dyreg_options


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
