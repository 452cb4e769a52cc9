import pickle

import pytest
import torch

from pyg_video.datasets import BoxTracks, SomethingElse, VideoTracks

BALL = ("ball", [(2, [32.0, 12.0, 64.0, 36.0]), (0, [0.0, 12.0, 32.0, 36.0])])
CUP = ("cup", [(1, [-8.0, -4.0, 80.0, 24.0]), (2, [70.0, 0.0, 90.0, 9.0])])


def test_objects_keep_their_place_and_are_nan_where_they_are_not():
    box = BoxTracks([VideoTracks("a", [BALL, CUP])], max_objects=3).boxes("a", torch.arange(4), 25.0, 48, 64)
    assert box.shape == (4, 3, 4)
    assert (~box.isnan().any(-1)).tolist() == [
        [True, False, False],
        [False, True, False],
        [True, False, False],  # the cup has left the frame
        [False, False, False],
    ]
    assert box[2, 0].tolist() == [0.75, 0.5, 0.5, 0.5]
    assert box[1, 1].tolist() == [0.5, 0.25, 1.0, 0.5]  # cut at the border


@pytest.mark.parametrize("size", [(1, 1), (64, 48), (128, 96)])
def test_boxes_are_measured_in_frames_of_any_size(size):
    edges = [0.25 * size[0], 0.5 * size[1], 0.5 * size[0], 1.0 * size[1]]
    tracks = BoxTracks([VideoTracks("a", [("ball", [(0, edges)])], size)])
    assert tracks.boxes("a", torch.tensor([0]), 25.0, 480, 640)[0, 0].tolist() == [0.375, 0.75, 0.25, 0.5]


def test_annotations_of_another_rate_are_found_by_time():
    tracks = BoxTracks([VideoTracks("a", [BALL])], frame_rate=5.0)
    seen = ~tracks.boxes("a", torch.tensor([[0, 2], [5, 10]]), 25.0, 48, 64)[..., 0, 0].isnan()
    assert seen.tolist() == [[True, True], [False, True]]


def test_only_so_many_objects_are_kept_and_other_videos_have_none():
    tracks = BoxTracks([VideoTracks("a", [BALL, CUP]), VideoTracks("b", [])], max_objects=1)
    assert [track.category for track in tracks.tracks("a")] == ["ball"]
    assert tracks.ids == ["a", "b"]
    for name in ("b", "unknown"):
        assert tracks.boxes(name, torch.arange(2), 25.0, 48, 64).isnan().all()
    with pytest.raises(ValueError, match="'max_objects' of at least 1"):
        BoxTracks([], max_objects=0)


def test_workers_get_a_copy():
    tracks = BoxTracks([VideoTracks("a", [BALL])])
    copy = pickle.loads(pickle.dumps(tracks))
    assert torch.equal(copy.tracks("a")[0].box, tracks.tracks("a")[0].box)


def test_something_else_is_of_this_kind():
    assert issubclass(SomethingElse, BoxTracks)
