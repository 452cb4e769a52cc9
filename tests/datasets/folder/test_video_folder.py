import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from pyg_video.datasets import VideoFileError, VideoFolder
from pyg_video.transforms import Compose, HorizontalFlip, MultiScaleCrop, ShortSide, centre_recipe


def numbers(frames):
    return ((frames[..., -6:, :6].double().mean((-3, -2, -1)) - 20) / 5).round().long().tolist()


@pytest.fixture
def videos(make_video, tmp_path):
    """Two classes; sizes, frame rates, containers and codecs differ."""
    for name, codec, rate, count in (
        ("bird/a.mp4", "libx264", 12, 24),
        ("bird/b.avi", "ffv1", 24, 40),
        ("plane/c.webm", "libvpx-vp9", 6, 12),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        make_video(tmp_path / name, count, codec=codec, rate=rate, width=64 if rate < 20 else 96)
    return tmp_path


def test_clips_span_the_video_whatever_its_rate(videos):
    folder = VideoFolder(videos, None, num_frames=4)
    assert (len(folder), folder.label_names, folder.num_classes) == (3, ("bird", "plane"), 2)
    clips = [folder[k] for k in range(3)]
    assert [numbers(clip.video) for clip in clips] == [[3, 9, 15, 21], [5, 15, 25, 35], [1, 4, 7, 10]]
    assert [(clip.label.item(), clip.number.item()) for clip in clips] == [(0, 0), (0, 1), (1, 2)]
    assert clips[1].video.shape == (4, 3, 48, 96)
    assert clips[0].box.shape == (4, 0, 4)


def test_a_frame_rate_gives_the_same_moments_of_all_videos(videos):
    folder = VideoFolder(videos, None, num_frames=3, frame_rate=3, num_clips=2)
    assert [numbers(folder[k].video) for k in (0, 2)] == [[[0, 4, 8], [12, 16, 20]], [[0, 2, 4], [6, 8, 10]]]


def test_gaps_in_time_are_no_gaps_in_the_clip(tmp_path):
    import av

    (tmp_path / "x").mkdir()
    with av.open(str(tmp_path / "x" / "a.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in (*range(5), *range(15, 20)):  # a second is missing
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 + 5 * number, np.uint8), format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    clip = VideoFolder(tmp_path, None, num_frames=10)[0]
    assert numbers(clip.video) == [1, 3, 4, 4, 4, 4, 4, 15, 17, 19]


def test_training_clips_depend_on_seed_epoch_and_number_alone(videos):
    one, two = (VideoFolder(videos, None, num_frames=4, random=True, seed=seed) for seed in (0, 1))
    assert torch.equal(one[2, 1].video, one[2, 1].video)
    assert not torch.equal(one[2, 1].video, one[3, 1].video)
    assert not torch.equal(one[2, 1].video, two[2, 1].video)
    for clip in (one[epoch, 0] for epoch in range(20)):
        assert [number // 6 for number in numbers(clip.video)] == [0, 1, 2, 3]


def test_a_list_takes_parts_of_long_videos(videos):
    path = videos / "list.csv"
    path.write_text("path,label,start,end\nbird/a.mp4,first,0,1\nbird/a.mp4,second,1,\nplane/c.webm,,0.5,99\n")
    folder = VideoFolder(path, None, num_frames=3)
    assert [numbers(folder[k].video) for k in range(3)] == [[2, 6, 10], [14, 18, 22], [4, 7, 10]]
    assert [folder[k].label.item() for k in range(3)] == [0, 1, -1]
    path.write_text("path,label,start\nbird/a.mp4,first,7\n")
    with pytest.raises(VideoFileError, match=r"a.mp4' .got 2.00 seconds, where a part begins at 7.00.; mend the list"):
        VideoFolder(path, None)[0]


def test_long_videos_are_taken_in_windows(videos):
    path = videos / "list.csv"
    path.write_text("path,label,start\nbird/a.mp4,bird,\nbird/b.avi,bird,1\n")
    folder = VideoFolder(path, None, num_frames=3, window=1.0, window_step=0.5)
    assert folder.ids == ["bird/a.mp4#t=0,1", "bird/a.mp4#t=0.5,1.5", "bird/a.mp4#t=1,2", "bird/b.avi#t=1,1.667"]
    assert [numbers(folder[k].video) for k in range(3)] == [[2, 6, 10], [8, 12, 16], [14, 18, 22]]
    assert list(folder.part_of) == [0, 0, 0, 1]
    assert len(VideoFolder(path, None, window=1.5)) == 3
    with pytest.raises(ValueError, match="a positive 'window' and 'window_step' .got 1.0 and 0"):
        VideoFolder(path, None, window=1.0, window_step=0)
    with pytest.raises(ValueError, match="Expected 'window' with 'window_step' .got a step of 2.0 alone"):
        VideoFolder(path, None, window_step=2.0)


@pytest.mark.parametrize("options", [{"frame_rate": math.inf}, {"shares": (math.nan, 0.1)}, {"shares": (0.1,)}])
def test_numbers_that_are_none_are_refused(videos, options):
    with pytest.raises(ValueError, match=f"'{next(iter(options))}'"):
        VideoFolder(videos, None, **options)


def test_clips_of_one_size_form_batches(videos):
    folder = VideoFolder(videos, None, num_frames=4, transform=centre_recipe(32))
    batch = folder.batch([(0, 0), (0, 1), (0, 2)])
    assert batch.video.shape == (3, 4, 3, 32, 32)
    (loaded,) = DataLoader(folder, batch_size=3)
    assert torch.equal(loaded.video, batch.video)


def test_splits_are_disjoint_and_complete(videos):
    path = videos / "list.csv"
    path.write_text("path,label,fold\nbird/a.mp4,bird,0\nbird/b.avi,bird,1\nplane/c.webm,plane,2\n")
    found = [VideoFolder(path, split, fold=2) for split in ("train", "val", "test")]
    assert [[entry.path.name for entry in folder.entries] for folder in found] == [["b.avi"], ["a.mp4"], ["c.webm"]]
    assert {folder.label_names for folder in found} == {("bird", "plane")}
    assert [folder.random for folder in found] == [True, False, False]


def test_a_list_without_a_split_is_named(videos):
    path = videos / "list.csv"
    path.write_text("path,label,split\nbird/a.mp4,bird,train\n")
    with pytest.raises(ValueError, match=r"list.csv: Expected videos in the split 'val' .got none of 1"):
        VideoFolder(path, "val")


def test_missing_files_are_named_or_left_out(videos):
    path = videos / "list.csv"
    path.write_text("path,label\nbird/a.mp4,bird\nbird/z.mp4,bird\n")
    with pytest.raises(
        VideoFileError, match=r"1 of 2 videos missing or damaged, as bird/z.mp4: missing.; mend the list '.*list.csv'"
    ):
        VideoFolder(path, None)
    with pytest.warns(UserWarning, match="1 of 2 videos missing or damaged"):
        assert len(VideoFolder(path, None, on_error="skip")) == 1


def test_boxes_follow_the_frames(videos, tmp_path):
    """The square of the test videos, 1/8 of the width wide, moves by two pixels per frame; it is lost in frame 9."""
    rows = [(k, 2 * k, 12, 8, 12) for k in range(24) if k != 9]
    frame, *edges = np.array(rows).T
    arrays = {"clips": ["a"], "clip_index": [0] * len(rows), "frame_index": frame}
    np.savez(tmp_path / "boxes.npz", **arrays, **dict(zip("xywh", edges, strict=True)))
    folder = VideoFolder(videos, None, num_frames=4, boxes=tmp_path / "boxes.npz", max_objects=2)
    assert folder[0].box[:, 0, 0].nan_to_num(-1).tolist() == pytest.approx([(3 * 2 + 4) / 64, -1, 34 / 64, 46 / 64])
    assert folder[0].box[:, 1].isnan().all()
    assert folder[1].box.shape == (4, 2, 4)
    assert folder[1].box.isnan().all()

    folder = VideoFolder(videos, None, num_frames=8, boxes=tmp_path / "boxes.npz", random=True)
    folder.transform = Compose(ShortSide(96), MultiScaleCrop(64), HorizontalFlip())
    for epoch in range(5):
        clip = folder[epoch, 0]
        for picture, (x, y, w, h) in zip(clip.video.float().mean(1), clip.box[:, 0] * 64, strict=True):
            if x.isfinite() and w > 8:
                inside = picture[int(y - h / 4) : int(y + h / 4) + 1, int(x - w / 4) : int(x + w / 4) + 1]
                assert inside.mean() > 200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "dev"}, "'split' to be one of"),
        ({"num_frames": 0}, "'num_frames' and 'num_clips' of at least 1"),
        ({"frame_rate": 0}, "a positive 'frame_rate'"),
        ({"shares": (0.5, 0.5)}, "leave some for training"),
        ({"on_corrupt": "ignore"}, "'on_corrupt'"),
        ({"on_error": "ignore"}, "'on_error'"),
        ({"fold": 1}, "'fold' among those of the list"),
    ],
)
def test_wrong_options_are_named(videos, options, message):
    with pytest.raises(ValueError, match=message):
        VideoFolder(videos, **options)


def test_numbers_beyond_the_end_are_refused(videos):
    with pytest.raises(IndexError, match="from 0 to 2 .got 3"):
        VideoFolder(videos, None)[3]
