import math

import pytest

from pyg_video.datasets.folder.lists import VideoEntry, class_names, read_folder, read_list, read_videos


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def tree(tmp_path):
    for name in ("cat/b.MP4", "cat/a.webm", "dog/deep/c.gif", "dog/notes.txt", "dog/.hidden", "loose.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def test_videos_of_a_folder_are_sorted_and_named_by_their_first_folder(tree):
    entries = read_folder(tree)
    assert [entry.path.relative_to(tree).as_posix() for entry in entries] == [
        "cat/a.webm",
        "cat/b.MP4",
        "dog/deep/c.gif",
    ]
    assert [entry.label for entry in entries] == ["cat", "cat", "dog"]
    assert class_names(entries) == ("cat", "dog")
    with pytest.raises(FileNotFoundError, match=r"videos in folders of their classes, '.*/CLASS/NAME.mp4' .got none"):
        read_folder(tree / "dog" / "deep")


def test_links_are_followed_but_in_a_circle(tree):
    before = read_folder(tree)
    (tree / "cat" / "self").symlink_to(tree)
    (tree / "dog" / "there").symlink_to(tree / "cat")
    (tree / "cat" / "loop.mp4").symlink_to("loop.mp4")
    found = [entry.path.relative_to(tree).as_posix() for entry in read_folder(tree)]
    assert found == [
        "cat/a.webm",
        "cat/b.MP4",
        "cat/loop.mp4",
        "dog/deep/c.gif",
        "dog/there/a.webm",
        "dog/there/b.MP4",
        "dog/there/loop.mp4",
    ]
    assert len(before) == 3


def test_folders_named_like_splits_are_splits(tmp_path):
    for name in ("train/cat/1.mp4", "train/dog/1.mp4", "val/cat/deep/2.mp4", "test/dog/3.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    entries = read_folder(tmp_path)
    assert [(entry.split, entry.label) for entry in entries] == [
        ("test", "dog"),
        ("train", "cat"),
        ("train", "dog"),
        ("val", "cat"),
    ]
    (tmp_path / "train" / "4.mp4").write_bytes(b"")
    with pytest.raises(ValueError, match=r"folders of classes in 'train'.*got the video 'train/4.mp4'"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [
        (None, ["cat/a.webm", "cat/b.MP4", "dog/deep/c.gif"]),
        (r"^\w+", ["cat", "cat", "dog"]),
        (r"/(\w)\.(w|M)", ["a", "b", "dog/deep/c.gif"]),
    ],
)
def test_groups_are_found_in_the_path(tree, pattern, groups):
    assert [entry.group for entry in read_folder(tree, pattern)] == groups


def test_a_list_has_any_of_the_columns(tmp_path):
    path = write(tmp_path / "a.csv", "label,path,end,fold,note", "cat,x/1.mp4,2.5,3,hello", ',"2, 3.mp4",,,')
    first, second = read_list(path)
    assert first == VideoEntry(tmp_path / "x/1.mp4", "cat", 0.0, 2.5, "x/1.mp4", 3, "")
    assert second == VideoEntry(tmp_path / "2, 3.mp4", "", 0.0, math.inf, "2, 3.mp4", -1, "")
    assert class_names([first, second]) == ("cat",)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["path,name", "1.mp4,cat"], r"in line 1: columns path, name, without path and label"),
        ([], "columns none"),
        (["path,label,Groups", "1.mp4,cat,a"], "in line 1: the column 'Groups', did you mean 'group'?"),
        (["path,label"], "got none"),
        (["path,label", "1.mp4,cat", "1.mp4"], "in line 3: another number of fields"),
        (["path,label", "1.mp4,cat,7"], "in line 2: another number of fields"),
        (["path,label", ",cat"], "no 'path'"),
        (["path,label,start,end", "1.mp4,cat,2,1"], "'start' 2 and 'end' 1"),
        (["path,label,start", "1.mp4,cat,nan"], "'start' nan"),
        (["path,label,start", "1.mp4,cat,soon"], "could not convert string to float: 'soon'"),
        (["path,label,fold", "1.mp4,cat,first"], "invalid literal"),
        (["path,label,split", "1.mp4,cat,dev"], "'split' dev, where train, val, test are known"),
        (["path,label", '1.mp4,"cat'], "unexpected end of data"),
        (["path,label", "1.mp4," + "x" * 200_000], "field larger than field limit"),
    ],
)
def test_mistakes_in_a_list_name_the_file_and_line(tmp_path, lines, problem):
    with pytest.raises(ValueError, match=problem) as caught:
        read_list(write(tmp_path / "a.csv", *lines))
    assert "a.csv'" in str(caught.value)


def test_what_a_pattern_does_not_find_has_a_group_of_its_own(tmp_path):
    for name in ("cat/place_1.mp4", "cat/x.mp4", "dog/x.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    groups = [entry.group for entry in read_folder(tmp_path, r"(place_\d+)|x")]
    assert groups == ["place_1", "cat/x.mp4", "dog/x.mp4"]


def test_a_pattern_that_finds_nothing_is_refused(tree):
    with pytest.raises(ValueError, match=r"such as 'cat/a.webm' .got 'plcae', which finds nothing in any"):
        read_folder(tree, "plcae")
    with pytest.raises(ValueError, match=r"'group' to be a regular expression .got '\(': missing"):
        read_folder(tree, "(")


def test_a_video_is_no_list_and_a_list_has_no_pattern(tree):
    with pytest.raises(ValueError, match=r"a folder of videos or a list of them .got the video '.*b.MP4'"):
        read_videos(tree / "cat" / "b.MP4")
    (tree / "list.csv").write_text("path,label\ncat/a.webm,cat\n")
    with pytest.raises(ValueError, match=r"Expected 'group' with a folder .got 'cat' with the list '.*list.csv'"):
        read_videos(tree / "list.csv", "cat")
