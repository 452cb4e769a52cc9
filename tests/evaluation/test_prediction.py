import subprocess
import sys

import pytest
import torch

import pyg_video
from pyg_video.backbones import SmallCNN
from pyg_video.checkpoints import load_model, save_model, shipped_checkpoint
from pyg_video.datasets import VideoFileError, decode_frames, probe_video
from pyg_video.evaluation import draw_video, predict_stream, predict_video, predict_windows
from pyg_video.graph_builders import GridGraph
from pyg_video.layers import RSTG, GraphBlock, SpaceConv, TemporalRNN
from pyg_video.models import PoolHead, VideoClassifier, create_model, register_model
from pyg_video.training import load_trained
from pyg_video.training.loading import Trained
from pyg_video.visualization import save_mp4

SHIPPED = shipped_checkpoint("dyreg_gnn_small")


@register_model
def looking_rgb(num_classes: int = 4, *, frame_size: int = 28) -> VideoClassifier:
    rstg = RSTG(SpaceConv(4), TemporalRNN(4), TemporalRNN(4), num_iterations=1)
    block = GraphBlock(4, GridGraph(4, 4), rstg, residual_scale=1.0)
    backbone = SmallCNN(3, (4, 4), (2, 2))
    return VideoClassifier(backbone, PoolHead(4, num_classes), blocks={backbone.info[0].name: block})


@pytest.fixture
def clips(digit_videos):
    return digit_videos(10)


def test_a_shipped_model_knows_the_digits_in_videos(clips):
    paths, batch, names = clips
    found = [predict_video(SHIPPED, path) for path in paths]
    said = [prediction.top(1)[0][0] for prediction in found]
    assert sum(name == names[label] for name, label in zip(said, batch.label, strict=True)) >= 9
    read = torch.stack([decode_frames(path, range(8)) for path in paths]).float().mean(dim=2, keepdim=True) / 255
    torch.testing.assert_close(read, batch.video, atol=0.25, rtol=0)  # files are not exact
    direct = load_model(SHIPPED)(read).softmax(dim=1)
    torch.testing.assert_close(torch.stack([one.probability for one in found]), direct, atol=1e-5, rtol=1e-4)
    (boxes,) = found[0].regions.values()
    assert boxes.shape == (8, 9, 4)


def test_it_takes_five_lines_of_python(clips, tmp_path):
    (path, *_), *_ = clips
    prediction = pyg_video.predict_video(SHIPPED, path)
    (name, share), *_ = prediction.top(3)
    assert name.endswith("move together")
    assert 0 <= share <= 1
    drawn = probe_video(draw_video(prediction, tmp_path / "drawn.mp4"))
    assert drawn == probe_video(path)


@pytest.mark.parametrize(("views", "numbers"), [(1, [9, 15, 21]), (6, [0, 6, 12])])
def test_frames_are_sampled_at_the_rate_of_the_training(make_video, tmp_path, views, numbers):
    path = make_video(tmp_path / "clip.mp4", 36, codec="libx264", rate=12)
    trained = Trained(create_model("looking_rgb"), (), num_frames=3, frame_rate=2.0)
    prediction = predict_video(trained, path, views=views)
    marks = prediction.frames[..., -4:, :4].double().mean((-3, -2, -1))
    assert ((marks - 20) / 5).round().tolist() == numbers
    assert prediction.numbers.tolist() == numbers
    dense = predict_video(trained, path, frame_rate=12.0, views=1).frames[..., -4:, :4].double().mean((-3, -2, -1))
    assert ((dense - 20) / 5).round().tolist() == [16, 17, 18]
    with pytest.raises(ValueError, match="a positive 'frame_rate' .got None and -1"):
        predict_video(trained, path, frame_rate=-1)


@pytest.mark.parametrize(("height", "width"), [(48, 64), (64, 48), (48, 48), (40, 200)])
@pytest.mark.parametrize(("num_frames", "rate"), [(1, 1), (7, 60), (40, 12)])
def test_any_size_length_and_rate(make_video, tmp_path, height, width, num_frames, rate):
    path = make_video(tmp_path / "clip.mp4", num_frames, codec="libx264", rate=rate, height=height, width=width)
    model = create_model("looking_rgb")
    prediction = predict_video(model, path, num_frames=5)
    assert prediction.frames.shape == (5, 3, 32, 32)
    torch.testing.assert_close(prediction.probability.sum(), torch.tensor(1.0))
    (boxes,) = prediction.regions.values()
    assert boxes.shape == (5, 4, 4)
    assert prediction.names == ("class 0", "class 1", "class 2", "class 3")


def test_the_views_are_averaged(make_video, tmp_path):
    path = make_video(tmp_path / "clip.mp4", 20, codec="libx264", height=48, width=96)
    model = create_model("looking_rgb")
    one, three = (predict_video(model, path, num_frames=4, views=views) for views in (1, 3))
    assert one.frames.shape[-1] == 28
    assert not torch.allclose(one.probability, three.probability, atol=1e-7)
    with pytest.raises(ValueError, match="Expected 'views'"):
        predict_video(model, path, views=2)
    with pytest.raises(ValueError, match="Expected 'num_frames'"):
        predict_video(model, path, num_frames=0)


def test_models_that_need_more_than_frames_are_refused(clips):
    with pytest.raises(ValueError, match="finds its regions by itself"):
        predict_video(create_model("dyreg_tsm_resnet50", builder="box"), clips[0][0])
    with pytest.raises(ValueError, match="grey or colour frames .got one on 5 channels"):
        predict_video(create_model("tsm_resnet18", in_channels=5), clips[0][0])


def test_regions_are_drawn_on_the_middle_of_the_frame(tmp_path):
    frames = torch.zeros(4, 3, 48, 144)
    frames[..., 48:96] = 1
    path = save_mp4(tmp_path / "clip.mp4", frames)
    for views in (1, 3, 6):
        assert predict_video(create_model("looking_rgb"), path, num_frames=2, views=views).frames.min() > 200


def test_the_model_stays_as_it_is(clips):
    model = load_model(SHIPPED).train()
    found = predict_video(model, clips[0][0])
    assert model.training
    torch.testing.assert_close(found.probability, predict_video(SHIPPED, clips[0][0]).probability)


def test_a_checkpoint_tells_the_frames_of_its_training(make_video, tmp_path):
    note = {"num_frames": 3, "frame_size": 56, "label_names": list("abcd")}
    saved = save_model(create_model("looking_rgb"), tmp_path / "looking.safetensors", note)
    path = make_video(tmp_path / "clip.mp4", 20, codec="libx264")
    assert load_trained(saved).num_frames == 3
    prediction = predict_video(saved, path, views=1)
    assert prediction.frames.shape == (3, 3, 28, 28)  # the model's own option comes before the note
    assert prediction.names == tuple("abcd")


def test_a_model_without_graph_has_no_regions(clips):
    prediction = predict_video(shipped_checkpoint("cnn_small"), clips[0][0])
    assert prediction.regions == {}
    assert prediction.sheet().ndim == 3


def test_any_module_of_colour_frames_will_do(clips):
    class Own(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(3, 5)

        def forward(self, video):
            return self.linear(video.mean((1, 3, 4)))

    prediction = predict_video(Own(), clips[0][0], num_frames=2)
    assert prediction.probability.shape == (5,)
    assert prediction.frames.shape == (2, 3, 256, 256)


def test_a_video_needs_no_lightning(clips):
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['pytorch_lightning', 'jsonargparse', 'torchmetrics']))\n"
        f"from pyg_video import predict_video; print(predict_video({str(SHIPPED)!r}, {str(clips[0][0])!r}).top(1))\n"
    )
    printed = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert "move together" in printed.stdout


def test_damaged_files_are_errors_that_name_them(clips, tmp_path):
    (path, *_), *_ = clips
    empty, cut = tmp_path / "empty.mp4", tmp_path / "cut.mp4"
    empty.write_bytes(b"")
    cut.write_bytes(path.read_bytes()[:-500])
    for damaged in (empty, cut, tmp_path / "nowhere.mp4"):
        with pytest.raises(VideoFileError, match=f"Expected a whole video in '{damaged}'"):
            predict_video(SHIPPED, damaged)


def test_each_window_is_classified_as_a_video_of_its_own(spot_video, looking, make_video, tmp_path):
    path, model = spot_video(num_frames=30, rate=10), looking()
    windows = list(predict_windows(model, path, window=1.0, every=0.5, views=6))
    assert [tuple(round(time, 3) for time in one.part) for one in windows] == [
        (0, 1),
        (0.5, 1.5),
        (1, 2),
        (1.5, 2.5),
        (2, 3),
    ]
    for k, one in enumerate(windows):
        assert one.numbers.tolist() == [5 * k + number for number in (1, 3, 6, 8)]
        torch.testing.assert_close(one.times, one.numbers.double() / 10)
        part = tmp_path / "part.mp4"
        save_mp4(part, decode_frames(path, range(5 * k, 5 * k + 10)), fps=10)
        alone = predict_video(model, part, views=6)
        torch.testing.assert_close(one.probability, alone.probability, atol=0.01, rtol=0)
        torch.testing.assert_close(one.frames.float(), alone.frames.float(), atol=16, rtol=0)
    (whole,) = predict_windows(model, path, window=9.0)
    assert whole.part == (0, pytest.approx(3))
    torch.testing.assert_close(whole.probability, predict_video(model, path).probability)


def test_a_window_between_two_frames_shows_the_first_of_them(looking, spot_video):
    path = spot_video(num_frames=4, rate=1)
    windows = list(predict_windows(looking(), path, window=0.25, every=0.75, num_frames=2))
    assert [one.numbers.tolist() for one in windows] == [[int(one.start + 1e-3)] * 2 for one in windows]


def test_frames_are_decoded_once_and_forgotten(looking, spot_video, monkeypatch):
    path = spot_video(num_frames=60, rate=10)
    kept = []
    windows = predict_windows(looking(), path, window=1.0, every=0.5)
    for one in windows:
        kept.append(len(windows.gi_frame.f_locals["crops"]))
        assert one.end <= 6.001
    assert len(kept) == 11
    assert max(kept) <= 8


def test_a_stream_has_the_probabilities_as_of_all_frames_so_far(clips):
    path, batch = clips[0][0], clips[1]
    found = list(predict_stream(SHIPPED, path, every=0.6))
    assert [len(one.numbers) for one in found] == [3, 3, 2]
    model = load_model(SHIPPED)
    read = decode_frames(path, range(8)).float().mean(dim=1, keepdim=True)[None] / 255
    for one, seen in zip(found, (3, 6, 8), strict=True):
        torch.testing.assert_close(one.probability, model(read[:, :seen]).softmax(1)[0], atol=1e-4, rtol=1e-3)
    assert [len(one.numbers) for one in predict_stream(SHIPPED, path, every=9, frame_rate=2.5)] == [4]
    assert len(batch.label) == 10


def test_wrong_times_are_refused_before_any_work(looking):
    for call in (
        lambda: predict_windows(looking(), "nowhere.mp4", window=0.0),
        lambda: predict_windows(looking(), "nowhere.mp4", window=1.0, every=-1.0),
        lambda: predict_stream(looking(), "nowhere.mp4", every=float("nan")),
        lambda: predict_stream(looking(), "nowhere.mp4", frame_rate=0.0),
    ):
        with pytest.raises(ValueError, match="' above 0 .got"):
            call()
    with pytest.raises(ValueError, match="Expected 'window' with 'every'"):
        predict_windows(looking(), "nowhere.mp4", every=1.0)


def test_a_model_of_grey_frames_on_colours_is_told_apart(make_video, tmp_path):
    def green(number, height, width):
        image = frame_of(number, height, width)
        image[..., 1] = 200
        return image

    frame_of = make_video.__globals__["frame"]
    path = make_video(tmp_path / "green.mp4", codec="libx264", frame=green)
    message = "'.*green.mp4' is in colour, and the model was made for something else .*grey frames of 40 x 40 pixels"
    for predict in (predict_video, lambda *given: list(predict_stream(*given))):
        with pytest.warns(UserWarning, match=message) as told:
            predict(SHIPPED, path)
        assert len(told) == 1
    predict_video(SHIPPED, make_video(tmp_path / "grey.mp4", codec="libx264"))  # no warning


def test_a_small_thing_in_colour_is_colour(make_video, tmp_path):
    def red_spot(number, height, width):
        image = make_video.__globals__["frame"](number, height, width)
        image[:6, width // 2 : width // 2 + 8] = (230, 80, 30)
        return image

    with pytest.warns(UserWarning, match="spot.mp4' is in colour"):
        predict_video(SHIPPED, make_video(tmp_path / "spot.mp4", codec="libx264", frame=red_spot))
