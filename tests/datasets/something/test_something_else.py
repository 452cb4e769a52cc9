import json

import pytest
import torch

from pyg_video.datasets import SomethingElse


def label(category, edges, standard=None):
    box = dict(zip(("x1", "y1", "x2", "y2"), edges, strict=True))
    return {"box2d": box, "category": category, "standard_category": standard or category}


def entry(video, frame, *labels):
    return {"name": f"{video}/{frame + 1:04d}.jpg", "labels": list(labels), "gt_placeholders": [], "nr_instances": 1}


CUP = [label("cup", (16, 12, 32, 36), "0000")]
HANDS = [label("hand", (0, 0, 32, 24)), label("hand", (32, 24, 64, 48))]


@pytest.fixture
def folder(tmp_path):
    """The four files; video 100 has a cup in frames 0 and 2, hands in frame 0, nothing in frame 1."""
    parts = [
        {"100": [entry(100, 0, *HANDS, *CUP), entry(100, 1), entry(100, 2, *CUP)]},
        {"101": [entry(101, 0, *CUP)], "102": [entry(102, 0, *HANDS)]},
        {},
        {"103": [entry(103, 1, label("cup", (-8, -4, 80, 24), "0000"), label("pen", (70, 0, 90, 9), "0001"))]},
    ]
    for number, part in enumerate(parts, start=1):
        (tmp_path / f"bounding_box_smthsmth_part{number}.json").write_text(json.dumps(part, indent=number % 2 or None))
    return tmp_path


def test_all_four_files_are_read_together(folder):
    assert sorted(SomethingElse(folder).ids) == ["100", "101", "102", "103"]
    assert sorted(SomethingElse(folder, {"101", "999"}).ids) == ["101"]


def test_objects_come_first_and_every_hand_has_a_place_of_its_own(folder):
    tracks = SomethingElse(folder).tracks("100")
    assert [track.category for track in tracks] == ["0000", "hand", "hand"]
    assert [track.frame.tolist() for track in tracks] == [[0, 2], [0], [0]]
    assert tracks[2].box.tolist() == [[32, 24, 64, 48]]


def test_boxes_are_fractions_of_the_frame_and_nan_where_there_is_none(folder):
    box = SomethingElse(folder, max_objects=4).boxes("100", torch.arange(4), 12.0, 48, 64)
    assert box.shape == (4, 4, 4)
    assert box[0, :3].tolist() == [[0.375, 0.5, 0.25, 0.5], [0.25, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5]]
    assert torch.equal(box[2, 0], box[0, 0])
    found = ~box.isnan().all(-1)
    assert found.tolist() == [[True, True, True, False], [False] * 4, [True, False, False, False], [False] * 4]


def test_boxes_are_cut_at_the_border_and_dropped_beyond_it(folder):
    box = SomethingElse(folder).boxes("103", torch.tensor([1]), 12.0, 48, 64)[0]
    assert box[0].tolist() == [0.5, 0.25, 1.0, 0.5]
    assert box[1].isnan().all()


def test_frames_of_another_rate_find_the_annotation_of_their_time(folder):
    box = SomethingElse(folder).boxes("100", torch.tensor([[0, 2], [4, 5]]), 24.0, 48, 64)
    assert (~box[..., 0, 0].isnan()).tolist() == [[True, False], [True, True]]


def test_videos_without_annotations_have_no_boxes(folder):
    assert SomethingElse(folder).boxes("999", torch.arange(3), 12.0, 48, 64).isnan().all()


def test_only_so_many_objects_are_kept(folder):
    assert SomethingElse(folder, max_objects=1).boxes("100", torch.arange(3), 12.0, 48, 64).shape == (3, 1, 4)
    with pytest.raises(ValueError, match="'max_objects' of at least 1"):
        SomethingElse(folder, max_objects=0)


def test_a_missing_file_is_named(folder):
    (folder / "bounding_box_smthsmth_part3.json").unlink()
    with pytest.raises(FileNotFoundError, match="without bounding_box_smthsmth_part3.json"):
        SomethingElse(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"100": [', "a whole JSON file"),
        ('{"100": []', "a whole JSON file"),
        ("", "a whole JSON file"),
        ('{"100": []} {"101": []}', "a whole JSON file"),
        ('{"100": []}, "101": []}', "a whole JSON file"),
        ('{"100": [],}', "a whole JSON file"),
        ('{"100": [] "101": []}', "a whole JSON file"),
        ('{"100" []}', "a whole JSON file"),
        ('{"100": [], "100": []}', "a whole JSON file"),
        ('{,"100": []}', "a whole JSON file"),
        ('{"100": ' + 10**5 * "[", "a whole JSON file"),
        ('{"100": [{"name": "100/1000000000000.jpg", "labels": []}]}', "annotations of video 100"),
        ('{"100": [{"name": "100/0000.jpg", "labels": []}]}', "annotations of video 100"),
        ('{"100": null}', "annotations of video 100"),
        (json.dumps({"100": [entry(100, 0, label("cup", (0, 0, float("nan"), 1)))]}), "annotations of video 100"),
        ('{"100": [{"name": "100/0001.jpg"}]}', "annotations of video 100"),
        ('{"100": [{"name": "first", "labels": []}]}', "annotations of video 100"),
    ],
)
def test_damaged_files_are_named(folder, content, message):
    (folder / "bounding_box_smthsmth_part1.json").write_text("{}")
    (folder / "bounding_box_smthsmth_part2.json").write_text(content)
    with pytest.raises(ValueError, match=rf"{message}.*part2.json"):
        SomethingElse(folder)


def test_a_video_in_two_files_is_named(folder):
    (folder / "bounding_box_smthsmth_part2.json").write_text('{"103": []}')
    with pytest.raises(ValueError, match=rf"Expected boxes in '{folder}' \(got boxes of the video '103' twice"):
        SomethingElse(folder)
