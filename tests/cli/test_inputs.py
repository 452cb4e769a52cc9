import io
import sys
import tarfile

import pytest

from pyg_video.cli.inputs import find_inputs
from pyg_video.datasets import VideoFileError, probe_video


@pytest.fixture
def videos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.mp4", "a.webm", "c.txt", "below/d.MOV", "results/b_regions.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def names(given, folder, **options):
    return [one.name for one in find_inputs(given, folder / "scratch", **options)]


def test_files_stay_in_their_order_each_once_whether_they_exist_or_not(videos):
    assert names(["b.mp4", "a.webm", "nowhere.mp4", "./b.mp4"], videos) == ["b.mp4", "a.webm", "nowhere.mp4"]


def test_links_in_a_circle_and_names_that_are_too_long_are_files_that_are_not_there(videos):
    (videos / "loop.mp4").symlink_to("loop.mp4")
    odd = ["loop.mp4", f"{5000 * 'x'}.mp4", "a.webm"]
    assert names(odd, videos) == odd
    for name in odd[:2]:
        with pytest.raises(VideoFileError, match="no file"):
            probe_video(name)


def test_patterns_are_sorted_and_may_go_down(videos):
    assert names(["*.[mw]*"], videos) == ["a.webm", "b.mp4"]
    assert names(["**/*.MOV", "?.mp4"], videos) == ["below/d.MOV", "b.mp4"]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(videos):
    (videos / "take[1].mp4").touch()
    assert names(["take[1].mp4"], videos) == ["take[1].mp4"]


def test_a_folder_is_all_videos_in_it_but_for_the_results(videos):
    assert names(["."], videos) == ["a.webm", "b.mp4", "below/d.MOV", "results/b_regions.mp4"]
    assert names(["."], videos, without=videos / "results") == ["a.webm", "b.mp4", "below/d.MOV"]


@pytest.mark.parametrize(
    ("given", "message"),
    [("empty", "Expected videos in the folder 'empty'"), ("*.avi", "Expected files for the pattern '\\*.avi'")],
)
def test_nothing_at_all_is_refused(videos, given, message):
    (videos / "empty").mkdir()
    with pytest.raises(ValueError, match=message):
        names([given], videos)


def test_bytes_on_standard_input_become_a_file(videos, monkeypatch):
    class Stdin:
        buffer = io.BytesIO(b"bytes of a video")

        def isatty(self):
            return self.buffer is None

    monkeypatch.setattr(sys, "stdin", Stdin())
    (videos / "scratch").mkdir()
    (found,) = find_inputs(["-"], videos / "scratch")
    assert (found.name, found.path.read_bytes()) == ("-", b"bytes of a video")
    Stdin.buffer = None
    with pytest.raises(ValueError, match="Expected the bytes of a video on standard input .* add < clip.mp4"):
        find_inputs(["-"], videos / "scratch")


def test_the_folder_of_results_may_be_that_of_the_videos_or_above(videos, tmp_path):
    all_of_them = find_inputs([str(videos)], tmp_path)
    assert len(all_of_them) > 0
    for results in (videos, videos.parent, videos / ".." / videos.name):
        assert find_inputs([str(videos)], tmp_path, without=results) == all_of_them


def test_the_folder_of_results_is_known_by_other_names(videos, tmp_path):
    (videos / "results").mkdir(exist_ok=True)
    (videos / "results" / "film.mp4").touch()
    found = find_inputs([str(videos)], tmp_path, without=videos / ".." / videos.name / "results")
    assert all(one.path.parent.name != "results" for one in found)


def test_videos_in_shards_are_found_and_damaged_shards_are_named_later(tmp_path):
    (tmp_path / "a.mp4").touch()
    with tarfile.open(tmp_path / "b.tar", "w") as shard:
        shard.add(tmp_path / "a.mp4", arcname="deep/c.mp4")
    (tmp_path / "d.tar").write_bytes(b"no shard")
    names = [found.name for found in find_inputs([str(tmp_path)], tmp_path)]
    assert names == [str(tmp_path / name) for name in ("a.mp4", "b.tar/deep/c.mp4", "d.tar")]
    assert len(find_inputs([str(tmp_path / "b.tar")], tmp_path)) == 1
