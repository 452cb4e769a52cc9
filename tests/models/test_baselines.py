import pytest
import torch

from pyg_video.models import cnn_sync_mnist


def test_the_order_of_frames_counts():
    model = cnn_sync_mnist(4, frame=8, channels=(4,), strides=(2,)).eval()
    video = torch.rand(1, 3, 1, 8, 8)
    assert not torch.allclose(model(video), model(video.flip(1)))


@pytest.mark.parametrize("options", [{"channels": (4, 4)}, {"channels": (), "strides": ()}, {"strides": (2, 0, 1)}])
def test_stages_without_width_or_stride_are_refused(options):
    with pytest.raises(ValueError, match="one width in 'channels' and one stride in 'strides' a stage"):
        cnn_sync_mnist(**options)


def test_frames_smaller_than_a_pixel_of_the_map_are_refused():
    with pytest.raises(ValueError, match="'frame' of at least the product of strides"):
        cnn_sync_mnist(frame=3)
