import numpy as np
import pytest
import torch

from pyg_video.datasets import SyncMNIST
from pyg_video.evaluation import configured_clips, recorded_clips
from pyg_video.evaluation.clips import check_fit
from pyg_video.models import create_model
from pyg_video.training import SyncMNISTData
from pyg_video.training.loading import Trained

CONFIG = """
model: {model: cnn_sync_mnist}
data:
  class_path: SyncMNISTData
  init_args:
    {canvas_size: 16, frame_size: 16, digit_size: 6, num_frames: 2, classes: [0, 1, 2], num_test: 5, num_workers: 9,
    curriculum: [10, 50]}
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    return tmp_path / "config.yaml"


def test_recorded_clips_are_those_of_the_data_set(given_trajectories):
    path = given_trajectories()
    scored = recorded_clips(path, frame_size=32)
    want = SyncMNIST.from_trajectories(path, frame_size=32).batch(range(6))
    assert torch.equal(scored.clips.batch(range(6)).video, want.video)
    assert scored.digits == "bundled UCI digits, test split, 355 images"


def test_trajectories_are_told_apart_by_their_checksum(given_trajectories):
    first = recorded_clips(given_trajectories()).trajectories
    again = recorded_clips(given_trajectories()).trajectories
    other = recorded_clips(given_trajectories(is_sync=np.zeros(6, dtype=bool))).trajectories
    assert first.startswith("given.npz, sha256 ")
    assert first == again != other


def test_a_configuration_gives_its_test_clips(config):
    scored = configured_clips(config)
    data = SyncMNISTData(canvas_size=16, frame_size=16, digit_size=6, num_frames=2, classes=(0, 1, 2), num_test=5)
    assert len(scored.clips) == 5
    assert torch.equal(scored.clips.batch(range(5)).video, data.test.batch(range(5)).video)
    assert "num_frames 2" in scored.trajectories
    assert "num_workers" not in scored.trajectories
    assert "curriculum" not in scored.trajectories  # of training alone


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "a YAML file of pyg-video fit"),
        ("just words", r"options by name .*with str\)"),
        ("data: {class_path: os.system}", r"data: class_path: .* with system\)"),
        ("data: {class_path: SyncMNISTData, init_args: {num_digit: 3}}", "options of SyncMNISTData .*num_digit"),
        ("data: {class_path: SyncMNISTData, init_args: [3]}", r"options of SyncMNISTData by name .*\(got \[3\]\)"),
    ],
)
def test_what_configures_no_clips_is_refused(config, content, message):
    config.write_text(content)
    with pytest.raises(ValueError, match=message):
        configured_clips(config)


def test_what_the_clips_do_not_take_is_refused(config):
    with pytest.raises(ValueError, match="Expected no 'root' for the clips of SyncMNISTData .got videos"):
        configured_clips(config, root="videos")


def test_no_configuration(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Expected 'config' to be a YAML file .*none.yaml"):
        configured_clips(tmp_path / "none.yaml")


def test_missing_mnist_says_how_to_get_it(given_trajectories, config, tmp_path):
    for scored in (recorded_clips, configured_clips):
        source = config if scored is configured_clips else given_trajectories()
        with pytest.raises(FileNotFoundError, match=r"without MNIST\); fetch it .* --download"):
            scored(source, digits=str(tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()


def test_mnist_is_fetched_when_asked_for(given_trajectories, tmp_path, monkeypatch):
    from torchvision.datasets import MNIST

    def fail(self):
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz")

    monkeypatch.setattr(MNIST, "download", fail)
    with pytest.raises(OSError, match=r"Expected to fetch MNIST into .*Error downloading .*copy MNIST/raw there"):
        recorded_clips(given_trajectories(), digits=str(tmp_path), download=True)


def test_trajectories_of_mnist_need_mnist(given_trajectories):
    path = given_trajectories(digit_index=np.full((6, 3), 9999))
    with pytest.raises(ValueError, match=r"'digit_index' to lie in \[0, 354\] .* that is MNIST: --digits FOLDER"):
        recorded_clips(path)


def trained(label_names=(), **options):
    return Trained(create_model("cnn_sync_mnist", **{"num_classes": 4, "frame_size": 16, **options}), label_names)


def test_models_that_fit_the_clips_pass(config):
    scored = configured_clips(config)
    check_fit(trained(), scored)
    check_fit(trained(tuple(scored.clips.label_names)), scored)


def test_models_of_other_clips_are_refused(config):
    scored = configured_clips(config)
    names = ("0 and 1 move together", "0 and 3 move together", "1 and 3 move together", "nothing moves together")
    for model, message in (
        (trained(num_classes=46), r"the 4 classes of the clips \(got one of 46\)"),
        (trained(frame_size=64), r"frames of 16 pixels \(got one for 64\)"),
        (trained(names), "got '0 and 3 move together' where the clips have '0 and 2 move together'"),
    ):
        with pytest.raises(ValueError, match=message):
            check_fit(model, scored)
