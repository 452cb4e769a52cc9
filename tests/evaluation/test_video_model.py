import struct

import pytest
import torch

from pyg_video.checkpoints import shipped_checkpoint
from pyg_video.datasets import decode_frames
from pyg_video.evaluation import predict_video
from pyg_video.evaluation.video_model import VideoModel
from pyg_video.models import create_model
from pyg_video.training import load_trained


def centre_of_the_spot(frame):
    """Centre of the bright pixels of a frame, as fractions of it."""
    rows, columns = (frame.float().mean(0) > 160).nonzero().double().T
    return torch.stack([(columns.mean() + 0.5) / frame.size(2), (rows.mean() + 0.5) / frame.size(1)])


@pytest.mark.parametrize("views", [1, 3, 6])
@pytest.mark.parametrize(
    "kind", [{}, {"height": 97, "width": 131}, {"height": 160, "width": 90}, {"aspect": (16, 11)}, {"aspect": (1, 2)}]
)
def test_regions_come_back_to_where_they_are_in_the_frame(looking, spot_video, views, kind):
    path = spot_video(**kind)
    found = predict_video(looking(), path, num_frames=4, views=views)
    (box,) = (found.on_frame(name)[:, 0] for name in found.regions)
    for number, region in zip(found.numbers.tolist(), box, strict=True):
        wanted = centre_of_the_spot(decode_frames(path, [number])[0])
        torch.testing.assert_close(region[:2].double(), wanted, atol=0.07, rtol=0)
        assert region[2] * found.place[3] == pytest.approx(float(region[3] * found.place[2]), rel=0.02)


@pytest.mark.parametrize("matrix", [(0, 1, -1, 0), (-1, 0, 0, -1), (-1, 0, 0, 1)])
def test_frames_that_are_turned_or_mirrored_are_as_on_the_screen(looking, spot_video, matrix):
    path = spot_video()
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44  # of the track header: a b u c d v x y w
    for offset, value in zip((0, 4, 12, 16), matrix, strict=True):
        content[place + offset : place + offset + 4] = struct.pack(">i", value * 65536)
    path.write_bytes(content)
    found = predict_video(looking(), path, num_frames=4, views=3)
    (box,) = (found.on_frame(name)[:, 0] for name in found.regions)
    for number, region in zip(found.numbers.tolist(), box, strict=True):
        wanted = centre_of_the_spot(decode_frames(path, [number])[0])
        torch.testing.assert_close(region[:2].double(), wanted, atol=0.07, rtol=0)


@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize("size", [(60, 80), (81, 61), (56, 56), (50, 200)])
def test_the_shown_view_is_cut_from_its_place(looking, size, views):
    model = VideoModel(looking(), views=views)
    height, width = size
    frame = torch.stack(torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"))  # coordinates
    frame = torch.cat([frame, frame[:1]]).byte()
    left, top, wide, high = model.place(height, width)
    shown = model.crops(frame)[-1].float()
    middle = torch.tensor([top + high / 2, left + wide / 2]) * torch.tensor([height, width]) - 0.5
    torch.testing.assert_close(shown[:2].mean((1, 2)), middle, atol=0.6, rtol=0)
    assert wide * width == pytest.approx(high * height, rel=0.02)


def test_a_model_of_streams_gives_the_same_frame_by_frame(looking, spot_video):
    model = VideoModel(looking(), views=3, stream=True)
    frames = decode_frames(spot_video(), range(6))
    crops = torch.stack([model.crops(frame) for frame in frames])
    whole = model(crops[None])
    state = None
    for k in range(6):
        seen, state = model.scan(crops[k : k + 1], state)
        (one,), (all_of_them,) = seen.regions.values(), whole.regions.values()
        torch.testing.assert_close(one, all_of_them[k : k + 1])
    torch.testing.assert_close(seen.probability, whole.probability)


def test_a_model_that_needs_later_frames_is_no_model_of_streams():
    model = create_model("i3d_sync_mnist", num_classes=4, frame_size=28)
    with pytest.raises(ValueError, match="Expected a model that runs frame by frame .* take windows"):
        VideoModel(model, stream=True)
    with pytest.raises(ValueError, match="Expected 'views' to be one of 1, 3"):
        VideoModel(create_model("cnn_sync_mnist", num_classes=4, frame_size=28), stream=True, views=6)


@pytest.mark.parametrize(("option", "value"), [("num_frames", 10**8), ("num_frames", 10**5), ("frame_size", 10**6)])
def test_clips_that_would_fill_the_memory_are_refused(option, value):
    trained = load_trained(shipped_checkpoint("cnn_small"))._replace(**{option: value})
    if option == "frame_size":
        trained.model.recipe.options["frame_size"] = value
    with pytest.raises(ValueError, match="Expected views of 1 to 67,108,864 pixels .*PYG_VIDEO_MAX_PIXELS="):
        VideoModel(trained, num_frames=None)
