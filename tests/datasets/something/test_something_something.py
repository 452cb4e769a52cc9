import json
import pickle

import pytest
import torch
from torch.utils.data import DataLoader

from pyg_video.datasets import SomethingSomething, VideoFileError, prepare


def numbers(video):
    """The number of each frame, read off its grey level."""
    return ((video[..., -6:, :6].double().mean((-1, -2, -3)) - 20) / 5).round().long()


@pytest.fixture(params=["v1", "v2"])
def both(request):
    return request.getfixturevalue(f"something_{request.param}"), request.param


def test_items_of_both_versions(both):
    root, version = both
    data = SomethingSomething(root, version, "val", num_frames=4)
    assert (len(data), data.num_classes) == (3, 174)
    video, label, number, box = data[1]
    assert video.shape == (4, 3, 48, 64)
    assert video.dtype == torch.uint8
    assert numbers(video).tolist() == [1, 4, 7, 10]
    assert data.label_names[label] == "Doing something of kind 002"
    assert number == 1
    assert box.shape == (4, 0, 4)
    assert data.records[number].id == "107"


def test_both_versions_have_the_same_frames_and_classes(something_v1, something_v2):
    one, two = (SomethingSomething(r, v, num_frames=5) for r, v in ((something_v1, "v1"), (something_v2, "v2")))
    for i in range(6):
        assert torch.equal(numbers(one[i].video), numbers(two[i].video))
        assert one.label_names[one[i].label] == two.label_names[two[i].label]


def test_training_clips_depend_on_seed_epoch_and_place_alone(something_v2):
    def frames(key, seed=0, **options):
        return numbers(SomethingSomething(something_v2, num_frames=3, seed=seed, **options)[key].video).tolist()

    assert frames(2) == frames((0, 2)) == frames(2)
    others = [frames((epoch, place), seed) for epoch in range(2) for place in range(3) for seed in range(3)]
    assert len(set(map(tuple, others))) > 9
    assert frames((0, 2), random=False) == frames((5, 2), random=False) == [2, 6, 10]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_workers_change_nothing(something_v2, num_workers):
    data = SomethingSomething(something_v2, num_frames=3)
    keys = [(epoch, place) for epoch in range(2) for place in range(6)]
    batches = list(DataLoader(data, 3, sampler=keys, num_workers=num_workers))
    assert torch.equal(torch.cat([batch.video for batch in batches]), torch.stack([data[key].video for key in keys]))


def test_several_clips_are_views(something_v2):
    clip = SomethingSomething(something_v2, split="val", num_frames=4, num_clips=2)[0]
    assert clip.video.shape == (2, 4, 3, 48, 64)
    assert numbers(clip.video).tolist() == [[1, 4, 7, 10], [0, 3, 6, 9]]
    assert clip.box.shape == (2, 4, 0, 4)


def test_dense_sampling(something_v2):
    clip = SomethingSomething(something_v2, split="val", num_frames=4, sampling="dense")[0]
    assert numbers(clip.video).tolist() == [0, 4, 8, 0]  # every 16th frame of 12


def test_the_transform_draws_from_the_clips_own_generator(something_v2):
    def transform(clip, generator):
        return clip._replace(label=torch.rand((), generator=generator))

    data = SomethingSomething(something_v2, num_frames=3, transform=transform)
    drawn = [data[epoch, place].label.item() for epoch in range(2) for place in range(6)]
    assert len(set(drawn)) == 12
    assert drawn[7] == data[1, 1].label


def test_boxes_belong_to_the_sampled_frames(something_v2, tmp_path):
    frames = [
        {
            "name": f"106/{number + 1:04d}.jpg",
            "labels": [
                {
                    "category": "cup",
                    "standard_category": "0000",
                    "box2d": {"x1": 2 * number, "y1": 12, "x2": 2 * number + 8, "y2": 24},
                }
            ],
        }
        for number in range(12)
    ]
    for part in range(1, 5):
        content = {"106": frames} if part == 2 else {}
        (tmp_path / f"bounding_box_smthsmth_part{part}.json").write_text(json.dumps(content))
    data = SomethingSomething(something_v2, split="val", num_frames=4, boxes=tmp_path, max_objects=2)
    box = data[0].box
    assert box.shape == (4, 2, 4)
    assert box[:, 0, 0].tolist() == [(2 * number + 4) / 64 for number in (1, 4, 7, 10)]
    assert box[:, 1].isnan().all()
    assert data[1].box.isnan().all()
    with pytest.raises(ValueError, match="no 'boxes' for version 'v1'"):
        SomethingSomething(something_v2, "v1", boxes=tmp_path)


def test_missing_videos_are_an_error_at_once(both):
    root, version = both
    data = SomethingSomething(root, version)
    path = data.path(3)
    path.rename(path.with_name("away"))
    with pytest.raises(VideoFileError, match="1 of 6 videos missing or damaged, as 103: missing"):
        SomethingSomething(root, version)


def test_missing_videos_are_skipped_on_request_with_a_warning(something_v2):
    SomethingSomething(something_v2).path(3).unlink()
    with pytest.warns(UserWarning, match="1 of 6 videos missing or damaged, as 103: missing, are left out"):
        data = SomethingSomething(something_v2, on_error="skip")
    assert [record.id for record in data.records] == ["100", "101", "102", "104", "105"]
    assert data.skipped == {"103": "missing"}


def test_a_folder_without_any_video_is_an_error_also_when_skipping(something_v2):
    (something_v2 / "20bn-something-something-v2").rename(something_v2 / "elsewhere")
    with pytest.raises(VideoFileError, match="6 of 6 videos missing"):
        SomethingSomething(something_v2, on_error="skip")


def test_damaged_videos_are_an_error_when_they_are_read_and_at_once_when_they_are_known(something_v2):
    data = SomethingSomething(something_v2, on_error="skip")
    path = data.path(3)
    whole = path.read_bytes()
    path.write_bytes(whole[:300])
    with pytest.raises(VideoFileError, match=r"103.webm' .got a truncated file"):
        data[3]
    prepare(something_v2)
    with pytest.raises(VideoFileError, match="1 of 6 videos missing or damaged, as 103: a truncated file"):
        SomethingSomething(something_v2)
    with pytest.warns(UserWarning, match="are left out"):
        assert len(SomethingSomething(something_v2, on_error="skip")) == 5
    path.write_bytes(whole)  # fetched again
    assert len(SomethingSomething(something_v2)) == 6


def test_the_index_spares_counting_the_frames(something_v2, monkeypatch):
    prepare(something_v2)
    before = SomethingSomething(something_v2, num_frames=3)[4]
    monkeypatch.setattr("pyg_video.datasets.something.something_something.probe_video", None)
    assert torch.equal(SomethingSomething(something_v2, num_frames=3)[4].video, before.video)


def test_errors_travel_from_workers(something_v2):
    data = SomethingSomething(something_v2, num_frames=3)
    data.path(0).write_bytes(b"")
    with pytest.raises(VideoFileError, match="an empty file"):
        list(DataLoader(data, 2, num_workers=1))
    assert pickle.loads(pickle.dumps(VideoFileError.of("a", "b"))).problem == "b"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"version": "v3"}, "'version' to be one of"),
        ({"split": "validation"}, "'split' to be one of"),
        ({"sampling": "sparse"}, "'sampling' to be one of"),
        ({"on_error": "ignore"}, "'on_error' to be one of"),
        ({"backend": "decord"}, "'backend' to be one of"),
        ({"num_frames": 0}, "'num_frames' and 'num_clips' of at least 1"),
    ],
)
def test_wrong_options_are_named(something_v2, options, message):
    with pytest.raises(ValueError, match=message):
        SomethingSomething(something_v2, **options)


def test_numbers_outside_the_list_are_refused(something_v2):
    data = SomethingSomething(something_v2, split="val", num_frames=2)
    for wrong in (3, -1):
        with pytest.raises(IndexError, match="from 0 to 2"):
            data[wrong]
    assert len(list(data)) == 3


def test_damaged_frames_are_met_alike_before_and_after_the_check(something_v1):
    frame = something_v1 / "20bn-something-something-v1" / "103" / "00005.jpg"
    frame.write_bytes(frame.read_bytes()[:500])
    for checked in (False, True):
        if checked:
            prepare(something_v1, "v1")
        with pytest.raises(VideoFileError, match=r"unreadable frame"):
            SomethingSomething(something_v1, "v1", num_frames=12)[3]
        with pytest.warns(UserWarning, match=r"103' has damaged frames .1 read, from 4 on"):
            SomethingSomething(something_v1, "v1", num_frames=12, on_corrupt="warn")[3]
        video = SomethingSomething(something_v1, "v1", num_frames=12, on_corrupt="skip")[3].video
        assert torch.equal(video[4], video[3])
        assert not torch.equal(video[5], video[3])
    with pytest.raises(VideoFileError, match="1 of 6 videos missing or damaged, as 103: an unreadable frame"):
        SomethingSomething(something_v1, "v1")
    assert len(SomethingSomething(something_v1, "v1", on_corrupt="skip")) == 6


def test_damage_in_frames_that_are_not_sampled_counts_as_well(something_v2):
    path = something_v2 / "20bn-something-something-v2" / "106.webm"
    content = path.read_bytes()
    import av

    with av.open(str(path)) as container:
        packet = next(packet for packet in container.demux(video=0) if packet.pts and packet.is_keyframe)
        place, size = content.index(bytes(packet)), packet.size
    path.write_bytes(content[:place] + b"\xff" * size + content[place + size :])
    with pytest.raises(VideoFileError, match=r"106.webm' .got a damaged file, at frame 8"):
        SomethingSomething(something_v2, split="val", num_frames=1)[0]
    assert prepare(something_v2).problems["val", "106"].startswith("a damaged file, at frame 8")
    kept = SomethingSomething(something_v2, split="val", num_frames=1, on_corrupt="skip")
    assert kept[0].video.shape == (1, 3, 48, 64)


@pytest.mark.parametrize("name", ["../../20bn-something-something-v2/103", "/etc/103"])
def test_ids_that_lead_elsewhere_are_refused(something_v2, name):
    path = something_v2 / "something-something-v2-train.json"
    rows = json.loads(path.read_text())
    rows[3]["id"] = name
    path.write_text(json.dumps(rows))
    with pytest.raises(VideoFileError, match="an id that is no name of a file"):
        SomethingSomething(something_v2)
    with pytest.warns(UserWarning, match="an id that is no name of a file"):
        assert len(SomethingSomething(something_v2, on_error="skip")) == 5
