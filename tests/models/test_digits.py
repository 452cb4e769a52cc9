import pytest
import torch

from pyg_video.models import cnn_sync_mnist, conv_lstm_sync_mnist, i3d_sync_mnist, non_local_sync_mnist

MODELS = [cnn_sync_mnist, conv_lstm_sync_mnist, i3d_sync_mnist, non_local_sync_mnist]


@pytest.mark.parametrize("make", MODELS)
def test_the_order_of_frames_counts(make):
    model = make(4, frame_size=8, channels=(4,), strides=(2,)).double().eval()
    video = torch.rand(1, 3, 1, 8, 8, dtype=torch.float64)
    assert not torch.allclose(model(video), model(video.flip(1)), rtol=1e-9)


def test_non_local_blocks_follow_the_last_two_stages():
    assert list(non_local_sync_mnist().blocks) == ["stage2", "stage3"]
    assert list(non_local_sync_mnist(channels=(4,), strides=(2,)).blocks) == ["stage1"]
    assert not i3d_sync_mnist().blocks
    with pytest.raises(ValueError, match="'num_non_local' of at least 0"):
        i3d_sync_mnist(num_non_local=-1)


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("options", [{"channels": (4, 4)}, {"channels": (), "strides": ()}, {"strides": (2, 0, 1)}])
def test_stages_without_width_or_stride_are_refused(make, options):
    with pytest.raises(ValueError, match="one width in 'channels' and one stride in 'strides' for every stage"):
        make(**options)


@pytest.mark.parametrize("make", MODELS)
def test_frames_smaller_than_a_pixel_of_the_map_are_refused(make):
    with pytest.raises(ValueError, match="'frame_size' of at least 4 pixels, the product of 'strides'"):
        make(frame_size=3)
