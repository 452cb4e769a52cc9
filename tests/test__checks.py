import pytest
import torch

from pyg_video._checks import check_fractions, check_lengths, check_option, looks_free, naming, rows_and_columns


def test_a_known_option_passes_and_an_unknown_one_lists_the_known():
    check_option("mode", "a", ("a", "b"))
    with pytest.raises(ValueError, match="Expected 'mode' to be one of 'a', 'b' .got 'c'"):
        check_option("mode", "c", ("a", "b"))


@pytest.mark.parametrize(
    ("num_nodes", "want"), [(1, (1, 1)), (6, (2, 3)), (7, (1, 7)), (9, (3, 3)), (12, (3, 4)), ([5, 2], (5, 2))]
)
def test_a_number_of_nodes_is_arranged_as_squarely_as_possible(num_nodes, want):
    assert rows_and_columns(num_nodes) == want


@pytest.mark.parametrize("num_nodes", [0, -4, 2.0, None, (3,), (0, 3), (2, -1), (1, 2, 3), (1.5, 2), "9"])
def test_impossible_numbers_of_nodes_are_an_error(num_nodes):
    with pytest.raises(ValueError, match=r"Expected 'nodes' to be a number of nodes or \(rows, columns\)"):
        rows_and_columns(num_nodes, "nodes")


@pytest.mark.parametrize("lengths", [[1], [1.0, 2.0], [0, 1], [1, 4]])
def test_impossible_lengths_are_an_error(lengths):
    with pytest.raises(ValueError, match="Expected 'lengths'"):
        check_lengths(torch.tensor(lengths), num_clips=2, num_frames=3)


def test_a_list_of_lengths_is_an_error():
    with pytest.raises(ValueError, match="as a tensor of integers of shape .2. .got list"):
        check_lengths([1, 2], num_clips=2, num_frames=3)


def test_reading_values_is_free_on_a_cpu_only():
    assert looks_free(torch.zeros(1))
    assert not looks_free(torch.zeros(1, device="meta"))


def test_pixels_are_told_from_fractions_by_the_boxes_that_are_present():
    box = torch.tensor([[0.5, 0.5, 1.0, 1.0], [10.0, 20.0, 50.0, 60.0], [float("nan")] * 4, [-1.0, 3.0, 2.0, 2.0]])
    present = torch.tensor([True, False, True, True])
    check_fractions("box", box, present)
    with pytest.raises(ValueError, match="Expected 'box' as fractions of the frame .got values up to 60, as of pixels"):
        check_fractions("box", box)
    check_fractions("box", torch.empty(0, 4))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (KeyError("id"), "Expected a list in 'a.json' (got no 'id'); mend it"),
        (TypeError("no number\nadvice"), "Expected a list in 'a.json' (got TypeError: no number); mend it"),
        (ValueError("a\nb"), "Expected a list in 'a.json' (got a); mend it"),
        (ValueError("Expected 'coords'\nof two (got 3)"), "a.json: Expected 'coords' of two (got 3)"),
        (ValueError("Expected 3 in 'a.json' (got 4)"), "Expected 3 in 'a.json' (got 4)"),
    ],
)
def test_whatever_a_file_raises_is_one_line_that_names_it(error, message):
    with pytest.raises(ValueError) as caught, naming("a.json", "a list", "mend it"):  # noqa: PT011 - compared below
        raise error
    assert str(caught.value) == message


def test_some_errors_of_a_file_stay_of_their_kind():
    for error, kept in ((FileNotFoundError("b"), ()), (LookupError("b"), (LookupError,))):
        with (
            pytest.raises(type(error), match=r"Expected a list in 'a.json' \(got"),
            naming("a.json", "a list", keep=kept),
        ):
            raise error
    with pytest.raises(ModuleNotFoundError, match=r"^No module"), naming("a.json", "a list"):
        raise ModuleNotFoundError("No module")
