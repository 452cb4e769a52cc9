import pytest
import torch

from pyg_video.datasets.digits import images as digits_module
from pyg_video.datasets.digits.images import INK, load_digits


def test_bundled_splits_hold_every_image_once():
    train, test = load_digits("bundled", "train"), load_digits("bundled", "test")
    assert (len(train.image), len(test.image)) == (1442, 355)
    assert (train.target.bincount() + test.target.bincount()).tolist() == [
        178,
        182,
        177,
        183,
        181,
        182,
        181,
        179,
        174,
        180,
    ]
    assert test.target.bincount().min() >= 34


def test_train_and_test_show_different_images():
    train, test = (load_digits("bundled", split).image.flatten(1) for split in ("train", "test"))
    assert len(torch.cat([train, test]).unique(dim=0)) == len(train) + len(test)


def test_bundled_digits_look_like_mnist():
    image = load_digits().image
    assert image.shape[1:] == (28, 28)
    assert image.dtype == torch.uint8
    assert image[:, :3].max() < INK
    assert image[:, -3:].max() < INK
    assert (image.flatten(1).max(1).values > 200).all()
    assert 0.1 < (image >= INK).float().mean() < 0.25


def test_digits_come_in_any_size():
    assert load_digits(size=14).image.shape[1:] == (14, 14)
    assert load_digits(size=40).image.shape[1:] == (40, 40)


def test_bundled_file_is_small():
    assert digits_module._BUNDLED.stat().st_size < 60_000
    assert digits_module._BUNDLED.with_name("UCI_DIGITS.md").read_text().count("CC BY 4.0") == 1


def test_a_root_folder_reads_mnist(mnist):
    images = load_digits(mnist, "test")
    assert images.image.shape == (10_000, 28, 28)
    assert images.target[:5].tolist() == [7, 2, 1, 0, 4]


def test_missing_mnist_says_how_to_get_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Expected 'digits' .*download=True.*'bundled'"):
        load_digits(tmp_path / "nowhere")


def test_unknown_split_is_refused():
    with pytest.raises(ValueError, match=r"'split' to be one of \('train', 'test'\) \(got 'valid'\)"):
        load_digits(split="valid")


def test_what_is_no_path_is_refused():
    with pytest.raises(TypeError, match=r"Expected 'digits' to be 'bundled' or .* \(got None\)"):
        load_digits(None)


def test_size_zero_is_refused():
    with pytest.raises(ValueError, match="at least 1 pixel"):
        load_digits(size=0)
