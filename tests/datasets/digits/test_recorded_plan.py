import numpy as np
import pytest
import torch

from pyg_video.datasets.digits.recorded_plan import RecordedPlan


def trajectories(**changes):
    coords = np.random.default_rng(0).integers(0, 72, (2, 4, 3, 2), dtype=np.uint8)
    coords[:, :, 1] = coords[:, :, 0]
    return {
        "coords": coords,
        "digit_index": np.array([[5, 0, 2], [1, 4, 3]], dtype=np.uint32),
        "is_sync": np.array([True, False]),
        "digit_in_front": np.array([True, False]),
    } | changes


def plan(**changes):
    return RecordedPlan(trajectories(**changes), target=torch.arange(6), room=72)


def test_it_plays_what_is_given():
    played = plan()(torch.tensor([1, 0]))
    assert played.image.tolist() == [[1, 4, 3], [5, 0, 2]]
    assert np.array_equal(played.position.numpy(), trajectories()["coords"][[1, 0]])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "uint32", "uint64"])
def test_every_type_of_integers_is_played(dtype):
    kinds = {key: value.astype(dtype) for key, value in trajectories().items()}
    for mine, theirs in zip(plan(**kinds)(torch.arange(2)), plan()(torch.arange(2)), strict=True):
        assert torch.equal(mine, theirs)


def test_the_first_two_digits_are_the_pair_of_a_synchronous_clip():
    assert plan()(torch.arange(2)).sync.tolist() == [[True, True, False], [False, False, False]]


def test_a_digit_not_in_front_is_drawn_first():
    assert plan()(torch.arange(2)).order.tolist() == [[0, 1, 2], [2, 1, 0]]


def test_a_file_and_a_mapping_are_the_same(tmp_path):
    np.savez(tmp_path / "given.npz", **trajectories())
    read = RecordedPlan(tmp_path / "given.npz", target=torch.arange(6), room=72)
    assert len(read) == 2
    for mine, theirs in zip(read(torch.arange(2)), plan()(torch.arange(2)), strict=True):
        assert torch.equal(mine, theirs)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"trajectories in an .npz file .*missing.npz"):
        RecordedPlan(tmp_path / "missing.npz", target=torch.arange(6), room=72)


def test_missing_arrays_are_named():
    arrays = {"path": trajectories()["coords"]}
    with pytest.raises(
        ValueError, match=r"Expected trajectories with the arrays .* \(got \['path'\]\); add \['coords'"
    ):
        RecordedPlan(arrays, target=torch.arange(6), room=72)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"coords": np.zeros((2, 4, 3), np.uint8)}, r"'coords' of shape \[M, T, D, 2\]"),
        ({"coords": np.zeros((2, 0, 3, 2), np.uint8)}, r"'coords' .* a frame .*\(got \[2, 0, 3, 2\]\)"),
        ({"coords": np.zeros((0, 4, 3, 2), np.uint8)}, r"'coords' of .* with a clip"),
        ({"coords": np.full((2, 4, 3, 2), 1.5)}, r"'coords' to hold integers .*\(got float64\); round"),
        ({"digit_index": np.zeros((2, 3))}, r"'digit_index' to hold integers .*\(got float64\)"),
        ({"is_sync": np.array(["yes", "no"])}, r"'is_sync' to hold integers or truth values \(got <U3\)"),
        ({"is_sync": np.array([True])}, "to go with the 2 clips of 'coords'"),
        ({"coords": np.full((2, 4, 3, 2), 73, np.uint8)}, r"'coords' to lie in \[0, 72\] .*enlarge 'canvas_size'"),
        (
            {"digit_index": np.full((2, 3), 6, np.uint32)},
            r"'digit_index' to lie in \[0, 5\] \(got 6 to 6\); pass the digits",
        ),
    ],
)
def test_wrong_arrays_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        plan(**changes)


def test_errors_about_a_file_name_it(given_trajectories):
    path = given_trajectories(is_sync=np.array([True]))
    with pytest.raises(ValueError, match=r"^[^ ]*given.npz: Expected .* to go with the 6 clips of 'coords'"):
        RecordedPlan(path, target=torch.arange(100), room=72)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ValueError, match=r"^Expected trajectories in an .npz file in '.*given.npz' .*fetch it again"):
        RecordedPlan(path, target=torch.arange(100), room=72)
