import pytest
import torch

from pyg_video.checkpoints.published.dyreg_block import build_dyreg_block
from pyg_video.checkpoints.published.dyreg_names import check_dyreg_constants, dyreg_entries
from pyg_video.checkpoints.published.dyreg_options import dyreg_options
from pyg_video.graph_builders.region_generators import sinusoidal_positions

TINY = {"backbone_dim": 4, "H": 9, "offset_dim": 3}


@pytest.mark.parametrize("generator", ["big", "small"])
@pytest.mark.parametrize("changes", [{}, {"combine_by_sum": False, "send_layers": 2, "update_layers": 2}])
def test_the_names_fill_every_one_of_our_tensors_once(generator, changes):
    o = dyreg_options({**TINY, "offset_generator": generator, **changes})
    block = build_dyreg_block(o)
    entries = list(dyreg_entries(o, block))
    filled = [name for entry in entries for name in entry.ours]
    assert sorted(filled) == sorted(block.state_dict())
    assert len({entry.name for entry in entries}) == len(entries)


def test_a_prefix_goes_before_every_name():
    o = dyreg_options(TINY)
    entries = dyreg_entries(o, build_dyreg_block(o), "theirs.", "ours.")
    assert all(e.name.startswith("theirs.") and all(name.startswith("ours.") for name in e.ours) for e in entries)


def anchors(rows, cols):
    return {"dynamic_graph.ph_buf": rows.view(1, 9, 1), "dynamic_graph.pw_buf": cols.view(1, 9, 1)}


def test_anchors_of_the_other_kind_are_refused():
    cell = torch.tensor([1.5, 4.5, 7.5])
    grid = anchors(cell.repeat_interleave(3), cell.repeat(3))
    center = anchors(torch.full((9,), 4.5), torch.full((9,), 4.5))
    check_dyreg_constants(grid, dyreg_options({**TINY, "init_regions": "grid"}))
    check_dyreg_constants(center, dyreg_options(TINY))
    with pytest.raises(ValueError, match="Expected anchors of init_regions='center' .*got those of 'grid'"):
        check_dyreg_constants(grid, dyreg_options(TINY))
    with pytest.raises(ValueError, match="got those of 'center'"):
        check_dyreg_constants(center, dyreg_options({**TINY, "init_regions": "grid"}))


def test_another_table_of_positions_is_refused():
    o = dyreg_options({**TINY, "offset_generator": "small"})
    center = anchors(torch.full((9,), 4.5), torch.full((9,), 4.5))
    table = sinusoidal_positions(4, (9, 9))
    check_dyreg_constants(center | {"dynamic_graph.glore.pos_emb_buf": table}, o)
    with pytest.raises(ValueError, match="Expected the sinusoidal table of"):
        check_dyreg_constants(center | {"dynamic_graph.glore.pos_emb_buf": table.flip(0)}, o)
