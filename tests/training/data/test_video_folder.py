import csv
import runpy
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pyg_video.cli.main import main
from pyg_video.evaluation import VideoSource, evaluate
from pyg_video.models import create_model
from pyg_video.training import RegionAgreement, VideoClassification, VideoFolderData, load_trained

ROOT = Path(__file__).parents[3]
SMALL = {"num_frames": 3, "frame_size": 28, "batch_size": 4, "num_workers": 0}
SIZES = {"in_channels": 3, "channels": [4, 4], "strides": [2, 2]}


@pytest.fixture(scope="session")
def videos(make_video, tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    for name in ("bird", "plane"):
        (root / name).mkdir()
        for number in range(6):
            make_video(root / name / f"{number}.webm", 8 + number)
    return root


@pytest.fixture
def tiny(videos):
    def make(**options):
        return VideoFolderData(str(videos), **{**SMALL, **options})

    return make


def test_the_data_know_their_classes_and_splits(tiny):
    data = tiny()
    assert (data.label_names, data.num_classes, data.frame_size, data.num_frames) == (("bird", "plane"), 2, 28, 3)
    parts = [set(videos.ids) for videos in (data.train, data.val, data.test)]
    assert [len(part) for part in parts] == [8, 2, 2]
    assert len(set.union(*parts)) == 12
    assert [sorted(videos.labels) for videos in (data.val, data.test)] == [[0, 1], [0, 1]]
    assert set(tiny(split_seed=1).test.ids) != parts[2]


def test_batches_of_the_splits(tiny):
    batch = next(iter(tiny().train_dataloader()))
    assert (batch.video.shape, batch.video.dtype, batch.box.shape) == ((4, 3, 3, 28, 28), torch.float32, (4, 3, 0, 4))
    assert [batch.number.tolist() for batch in tiny().val_dataloader()] == [[0, 1]]
    assert next(iter(tiny().test_dataloader())).video.shape == (2, 6, 3, 3, 32, 32)


def test_rare_classes_count_as_much_as_frequent_ones(videos, tmp_path, tiny_trainer):
    train = [f"{videos}/bird/{number}.webm,bird,train" for number in range(3)] + [f"{videos}/plane/0.webm,plane,train"]
    others = [f"{videos}/bird/{k}.webm,bird,{split}" for k, split in ((3, "val"), (4, "test"), (5, "test"))]
    rows = [*train, *others, f"{videos}/plane/1.webm,plane,val", f"{videos}/plane/2.webm,plane,test"]
    (tmp_path / "list.csv").write_text("\n".join(["path,label,split", *rows]))
    data = VideoFolderData(str(tmp_path / "list.csv"), **{**SMALL, "test_crops": 1, "test_clips": 1})
    torch.testing.assert_close(data.class_counts(), torch.tensor([3, 1]))
    task = VideoClassification("cnn_sync_mnist", 2, 28, balanced=True, lr=1e-9, model_options=SIZES)
    trainer = tiny_trainer(max_epochs=1)
    trainer.fit(task, data)
    assert "class_weight" not in task.state_dict()
    batch = data.train.batch([(0, number) for number in range(4)])
    loss = F.cross_entropy(task.train()(batch.video), batch.label, reduction="none")
    expected = (loss[batch.label == 0].mean() + loss[batch.label == 1].mean()) / 2
    torch.testing.assert_close(trainer.callback_metrics["train/loss"], expected.detach())
    (results,) = trainer.test(task, data, verbose=False)
    right = (
        task.eval()(data.test.batch(range(3)).video.squeeze(1)).argmax(1) == torch.tensor(data.test.labels)
    ).float()
    assert results["test/balanced_acc"] == pytest.approx(float(right[:2].mean() + right[2]) / 2)


def test_balanced_classes_need_data_that_know_them(tiny_data, tiny_trainer):
    task = VideoClassification("cnn_sync_mnist", 10, 28, balanced=True, model_options=SIZES)
    with pytest.raises(ValueError, match="Expected VideoFolderData .*'balanced'"):
        tiny_trainer().fit(task, tiny_data())


def test_long_videos_are_tested_in_windows(tiny):
    data = tiny(test_window=0.25, test_window_step=0.125)
    whole, parts = tiny().test, data.test
    assert len(parts) > len(whole) == 2
    assert {name.partition("#")[0] for name in parts.ids} == set(whole.ids)
    assert len(tiny(test_window=0.25).val) == 2
    found = evaluate(create_model("cnn_sync_mnist", num_classes=2, frame_size=32, **SIZES), VideoSource(data))
    assert (found.top1.clips, found.whole.clips) == (len(parts), 2)


def test_flips_swap_classes_that_differ_in_left_and_right(make_video, tmp_path):
    for name in ("turn left", "turn right", "stop"):
        (tmp_path / name).mkdir()
        make_video(tmp_path / name / "1.webm", 4)
    data = VideoFolderData(str(tmp_path), flip=1.0, shares=(0, 0), **SMALL)
    (batch,) = data.train_dataloader()
    own = [data.train.labels[number] for number in batch.number.tolist()]
    assert dict(zip(own, batch.label.tolist(), strict=True)) == {0: 0, 1: 2, 2: 1}  # stop, turn left, turn right


def test_an_epoch_depends_on_seed_and_epoch_alone(tiny):
    def epoch(number, **options):
        loader = tiny(**options).train_dataloader()
        loader.sampler.set_epoch(number)
        return torch.cat([batch.video for batch in loader])

    assert torch.equal(epoch(2), epoch(2, num_workers=1))
    assert not torch.equal(epoch(2), epoch(3))
    assert not torch.equal(epoch(2), epoch(2, seed=1))


def test_wrong_options_are_named(tiny, tmp_path):
    with pytest.raises(ValueError, match="'test_split' to be one of"):
        tiny(test_split="all")
    for name in ("test_clips", "test_frame", "test_batch_size", "test_window", "test_window_step"):
        with pytest.raises(ValueError, match=f"'{name}'"):
            tiny(**{name: 0})
    with pytest.raises(ValueError, match="'num_workers' of at least 0"):
        tiny(num_workers=-1)
    with pytest.raises(FileNotFoundError, match="videos in folders of their classes"):
        VideoFolderData(str(tmp_path))
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.mp4").write_bytes(b"")
    with pytest.raises(ValueError, match=r"at least two classes in 'root' .got cat in"):
        VideoFolderData(str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"a folder of videos or a list of them .got '.*none.csv'"):
        VideoFolderData(str(tmp_path / "none.csv"))


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    def run(*arguments):
        monkeypatch.chdir(tmp_path)
        code = main(list(map(str, arguments)))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_three_commands_train_evaluate_and_predict(command, tmp_path):
    runpy.run_path(str(ROOT / "tests" / "make_videos.py"))["make_videos"](
        tmp_path / "videos", tmp_path / "boxes", per_class=4
    )
    options = [
        *("--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"),
        *("--trainer.log_every_n_steps=1", "--data.num_workers=0"),
    ]
    config = ROOT / "examples" / "configs" / "video_folder.yaml"
    fit = (
        "fit",
        f"--config={config}",
        "--data.boxes=boxes",
        "--data.frame_rate=12",
        "--trainer.max_epochs=1",
        *options,
    )
    code, _, error = command(*fit, "--trainer.callbacks+=pyg_video.training.RegionAgreement")
    assert code == 0, error
    home = tmp_path / "runs" / "video_folder" / "version_0"
    best = home / "checkpoints" / "best.safetensors"
    trained = load_trained(best)
    assert trained[1:] == (("moving left", "moving right"), 64, 8, 12.0)
    assert "val/region_iou" in (home / "metrics.csv").read_text()
    assert len(list((tmp_path / "cache").iterdir())) == 2

    code, text, _ = command("evaluate", "--checkpoint", best, "--config", home / "config.yaml", "--output", "scores")
    assert code == 0
    assert "videos of 'videos', test split, 2, none left out" in text
    assert "8 of 73 x 73 pixels, sampling by 12 per second" in text
    assert "3 crops x 2 clips a video, scores averaged" in text
    rows = list(csv.DictReader((tmp_path / "scores" / "predictions.csv").read_text().splitlines()))
    ids = VideoFolderData("videos").test.ids
    assert [(row["clip"], row["target"]) for row in rows] == [(name, str(k)) for k, name in enumerate(ids)]

    code, text, _ = command("predict", *(f"videos/{name}" for name in ids), "--checkpoint", best, "--top", 1)
    assert code == 0
    alone = list(csv.DictReader((tmp_path / "predictions" / "predictions.csv").read_text().splitlines()))

    last = home / "checkpoints" / "best.ckpt"
    assert command("predict", f"--config={home / 'config.yaml'}", f"--ckpt_path={last}", *options)[0] == 0
    table = list(csv.DictReader((home.parent / "predictions.csv").read_text().splitlines()))
    assert [row["clip"] for row in table] == ids
    for one, other, third in zip(rows, table, alone, strict=True):
        assert one["name"] == other["name"] == third["name"]
        assert float(other["probability"]) == pytest.approx(float(one["probability"]), abs=1e-4)
        assert float(third["probability"]) == pytest.approx(float(one["probability"]), abs=1e-4)


def test_a_grey_model_on_colour_says_what_to_do(command, videos):
    code, _, error = command(
        *("fit", "--data=VideoFolderData", f"--data.root={videos}", "--model.model=cnn_sync_mnist"),
        *(f"--data.{name}={value}" for name, value in SMALL.items()),
        *("--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"),
        *("--trainer.max_epochs=1", "--trainer.log_every_n_steps=1"),
    )
    assert code == 2
    assert "[B, T, 1, H, W] (got [2, 3, 3, 28, 28]); make the model with in_channels=3" in error


def test_a_model_on_boxes_trains_and_its_regions_are_measured(tiny, tiny_trainer, videos, tmp_path):
    rows = [(clip, frame, 2 * frame, 12, 8, 12) for clip in range(12) for frame in range(8)]
    clip, frame, *edges = np.array(rows).T
    clips = [f"{name}/{number}" for name in ("bird", "plane") for number in range(6)]
    edges = dict(zip("xywh", edges, strict=True))
    np.savez(tmp_path / "boxes.npz", clips=clips, clip_index=clip, frame_index=frame, **edges)
    data = tiny(boxes=str(tmp_path / "boxes.npz"), max_objects=2, frame_rate=12.0)
    assert next(iter(data.train_dataloader())).box.shape == (4, 3, 2, 4)
    assert next(iter(data.test_dataloader())).box.shape == (2, 6, 3, 2, 4)
    options = {**SIZES, "builder": "box", "arrangement": (1, 2), "num_iterations": 1, "region_channels": 4}
    task = VideoClassification("graph_sync_mnist", 2, 28, model_options=options, warmup_steps=1)
    trainer = tiny_trainer(RegionAgreement(region_scale=1.0), max_epochs=1)
    trainer.fit(task, data)
    assert trainer.callback_metrics["val/region_iou"] == pytest.approx(1.0, abs=1e-3)
    (scored,) = trainer.test(task, data, verbose=False)
    assert scored["test/region_distance"] == pytest.approx(0.0, abs=1e-3)
    with pytest.raises(ValueError, match="Expected clips with boxes for a model on boxes"):
        tiny_trainer(folder="none", max_epochs=1).fit(task, tiny())


def test_the_cache_changes_nothing_but_the_time(tiny, tmp_path, monkeypatch):
    plain, cached = tiny(), tiny(cache=str(tmp_path / "cache"))
    cached.prepare_data()
    monkeypatch.setattr("pyg_video.datasets.video.files.FrameReader", None)  # nothing is decoded from here on
    loaders = [list(getattr(cached, f"{name}_dataloader")()) for name in ("train", "val", "test")]
    monkeypatch.undo()
    for name, batches in zip(("train", "val", "test"), loaders, strict=True):
        for mine, theirs in zip(batches, getattr(plain, f"{name}_dataloader")(), strict=True):
            assert torch.equal(mine.video, theirs.video)


def test_a_test_on_larger_frames_decodes_them(tiny, tmp_path):
    data = tiny(cache=str(tmp_path / "cache"), test_frame=40)
    data.prepare_data()
    assert torch.equal(data.test[0].video, tiny(test_frame=40).test[0].video)
    assert data.val.frames is data.cache
    assert data.test.frames is not data.cache


def test_shards_train_as_their_folder_does(tmp_path, videos):
    with tarfile.open(tmp_path / "all.tar", "w") as archive:
        archive.add(videos, arcname=".")
    plain = VideoFolderData(str(videos), **SMALL)
    packed = VideoFolderData(str(tmp_path / "all.tar"), cache=str(tmp_path / "cache"), **SMALL | {"num_workers": 2})
    for ours, theirs in zip(packed.train_dataloader(), plain.train_dataloader(), strict=True):
        assert torch.equal(ours.video, theirs.video)
        assert torch.equal(ours.label, theirs.label)
    packed.prepare_data()
    assert packed.cache.complete()
