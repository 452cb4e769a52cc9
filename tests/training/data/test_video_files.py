import pytest

from pyg_video.training import SomethingSomethingData, VideoFileData, VideoFolderData


@pytest.fixture
def make(make_video, tmp_path):
    def data(labels="aabbaabb", **options):
        rows = []
        for k, label in enumerate(labels):
            make_video(tmp_path / f"{k}.webm", 4)
            rows.append(f"{k}.webm,{label.strip()},{('train', 'val', 'test')[min(2, k // 2)]}")
        (tmp_path / "list.csv").write_text("\n".join(["path,label,split", *rows, ""]))
        options = {"num_frames": 2, "frame_size": 28, "num_workers": 0, **options}
        return VideoFolderData(str(tmp_path / "list.csv"), **options)

    return data


def test_both_kinds_of_video_files_share_their_views():
    assert issubclass(SomethingSomethingData, VideoFileData)
    assert issubclass(VideoFolderData, VideoFileData)


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({}, (2, 6, 2, 3, 32, 32)),
        ({"test_clips": 1}, (2, 3, 2, 3, 32, 32)),
        ({"test_clips": 1, "test_crops": 1}, (4, 2, 3, 28, 28)),
        ({"test_crops": 1, "test_frame": 24, "test_batch_size": 3}, (2, 2, 2, 3, 24, 24)),
    ],
)
def test_the_views_of_the_test(make, options, shape):
    assert next(iter(make(**options).test_dataloader())).video.shape == shape


def test_videos_without_a_label_are_predicted_but_not_scored(make):
    data = make("aabba b ")
    assert data.label_names == ("a", "b")
    assert [batch.label.tolist() for batch in data.predict_dataloader()] == [[0, -1], [1, -1]]
    with pytest.raises(ValueError, match=r"labels of the test videos to score them .got 2 of 4 without"):
        data.test_dataloader()
    with pytest.raises(ValueError, match=r"labels of the train videos to score them .got 1 of 2 without"):
        make("a abbbbb").train_dataloader()
