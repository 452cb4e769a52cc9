import pytest

from pyg_video.datasets import VideoFileError
from pyg_video.datasets.video.errors import CannotSeekError, UnreadableError, errors_of


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (RuntimeError("no sense\nin it"), "an undecodable file: no sense"),
        (AttributeError(), "an undecodable file: AttributeError"),
        (OSError(5, "Input/output error"), "an undecodable file: Input/output error"),
        (UnreadableError("frames askew", "straighten them"), "frames askew"),
    ],
)
def test_whatever_reading_raises_names_the_file(error, problem):
    with pytest.raises(VideoFileError, match="'a.mp4'") as raised, errors_of("a.mp4"):
        raise error
    assert raised.value.problem == problem
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("error", [VideoFileError.of("b.mp4", "no file"), CannotSeekError(), ModuleNotFoundError("av")])
def test_errors_that_say_what_they_are_stay(error):
    with pytest.raises(type(error)) as raised, errors_of("a.mp4"):
        raise error
    assert raised.value is error


def test_a_repair_may_be_given():
    assert str(VideoFileError.of("a.mp4", "no file")).endswith("pyg-video prepare lists all such files")
    assert str(VideoFileError.of("a.mp4", "no file", "find it")).endswith("(got no file); find it")
