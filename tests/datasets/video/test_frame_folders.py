import pytest
import torch
from PIL import Image

from pyg_video.datasets import VideoFileError
from pyg_video.datasets.video.frame_folders import decode_jpegs, frame_files


@pytest.fixture
def folder(something_v1):
    return something_v1 / "20bn-something-something-v1" / "100"


def test_frames_in_their_order(folder):
    files = frame_files(folder)
    assert [path.name for path in files[:2]] == ["00001.jpg", "00002.jpg"]
    frames = decode_jpegs(files)
    assert frames.shape == (12, 3, 48, 64)
    assert ((frames[:, :, -6:].double().mean((1, 2, 3)) - 20) / 5).round().tolist() == list(range(12))


def test_grey_frames_have_three_channels(folder):
    Image.new("L", (64, 48), 99).save(folder / "00001.jpg")
    assert decode_jpegs([folder / "00001.jpg"]).shape == (1, 3, 48, 64)


def test_missing_folders_and_gaps_are_named(folder):
    (folder / "00004.jpg").unlink()
    with pytest.raises(VideoFileError, match="no frame 00004.jpg, but 00005.jpg"):
        frame_files(folder)
    for path in folder.glob("*.jpg"):
        path.unlink()
    with pytest.raises(VideoFileError, match="a folder without frames"):
        frame_files(folder)
    with pytest.raises(VideoFileError, match="no folder"):
        frame_files(folder / "none")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda data: b"", "an empty file"),
        (lambda data: data[: len(data) // 2], "an unreadable frame: .*(truncated|Truncated)"),
        (lambda data: b"no image" * 9, "an undecodable frame"),
    ],
)
def test_damaged_frames_are_named(folder, damage, problem):
    path = folder / "00003.jpg"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(VideoFileError, match=f"00003.jpg' .got {problem}"):
        decode_jpegs(frame_files(folder))


def test_frames_that_went_away_or_differ_in_size(folder):
    files = frame_files(folder)
    files[3].unlink()
    with pytest.raises(VideoFileError, match="an unreadable frame: No such file"):
        decode_jpegs(files)
    Image.new("RGB", (8, 8)).save(files[3])
    with pytest.raises(VideoFileError, match="frames of several sizes"):
        decode_jpegs(files)


def test_other_pictures_called_jpg(folder):
    path = folder / "00003.jpg"
    Image.new("RGB", (64, 48)).save(path, format="PNG")
    assert decode_jpegs(frame_files(folder)).shape == (12, 3, 48, 64)
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 48\nshowpage\n")  # would run Ghostscript
    with pytest.raises(VideoFileError, match="00003.jpg' .got an undecodable frame"):
        decode_jpegs(frame_files(folder))


@pytest.mark.parametrize("first", [0, 5])
def test_damaged_frames_are_replaced_by_the_one_before_if_asked_for(folder, first):
    files = frame_files(folder)
    whole = decode_jpegs(files)
    for number in (first, first + 1):
        files[number].write_bytes(b"")
    frames = decode_jpegs(files, "skip")
    stand_in = whole[first - 1 if first else 2]
    assert torch.equal(frames[first], stand_in)
    assert torch.equal(frames[first + 1], stand_in)
    assert torch.equal(frames[first + 2 :], whole[first + 2 :])
    with pytest.warns(UserWarning, match=f"2 read, from {first} on"):
        assert torch.equal(decode_jpegs(files, "warn"), frames)
    with pytest.raises(VideoFileError, match="an empty file"):
        decode_jpegs(files)
    with pytest.raises(VideoFileError, match="no frame that decodes"):
        decode_jpegs(files[first : first + 2], "skip")
