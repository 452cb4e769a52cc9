import torch

from pyg_video.functional import frame_mask


def test_frames_within_the_length_are_true():
    mask = frame_mask(torch.tensor([0, 2, 4]), num_frames=4)
    assert mask.dtype == torch.bool
    assert mask.tolist() == [[False] * 4, [True, True, False, False], [True] * 4]


def test_the_mask_is_on_the_device_asked_for():
    lengths = torch.tensor([2])
    assert frame_mask(lengths, 3).device == lengths.device
    assert frame_mask(lengths, 3, device=torch.device("meta")).device.type == "meta"
