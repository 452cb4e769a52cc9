import torch

from pyg_video.datasets import SyncClip, SyncMNIST, digit_maps


def clip_at(*points, digit):
    """One clip of one frame with digits at some points, as fractions of the frame."""
    box = torch.tensor([[[(x, y, 0.3, 0.3) for x, y in points]]])
    digit = torch.tensor([digit])
    return SyncClip(torch.zeros(1, 1, 1, 8, 8), torch.zeros(1), box, digit, torch.zeros(1, len(points), dtype=bool))


def test_the_centre_of_a_pixel_is_one_and_the_next_pixel_less():
    maps = digit_maps(clip_at((0.625, 0.375), digit=[7]), (3, 7), (4, 4), radius=2)
    assert maps.shape == (1, 1, 2, 4, 4)
    assert not maps[:, :, 0].any()
    column = torch.tensor([0.5, 1, 0.5, 0])
    row = torch.tensor([0, 0.5, 1, 0.5])
    torch.testing.assert_close(maps[0, 0, 1], column[:, None] * row)


def test_between_pixels_the_nearer_one_is_larger():
    (row,) = digit_maps(clip_at((0.45, 0.5), digit=[0]), (0,), (1, 4), radius=1)[0, 0, 0]
    torch.testing.assert_close(row, torch.tensor([0, 0.7, 0.3, 0]))


def test_two_digits_of_a_class_do_not_add_up():
    once = digit_maps(clip_at((0.5, 0.5), digit=[1]), (1,), (5, 5))
    assert torch.equal(digit_maps(clip_at((0.5, 0.5), (0.5, 0.5), digit=[1, 1]), (1,), (5, 5)), once)


def test_maps_follow_the_boxes_of_generated_clips():
    data = SyncMNIST(classes=(2, 5, 6), num_frames=3, num_clips=4)
    clips = data.batch(range(4))
    peak = digit_maps(clips, data.classes, (32, 32)).flatten(-2).argmax(-1)  # [B, T, K]
    points = torch.stack([peak % 32, peak // 32], dim=-1).add(0.5) / 32
    order = (clips.digit[..., None] == torch.tensor(data.classes)).byte().argmax(-1)
    found = points.gather(2, order[:, None, :, None].expand(-1, 3, -1, 2))
    assert (found - clips.box[..., :2]).abs().max() <= 1 / 64 + 1e-6
