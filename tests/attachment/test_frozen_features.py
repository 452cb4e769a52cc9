import pytest
import torch
from torchvision.models import resnet18, vit_b_16
from torchvision.models.video import r3d_18

from pyg_video.attachment import FrozenFeatures


def test_maps_of_a_net_on_images_are_those_of_its_frames():
    net = resnet18().eval()
    features = FrozenFeatures(net, "layer2", num_frames=2, image_size=32, map_size=2)
    video = torch.rand(2, 2, 3, 32, 32)
    mean, std = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    frame = (video[1, 0:1] - mean) / std
    for part in (net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2):
        frame = part(frame)
    want = torch.nn.functional.avg_pool2d(frame[0], 2)
    torch.testing.assert_close(features(video)[1, 0], want, atol=1e-5, rtol=1e-5)


def test_class_tokens_are_left_out_and_grey_frames_are_taken():
    features = FrozenFeatures(
        vit_b_16(image_size=48), "encoder.layers.encoder_layer_1", num_frames=2, image_size=48, map_size=3
    )
    assert features.channels == 768
    assert features(torch.rand(1, 2, 1, 20, 20)).shape == (1, 2, 768, 3, 3)


def test_a_stride_in_time_leaves_fewer_frames():
    features = FrozenFeatures(r3d_18(), "layer2", num_frames=4, image_size=16, map_size=2)
    assert features.frames == 2
    assert features(torch.rand(3, 4, 3, 16, 16)).shape == (3, 2, 128, 2, 2)


def test_what_is_frozen_stays_so():
    features = FrozenFeatures(resnet18(), "layer1", num_frames=1, image_size=16, map_size=2).train()
    before = features.model.bn1.running_mean.clone()
    assert not features(torch.rand(1, 1, 3, 16, 16)).requires_grad
    assert torch.equal(features.model.bn1.running_mean, before)
    assert not any(value.requires_grad for value in features.parameters())


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="Expected 'map_size' of at most the .2, 2. of 'layer2' .got 3"):
        FrozenFeatures(resnet18(), "layer2", num_frames=1, image_size=16, map_size=3)
    with pytest.raises(ValueError, match="Expected 'num_frames', 'image_size' and 'map_size' of at least 1"):
        FrozenFeatures(resnet18(), "layer2", num_frames=0)
    features = FrozenFeatures(resnet18(), "layer2", num_frames=2, image_size=16, map_size=1)
    with pytest.raises(ValueError, match=r"Expected 'video' of shape \[B, 2, 1 or 3, H, W\] .got \[1, 3, 3, 8, 8\]"):
        features(torch.zeros(1, 3, 3, 8, 8))
