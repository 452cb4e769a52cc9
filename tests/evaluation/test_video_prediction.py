import torch

from pyg_video.evaluation import predict_stream, predict_video

SHIPPED = "dyreg_gnn_small"


def test_the_contact_sheet_has_the_frames_as_the_model_saw_them(digit_videos):
    sheet = predict_video(SHIPPED, digit_videos(1)[0][0], num_frames=11).sheet().float()
    assert sheet.shape == (3, 2 * (18 + 4 + 240) + 4, 8 * (4 + 240) + 4)  # rows of eight, enlarged six times
    assert (sheet.amax(dim=0) - sheet.amin(dim=0)).max() > 100  # colours over grey frames


def test_a_stream_keeps_no_frames(looking, spot_video):
    for one in predict_stream(looking(), spot_video(num_frames=24)):
        assert len(one.frames) == 0
        assert one.frames.untyped_storage().nbytes() == 0


def test_regions_on_the_frame_are_those_of_the_square(looking, spot_video):
    found = predict_video(looking(96), spot_video(), views=1)  # a square of 96 in frames of 96 x 128 pixels
    (name,) = found.regions
    x, y, w, h = found.on_frame(name).unbind(-1)
    inside = found.regions[name]
    torch.testing.assert_close(torch.stack([(x * 128 - 16) / 96, y, w * 128 / 96, h], dim=-1), inside)
