import json

import numpy as np
import pytest
import torch

from pyg_video.datasets import read_boxes
from pyg_video.datasets.folder.boxes import match_names

# Two objects in a video of 64 x 48 pixels: a ball in frames 0, 1 and 3, a cup in frames 1 and 3.
BALL = {0: (0, 12, 32, 24), 1: (8, 12, 32, 24), 3: (32, 12, 32, 24)}
CUP = {1: (0, 0, 16, 12), 3: (16, 0, 16, 12)}
ROWS = [(frame, kind, box) for kind, boxes in enumerate((BALL, CUP)) for frame, box in boxes.items()]


def write_vis(folder, scale=1.0, **size):
    per_frame = [[[scale * v for v in boxes[k]] if k in boxes else None for k in range(4)] for boxes in (BALL, CUP)]
    content = {
        "videos": [{"id": 5, "file_names": [f"park/1/{k:05d}.jpg" for k in range(4)], **size}],
        "categories": [{"id": 1, "name": "ball"}, {"id": 2, "name": "cup"}],
        "annotations": [
            {"id": k, "video_id": 5, "category_id": k + 1, "bboxes": boxes} for k, boxes in enumerate(per_frame)
        ],
    }
    (folder / "vis.json").write_text(json.dumps(content))
    return folder / "vis.json"


def write_images(folder, key="frame_id", track="instance_id"):
    content = {
        "videos": [{"id": 5, "name": "park/1"}],
        "images": [{"id": 10 + k, "video_id": 5, key: k, "width": 64, "height": 48} for k in range(4)],
        "categories": [{"id": 0, "name": "ball"}, {"id": 1, "name": "cup"}],
        "annotations": [
            {"id": k, "image_id": 10 + frame, "category_id": kind, "bbox": box, **({track: 7 + kind} if track else {})}
            for k, (frame, kind, box) in enumerate(ROWS)
        ],
    }
    (folder / "images.json").write_text(json.dumps(content))
    return folder / "images.json"


COCO = """{"videos": [{"id": 1, "name": "a"}], "images": [{"id": 2, "video_id": 1, "frame_id": FRAME}],
"annotations": [{"image_id": 2, "bbox": [0, 0, 8, 8]}]}"""


def write_mot(folder, name="park/1.csv", tail="1,-1,-1"):
    path = folder / "mot" / name
    path.parent.mkdir(parents=True)
    lines = [f"{frame + 1},{kind + 3},{','.join(map(str, box))},{tail}" for frame, kind, box in sorted(ROWS)]
    path.write_text("\n".join(lines) + "\n")
    return folder / "mot"


def write_arrays(folder, **changes):
    frame, kind, box = zip(*ROWS, strict=True)
    arrays = {
        "clips": np.array(["elsewhere", "park/1"]),
        "classes": np.array(["ball", "cup"]),
        "clip_index": np.ones(len(ROWS), np.int16),
        "frame_index": np.array(frame, np.int16),
        "class_index": np.array(kind, np.uint8),
        **dict(zip("xywh", np.array(box, np.float32).T, strict=True)),
        **changes,
    }
    np.savez(folder / "boxes.npz", **{name: array for name, array in arrays.items() if array is not None})
    return folder / "boxes.npz"


WRITERS = {
    "youtube-vis": write_vis,
    "youtube-vis of another size": lambda folder: write_vis(folder, 2.0, width=128, height=96),
    "coco with images": write_images,
    "coco by frame_index and track_id": lambda folder: write_images(folder, "frame_index", "track_id"),
    "coco without identities": lambda folder: write_images(folder, track=None),
    "mot": write_mot,
    "mot ground truth": lambda folder: write_mot(folder, "park/1/gt/gt.txt", "1,2,0.5"),
    "arrays": write_arrays,
    "arrays without classes": lambda folder: write_arrays(folder, classes=None),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_gives_the_same_boxes(kind, tmp_path):
    tracks = read_boxes(WRITERS[kind](tmp_path), max_objects=3)
    assert tracks.ids == ["park/1"]
    box = tracks.boxes("park/1", torch.arange(5), 30.0, 48, 64)
    expected = torch.full((5, 3, 4), torch.nan)
    for frame, place, (x, y, w, h) in ROWS:
        expected[frame, place] = torch.tensor([(x + w / 2) / 64, (y + h / 2) / 48, w / 64, h / 48])
    torch.testing.assert_close(box, expected, equal_nan=True)


def test_the_categories_are_named(tmp_path):
    for path, names in ((write_vis(tmp_path), ["ball", "cup"]), (write_arrays(tmp_path), ["ball", "cup"])):
        assert [track.category for track in read_boxes(path).tracks("park/1")] == names


def test_boxes_without_an_edge_beyond_two_are_fractions(tmp_path):
    scale = np.array([64, 48, 64, 48], np.float32)
    edges = dict(zip("xywh", (np.array([box for *_, box in ROWS]) / scale).T, strict=True))
    fractions = read_boxes(write_arrays(tmp_path, **edges)).boxes("park/1", torch.arange(4), 30.0, 480, 640)
    pixels = read_boxes(write_arrays(tmp_path)).boxes("park/1", torch.arange(4), 30.0, 48, 64)
    torch.testing.assert_close(fractions, pixels, equal_nan=True)


def test_objects_without_identity_are_told_apart_within_a_frame(tmp_path):
    path = write_mot(tmp_path)
    (path / "park" / "1.csv").write_text("1,-1,0,0,8,8,0.9\n1,-1,16,0,8,8,0.8\n2,-1,4,0,8,8,0.9\n")
    box = read_boxes(path, max_objects=2).boxes("park/1", torch.arange(2), 30.0, 48, 64)
    assert box[..., 0].nan_to_num(-1).tolist() == [[0.0625, 0.3125], [0.125, -1]]


def test_the_ground_truth_wins_and_its_flag_leaves_boxes_out(tmp_path):
    path = write_mot(tmp_path, "park/1/gt/gt.txt", "1,2,0.5")
    (path / "park/1/det").mkdir()
    (path / "park/1/det/det.txt").write_text("1,-1,0,0,8,8,0.9\n")
    truth = path / "park/1/gt/gt.txt"
    truth.write_text(truth.read_text() + "1,9,0,0,8,8,0,2,1\n")
    assert read_boxes(path).ids == ["park/1"]
    assert len(read_boxes(path).tracks("park/1")) == 2


def test_the_objects_with_most_boxes_come_first(tmp_path):
    path = write_arrays(tmp_path, track_index=np.array([9, 9, 9, 1, 2]))
    assert [len(track.frame) for track in read_boxes(path).tracks("park/1")] == [3, 1, 1]
    assert len(read_boxes(path, max_objects=2).tracks("park/1")) == 2


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.json", "{", "Expecting property name"),
        ("a.json", '{"videos": []}', "no 'annotations'"),
        ("a.json", '{"videos": [], "annotations": []}', "got none"),
        ("a.json", '{"videos": [{"id": 1}], "annotations": []}', "no 'file_name'"),
        ("a.json", '{"videos": [], "images": [], "annotations": [{"image_id": 3}]}', "no 3"),
        ("a.npz", "no zip", "pickled"),
        ("a.xml", "", r"to be .json .COCO., .npz, or a folder"),
        ("mot/1.csv", "frame,id\n", "could not convert string to float: 'frame' in line 1"),
        ("mot/1.csv", "1,1,0,0,8\n", "line 1, not frame"),
        ("mot/1.csv", "0,1,0,0,8,8\n", "line 1, not frame"),
        ("a.json", COCO.replace("FRAME", "0").replace('"id": 1', '"id": 9'), "a video 1, which is not among 'videos'"),
        ("a.json", COCO.replace("FRAME", "0").replace('"a"}', '"a"}, {"id": 5, "name": "a"}'), "the video 'a' twice"),
        ("mot/1.md", "", "got none"),
        ("mot/1.csv", "1.5,1,0,0,8,8\n", "1.5, which is no whole number"),
        ("mot/1.csv", "1,0.5,0,0,8,8\n", "0.5, which is no whole number"),
        ("a.json", COCO.replace("FRAME", "0.9"), "0.9, which is no whole number"),
        ("a.json", COCO.replace("FRAME", "null"), "TypeError"),
        ("mot/1.csv", "inf,1,0,0,5,5\n", "OverflowError"),
        ("mot/1.csv", "3000000000,1,0,0,5,5\n", "far too late"),
        ("mot/1.csv", 140_000 * "1" + "\n", "field larger than"),
        ("a.json", 10**5 * "[", "RecursionError"),
        ("a.npz", "", "Error"),
    ],
)
def test_damaged_files_are_named(tmp_path, name, content, problem):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    with pytest.raises(ValueError, match=problem) as caught:
        read_boxes(path.parent if "/" in name else path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"clips": None, "x": None}, "no clips, x"),
        ({"clip_index": np.ones(3, np.int16)}, "arrays of different lengths"),
        ({"clip_index": np.full(5, 2)}, "index 2 is out of bounds"),
        ({"clip_index": np.full(5, -1)}, "a negative clip_index"),
        ({"frame_index": np.full(5, -1)}, "frame -1 of video park/1"),
        ({"class_index": np.full(5, 2)}, "index 2 is out of bounds"),
        ({"frame_index": np.arange(5.0)}, "frame_index of float64"),
        ({"clip_index": np.full(5, 0.9)}, "clip_index of float64"),
        ({"x": np.array([*"abcde"])}, "x of <U1"),
    ],
)
def test_damaged_arrays_are_named(tmp_path, changes, problem):
    with pytest.raises(ValueError, match=problem):
        read_boxes(write_arrays(tmp_path, **changes))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a file or folder of boxes .got '.*none.npz'"):
        read_boxes(tmp_path / "none.npz")


def test_videos_are_found_by_path_or_file():
    known = ["bird/1", "bird/2.mp4", "3.mp4", "4"]
    videos = [f"bird/{k}.mp4" for k in range(1, 6)]
    assert match_names(videos, known) == dict(zip(videos, known, strict=False))
    with pytest.raises(ValueError, match=r"boxes of the videos, such as 'a/1.mp4' .got boxes of others, such as '7'"):
        match_names(["a/1.mp4"], ["7"])
    with pytest.raises(ValueError, match=r"one video by the name '1' .got a/1.mp4 and b/1.mp4"):
        match_names(["a/1.mp4", "b/1.mp4"], ["1"])
