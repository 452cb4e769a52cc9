from types import SimpleNamespace

import pytest

from pyg_video.training import SomethingSomethingData, SyncMNISTData
from pyg_video.training.data.base import VideoData


def test_data_modules_tell_their_classes_and_frames():
    data = SyncMNISTData(num_digits=3, frame_size=20, canvas_size=20, digit_size=8, num_train=2, num_val=2, num_test=2)
    assert isinstance(data, VideoData)
    assert issubclass(SomethingSomethingData, VideoData)
    assert (data.num_classes, len(data.label_names), data.frame_size) == (46, 46, 20)


def test_every_process_has_its_share():
    data = SyncMNISTData(num_train=2, num_val=2, num_test=2)
    assert data._share == {}
    data.trainer = SimpleNamespace(global_rank=1, world_size=2)
    assert data._share == {"rank": 1, "world_size": 2}


def test_a_data_module_has_to_tell_them():
    with pytest.raises(AttributeError, match="label_names"):
        _ = VideoData().num_classes
