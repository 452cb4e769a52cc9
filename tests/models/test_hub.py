import pytest
import torch

from pyg_video.models import VideoClassifier, create_model
from pyg_video.models.hub import HubMixin


def test_a_model_goes_to_a_folder_and_comes_back(tmp_path):
    model = create_model("cnn_sync_mnist", num_classes=3, frame=16, channels=(4,), strides=(4,)).eval()
    assert isinstance(model, HubMixin)
    model.save_pretrained(tmp_path / "model")
    again = VideoClassifier.from_pretrained(tmp_path / "model")
    video = torch.rand(1, 2, 1, 16, 16)
    assert torch.equal(again(video), model(video))


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises((ValueError, FileNotFoundError), match="Expected"):
        VideoClassifier.from_pretrained(tmp_path)
