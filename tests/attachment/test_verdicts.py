import re

import pytest

from pyg_video.attachment import Layout
from pyg_video.attachment.probe import Reading, Verdict
from pyg_video.attachment.verdicts import best_reading, is_open, lent_orders

MAP, OTHER = Reading((), Layout("FCHW")), Reading((), Layout("FHWC"))
TOKENS, WIDE = (Reading((), Layout("FHWC", grid)) for grid in ((4, 4), (2, 8)))


def test_of_several_readings_the_one_in_the_best_order_is_taken():
    assert best_reading([MAP, OTHER], [Verdict(0.7, True), Verdict(0.9, True)]) == (OTHER, "")
    assert best_reading([MAP, OTHER], [Verdict(0.85, True), Verdict(0.9, True)]) == (MAP, "")  # the likeliest of equals
    assert best_reading([TOKENS], [Verdict(None, True)]) == (TOKENS, "")


@pytest.mark.parametrize(
    ("reading", "verdict", "wrong"),
    [
        (MAP, Verdict(0.3, True), "in the order of the frame's rows and columns .* right are 30% as FCHW"),
        (MAP, Verdict(1.0, False), "that the output of the model depends on"),
        (MAP, Verdict(None, True, moves=False), "that depend on the frames"),
        (MAP._replace(daring=True), Verdict(0.8, True), "right are 80%"),
        (MAP._replace(daring=True), Verdict(None, True), "right are perhaps none"),
    ],
)
def test_what_is_wrong_is_said(reading, verdict, wrong):
    found, message = best_reading([reading], [verdict])
    assert found is None
    assert re.search(wrong, message)


def test_two_ways_to_read_a_map_need_a_word():
    assert best_reading([MAP, OTHER], [Verdict(None, True)] * 2)[1].endswith("(got some that may be FCHW or FHWC")


def test_an_open_order_is_that_of_the_nearest_tokens_of_the_same_layout():
    readings = {"a": [TOKENS], "b": [WIDE], "c": [TOKENS], "d": [TOKENS]}
    verdicts = dict(zip(readings, ([Verdict(share, True)] for share in (0.3, 0.9, None, 0.8)), strict=True))
    assert [found.local for (found,) in lent_orders(readings, verdicts).values()] == [0.3, 0.9, 0.8, 0.8]
    assert is_open(TOKENS, Verdict(None, True))
    assert not is_open(MAP, Verdict(None, True))
    assert not is_open(TOKENS, Verdict(0.5, True))
