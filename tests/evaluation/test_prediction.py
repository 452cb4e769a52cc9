import csv
import subprocess
import sys

import pytest
import torch

import pyg_video
from pyg_video.backbones import SmallCNN
from pyg_video.checkpoints import SHIPPED_TASK, load_model, save_model, shipped_checkpoint
from pyg_video.cli.main import main
from pyg_video.datasets import SyncMNIST, VideoFileError, decode_frames, probe_video
from pyg_video.evaluation import predict_video
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
def clips(tmp_path):
    """Ten clips of the shipped models' task as videos, and their classes."""
    data = SyncMNIST(split="test", num_clips=10, **SHIPPED_TASK)
    batch = data.batch(range(10))
    paths = [save_mp4(tmp_path / f"{k}.mp4", video, fps=5) for k, video in enumerate(batch.video)]
    return paths, batch, data.label_names


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
    drawn = probe_video(prediction.save(tmp_path / "drawn.mp4"))
    assert (drawn.num_frames, drawn.frame_rate) == (8, 5.0)
    assert drawn.width >= 224


@pytest.mark.parametrize(("views", "numbers"), [(1, [9, 15, 21]), (6, [0, 6, 12])])
def test_frames_are_sampled_at_the_rate_of_the_training(make_video, tmp_path, views, numbers):
    path = make_video(tmp_path / "clip.mp4", 36, codec="libx264", rate=12)
    trained = Trained(create_model("looking_rgb"), (), num_frames=3, frame_rate=2.0)
    prediction = predict_video(trained, path, views=views)
    marks = prediction.frames[..., -4:, :4].double().mean((-3, -2, -1))
    assert ((marks - 20) / 5).round().tolist() == numbers
    assert prediction.frame_rate == 2.0
    dense = predict_video(trained, path, frame_rate=12.0, views=1).frames[..., -4:, :4].double().mean((-3, -2, -1))
    assert ((dense - 20) / 5).round().tolist() == [16, 17, 18]
    with pytest.raises(ValueError, match="a positive 'frame_rate' .got None and -1"):
        predict_video(trained, path, frame_rate=-1)


def test_regions_are_drawn_in_colour_over_grey_frames(clips):
    prediction = predict_video(SHIPPED, clips[0][0])
    drawn = prediction.draw()[:, :, : 6 * 40, : 6 * 40].float()
    assert (drawn.amax(dim=1) - drawn.amin(dim=1)).max() > 100


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
    assert prediction.draw().shape[0] == 8


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


@pytest.fixture
def command(capsys, tmp_path):
    def run(*arguments):
        code = main(["predict", *map(str, arguments), "--output", str(tmp_path / "out")])
        return code, *capsys.readouterr()

    return run


def test_one_command_tells_and_draws(command, clips, tmp_path):
    paths, batch, names = clips
    code, printed, error = command(*paths[:2], "--checkpoint", SHIPPED, "--top", 2)
    assert (code, error) == (0, "")
    first, *_ = printed.splitlines()
    assert first == str(paths[0])
    rows = list(csv.DictReader((tmp_path / "out" / "predictions.csv").read_text().splitlines()))
    assert [(row["video"], row["rank"]) for row in rows] == [(str(path), rank) for path in paths[:2] for rank in "12"]
    assert rows[0]["name"] == names[batch.label[0]]
    assert decode_frames(tmp_path / "out" / "0_regions.mp4", [0]).shape[1] == 3


def test_a_damaged_video_alone_is_one_line(command, tmp_path):
    (tmp_path / "empty.mp4").write_bytes(b"")
    code, printed, error = command(tmp_path / "empty.mp4", "--checkpoint", SHIPPED)
    assert (code, printed, error.count("\n")) == (2, "", 1)
    assert error.startswith(
        f"pyg-video: error: Expected a whole video in '{tmp_path / 'empty.mp4'}' (got an empty file"
    )


def test_among_others_it_is_listed_and_skipped(command, clips, tmp_path):
    paths, *_ = clips
    (tmp_path / "empty.mp4").write_bytes(b"")
    code, printed, error = command(tmp_path / "empty.mp4", paths[0], "--checkpoint", SHIPPED)
    assert code == 2
    assert error.splitlines() == [f"skipped {tmp_path / 'empty.mp4'}: an empty file", "1 of 2 videos skipped"]
    assert str(paths[0]) in printed


@pytest.fixture
def holed(make_video, tmp_path):
    """A video with zeros in its last frames, which are not among those that are classified."""
    import av

    path = make_video(tmp_path / "holed.mp4", 40, codec="libx264")
    with av.open(str(path)) as container:
        packets = sorted((packet.pts, packet.pos, packet.size) for packet in container.demux(video=0) if packet.size)
    content = bytearray(path.read_bytes())
    for _, place, size in packets[-1:]:
        content[place : place + size] = bytes(size)
    path.write_bytes(content)
    return path


def test_damage_anywhere_is_met_as_asked_for(command, holed, clips):
    paths, *_ = clips
    code, _, error = command(holed, "--checkpoint", SHIPPED)
    assert (code, error.count("\n")) == (2, 1)
    assert "a damaged file, at frame" in error
    code, _, error = command(holed, paths[0], "--checkpoint", SHIPPED)
    assert code == 2
    assert error.startswith(f"skipped {holed}: a damaged file, at frame")
    code, printed, error = command(holed, "--checkpoint", SHIPPED, "--on-corrupt", "warn")
    assert (code, error.count("\n")) == (0, 1)
    assert error.startswith(f"warning: '{holed}' has damaged frames")
    code, again, error = command(holed, "--checkpoint", SHIPPED, "--on-corrupt", "skip")
    assert (code, again, error) == (0, printed, "")


def test_files_that_are_no_video_are_skipped_one_by_one(command, clips, tmp_path):
    paths, *_ = clips
    for name, content in (("a.txt", "words\n" * 99), ("b.mp4", "ffconcat version 1.0\nfile '0.mp4'\n")):
        (tmp_path / name).write_text(content)
    code, printed, error = command(tmp_path / "a.txt", paths[0], tmp_path / "b.mp4", "--checkpoint", SHIPPED)
    assert code == 2
    assert [line.split(":")[0] for line in error.splitlines()] == [
        f"skipped {tmp_path / 'a.txt'}",
        f"skipped {tmp_path / 'b.mp4'}",
        "2 of 3 videos skipped",
    ]
    assert str(paths[0]) in printed


def test_videos_of_one_name_are_drawn_into_files_of_their_own(command, clips, tmp_path):
    paths, *_ = clips
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / "0.mp4"
    twin.write_bytes(paths[0].read_bytes())
    assert command(paths[0], twin, "--checkpoint", SHIPPED)[0] == 0
    assert {path.name for path in (tmp_path / "out").glob("*.mp4")} == {"0_regions.mp4", "0_2_regions.mp4"}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--checkpoint", "nowhere.safetensors"], "nowhere.safetensors"),
        ([], "--checkpoint"),
        (["--checkpoint", SHIPPED, "--views", "2"], "'views'"),
        (["--checkpoint", SHIPPED, "--top", "0"], "'--top'"),
        (["--checkpoint", SHIPPED, "--on-corrupt", "ignore"], "'on_corrupt' to be one of 'raise', 'warn', 'skip'"),
        (["--checkpoint", SHIPPED, "--device", "abacus"], "'device'"),
    ],
)
def test_mistakes_end_in_one_line(command, clips, arguments, named):
    code, _, error = command(clips[0][0], *arguments)
    assert (code, error.count("\n")) == (2, 1), error
    assert named in error
