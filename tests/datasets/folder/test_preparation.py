import csv
import tarfile

import pytest

from pyg_video.datasets import VideoFileError, VideoFolder, prepare_folder
from pyg_video.training import VideoFolderData

DAMAGED = {
    "bird/2.webm": "an empty file",
    "plane/1.webm": "an undecodable file: Invalid data found when processing input",
}


@pytest.fixture
def videos(make_video, tmp_path):
    """Six videos, of which two are damaged."""
    root = tmp_path / "videos"
    for name in ("bird", "plane"):
        (root / name).mkdir(parents=True)
        for number in range(3):
            make_video(root / name / f"{number}.webm", 3 + number)
    (root / "bird" / "2.webm").write_bytes(b"")
    (root / "plane" / "1.webm").write_bytes(b"no video" * 99)
    return root


def test_damaged_videos_are_listed(videos):
    report = prepare_folder(videos)
    assert (report.total, report.checked) == (6, 6)
    assert report.problems == {("", name): problem for name, problem in DAMAGED.items()}
    assert "  bird/2.webm: an empty file" in report.summary()
    rows = list(csv.DictReader(report.table.read_text().splitlines()))
    assert [(row["id"], row["path"]) for row in rows] == [(name, str(videos / name)) for name in DAMAGED]


def test_only_what_changed_is_read_again(videos, make_video):
    prepare_folder(videos)
    assert prepare_folder(videos).checked == 0
    make_video(videos / "bird" / "2.webm", 4)
    again = prepare_folder(videos)
    assert (again.checked, list(again.problems)) == (1, [("", "plane/1.webm")])


def test_the_data_set_leaves_out_what_is_known_to_be_damaged(videos, make_video):
    assert len(VideoFolder(videos, None)) == 6
    prepare_folder(videos)
    with pytest.raises(VideoFileError, match="2 of 6 videos missing or damaged, as bird/2.webm: an empty file"):
        VideoFolder(videos, None)
    with pytest.warns(UserWarning, match="2 of 6 videos missing or damaged"):
        folder = VideoFolder(videos, None, num_frames=2, on_error="skip")
    assert folder.skipped == DAMAGED
    assert [folder[k].video.shape[0] for k in range(len(folder))] == [2] * 4
    make_video(videos / "plane" / "1.webm", 4)
    with pytest.warns(UserWarning, match="1 of 6 videos missing or damaged"):
        assert len(VideoFolder(videos, None, on_error="skip")) == 5


def test_small_frames_are_those_of_whole_videos(videos, tmp_path):
    prepare_folder(videos)
    data = VideoFolderData(str(videos), cache=str(tmp_path / "cache"), frame_size=16, num_frames=2, on_error="skip")
    data.prepare_data()
    assert data.cache.complete()


def test_a_list_and_a_shard_are_checked_as_well(videos):
    with tarfile.open(videos / "0.tar", "w") as shard:
        shard.add(videos / "bird" / "2.webm", "bird/2.webm")
    path = videos / "list.csv"
    path.write_text("path,label,end,split\nbird/0.webm,a,0.1,val\nbird/0.webm,b,,val\n0.tar/bird/2.webm,b,,test\n")
    report = prepare_folder(path)
    assert (report.total, report.index_file.name) == (2, "pyg-video-index-list.json")
    assert report.problems == {("test", "0.tar/bird/2.webm"): "an empty file"}
    assert prepare_folder(videos / "0.tar").problems == {("", "0.tar/bird/2.webm"): "an empty file"}
    with pytest.warns(UserWarning, match="1 of 3 videos"):
        assert len(VideoFolder(path, None, on_error="skip")) == 2


@pytest.mark.parametrize("options", [{"workers": 0}, {"on_corrupt": "ignore"}])
def test_wrong_options_are_named(videos, options):
    with pytest.raises(ValueError, match=f"'{next(iter(options))}'"):
        prepare_folder(videos, **options)
