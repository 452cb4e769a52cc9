"""What is reported of a first call."""

import torch
from compiled import difference, phases
from measuring import Way
from page import TABLES, load
from torch import nn


def test_phases_are_what_their_parts_leave_and_sum_to_the_whole():
    measured = {
        "_compile.compile_inner": [10.0, 2.0],
        "create_aot_dispatcher_function": [8.0, 1.0],
        "compile_fx.<locals>.fw_compiler_base": [6.0, 0.5],
        "compile_fx.<locals>.bw_compiler": [7.0],
        "async_compile.wait": [3.0, 4.0],
    }
    found = phases(measured, whole=20.0)
    assert found == {"tracing": 3.0, "autograd": 2.5, "code generation": 6.5, "C++ compiler": 7.0, "rest": 1.0}
    assert sum(found.values()) == 20.0


def test_without_a_measurement_everything_is_the_rest():
    assert phases({}, whole=2.0)["rest"] == 2.0


def test_compiled_blocks_compute_what_eager_ones_do():
    assert all(row["difference"] < 1e-4 for row in load("compiled")["first_calls"])


def test_the_difference_is_relative_to_the_largest_value():
    x = torch.randn(1, 2, 3, 4, 4)
    one, other = nn.Hardtanh(-9, 9), nn.Sequential(nn.Hardtanh(-9, 9), nn.Threshold(-9, 0))
    assert difference(Way(one), Way(other), x, backward=True) == 0.0
    assert difference(Way(nn.Identity()), Way(nn.ELU(alpha=0.0)), x, backward=False) > 0.1


def test_every_row_of_the_first_call_is_on_the_page():
    assert TABLES["first_call"]().count("\n") == 1 + len(load("compiled")["first_calls"])
