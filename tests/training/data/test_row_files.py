import numpy as np
import pytest

from pyg_video.training.data.row_files import RowFiles


@pytest.fixture
def files(tmp_path):
    return RowFiles(tmp_path / "rows.npy", tmp_path / "rows.npz", "numbers")


def test_rows_are_read_as_they_were_written(files):
    values = np.arange(24, dtype=np.float16).reshape(4, 3, 2)
    with files.written(values.shape, np.float16) as writer:
        writer.add(values[:1])
        writer.add(values[1:])
        writer.about["label"] = np.array([3, 1, 2, 0])
    rows = files.opened()
    np.testing.assert_array_equal(rows.array, values)
    np.testing.assert_array_equal(rows.about["label"], [3, 1, 2, 0])
    rows.check(values[[2, 0]], [2, 0])
    with pytest.raises(ValueError, match=r"Expected numbers in '.*rows.npy' \(got some that have changed\)"):
        rows.check(values[[2, 0]], [0, 2])


def test_what_is_known_of_the_rows_may_not_change_its_shape(files):
    with files.written([2], np.uint8) as writer:
        writer.add(np.zeros(2, np.uint8))
        writer.about["label"] = np.arange(4)
    with np.load(files.about) as arrays:
        about = dict(arrays)
    np.savez(files.about, **{**about, "label": about["label"].reshape(2, 2)})
    with pytest.raises(ValueError, match=r"rows.npz' \(got one that has changed, or of others"):
        files.opened()


def test_an_error_leaves_neither_file(files):
    def write():
        with files.written([2], np.uint8) as writer:
            writer.add(np.zeros(2, np.uint8))
            raise KeyError

    with pytest.raises(KeyError):
        write()
    assert not files.complete()
    assert list(files.rows.parent.iterdir()) == []
