import json
import os

import pytest
import torch
from measuring import Step, Way, in_new_process, peak_mib, ratios, spread, write
from torch import nn


class Square(nn.Module):
    """Allocates two tensors like its input in the forward pass, and keeps one."""

    def forward(self, x):
        return x.exp().square()


def test_spread_is_the_median_between_the_quartiles():
    assert spread([5.0, 1.0, 2.0, 3.0, 4.0]) == {"median": 3.0, "low": 2.0, "high": 4.0}
    assert spread([7.0]) == {"median": 7.0, "low": 7.0, "high": 7.0}


def test_ratios_are_taken_within_rounds():
    times = {"ours": [1.0, 2.0, 4.0], "released": [3.0, 6.0, 12.0]}
    assert ratios(times)["released"] == {"median": 3.0, "low": 3.0, "high": 3.0}


def test_a_step_has_gradients_where_it_goes_backward_and_bfloat16_where_asked():
    linear, x = nn.Linear(3, 3), torch.randn(4, 3)
    assert Step(Way(linear, bfloat16=True), x, backward=False)().dtype == torch.bfloat16
    assert linear.weight.grad is None
    step = Step(Way(linear), x, backward=True)
    step()
    assert linear.weight.grad is not None
    assert step.x.grad is not None
    step.forget()
    assert linear.weight.grad is None
    assert step.x.grad is None


def test_memory_is_what_is_alive_at_the_same_time():
    x = torch.randn(1024, 256)  # 1 MiB
    # exp(x), kept for the gradient, the output, and gradients on the way.
    assert 3 <= peak_mib(Way(Square()), x) <= 5
    assert peak_mib(Way(Square()), x.repeat(4, 1)) == pytest.approx(4 * peak_mib(Way(Square()), x), rel=0.01)


def test_results_are_json(tmp_path):
    results = {"environment": {"torch": "2"}, "rounds": 3, "times": [{"way": "ours"}, {"way": "pyg"}], "none": []}
    write(tmp_path / "new" / "results.json", results)
    text = (tmp_path / "new" / "results.json").read_text()
    assert json.loads(text) == results
    assert '\n  {"way": "pyg"}\n' in text


@pytest.mark.slow
def test_a_new_process_starts_with_the_variables_and_this_one_keeps_its_own():
    assert in_new_process(os.getenv, "PYG_VIDEO_TEST", env={"PYG_VIDEO_TEST": "1"}) == "1"
    assert "PYG_VIDEO_TEST" not in os.environ
