"""What ``fuzz.py`` mutates: small whole files of every kind that this package reads, and how each is read."""

import contextlib
import functools
import io
import json
import math
import os
import runpy
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import torch
from mutations import ARRAYS, CHECKPOINT, JSON, SAFETENSORS, YAML, Format, mutated
from torch import Tensor, nn

from pyg_video.attachment import FrozenFeatures
from pyg_video.checkpoints import checkpoint_info, save_model
from pyg_video.cli.main import main
from pyg_video.datasets import (
    SomethingElse,
    SyncClip,
    SyncMNIST,
    VideoFileError,
    VideoFolder,
    decode_frames,
    read_boxes,
)
from pyg_video.datasets.something.lists import read_labels, read_records
from pyg_video.datasets.video.files import examine_video
from pyg_video.datasets.video.frame_folders import decode_jpegs, examine_folder, frame_files
from pyg_video.datasets.video.index import CheckedVideo, read_index, write_index
from pyg_video.evaluation.scores import ClipScores
from pyg_video.models import create_model
from pyg_video.training import FrameCache, VideoClassification, load_trained
from pyg_video.training.data.feature_files import FeatureClips, feature_files, write_features

TESTS = Path(__file__).parents[1] / "tests"
CONFIGS = TESTS.parent / "examples" / "configs"
_TINY = {"num_classes": 4, "frame_size": 12, "channels": (4, 4), "strides": (2, 1)}
_SHORT = [
    *("--trainer.accelerator=cpu", "--trainer.devices=1", "--trainer.max_epochs=0", "--trainer.logger=false"),
    *("--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false", "--trainer.default_root_dir=run"),
]
_CODECS = {  # of each container
    "mp4": ("h264", "av1"),
    "mkv": ("hevc", "ffv1"),
    "webm": ("vp8", "vp9"),
    "mov": ("mjpeg",),
    "avi": ("mpeg4",),
    "ts": ("mpeg2",),
    "mpg": ("mpeg2",),
    "flv": ("h264",),
    "gif": ("gif",),
}
_SCORES = torch.linspace(-2, 2, 6).view(2, 3)
_CLASSES = ("Holding something", "Pushing something from left to right", "Pushing something from right to left")


class Subject(NamedTuple):
    """Files, one of which is mutated, and what reads them.

    Attributes:
        name: for the results.
        files: content of the files by path.
        victim: path of the file that is mutated.
        read: takes the folder of the files, and reads them as a user would.
        text: whether the file is text.
        form: how the values in the file are read and written.
    """

    name: str
    files: dict[str, bytes]
    victim: str
    read: Callable[[Path], object]
    text: bool = False
    form: Format | None = None

    def write(self, folder: Path, chance: Random) -> Path:
        """Write the files, one of them mutated; gives its path."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(
                mutated(content, chance, text=self.text, form=self.form) if name == self.victim else content
            )
        return folder / self.victim


def subjects(kind: str, folder: Path) -> list[Subject]:
    """The subjects of a kind, whose files are made in a folder."""
    return list(KINDS[kind](folder))


def _helpers(path: str) -> dict[str, Any]:
    """What a module of the tests defines."""
    return runpy.run_path(str(TESTS / path))


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _videos(folder: Path) -> Iterator[Subject]:
    write = _helpers("datasets/video/conftest.py")["write_numbered"]
    for suffix, codec in ((suffix, codec) for suffix, codecs in _CODECS.items() for codec in codecs):
        name = f"{codec}.{suffix}"
        with contextlib.suppress(ValueError):  # this PyAV cannot write it
            content = write(folder / name, codec, 40).read_bytes()
            yield Subject(f"{suffix}, {codec}", {name: content}, name, _reading(name))
    helpers = _helpers("conftest.py")
    content = helpers["write_sounding"](folder / "sound.mp4").read_bytes()
    yield Subject("mp4 with sound", {"sound.mp4": content}, "sound.mp4", _reading("sound.mp4"))
    from PIL import Image

    (folder / "frames").mkdir()
    for number in range(4):
        Image.fromarray(helpers["frame"](number, 48, 64)).save(folder / "frames" / f"{number + 1:05d}.jpg")
    yield Subject("folder of frames", _contents(folder / "frames"), "00002.jpg", _read_frames)


def _reading(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        path = folder / name
        info, damaged = examine_video(path)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*has damaged frames")
            frames = decode_frames(path, [0, info.num_frames - 1], on_corrupt="warn")
        assert frames.shape == (2, 3, info.height, info.width)
        if damaged:
            assert "a damaged file, at frame" in _refusal(path)

    return read


def _refusal(path: Path) -> str:
    """What is said of a video with damaged frames."""
    try:
        decode_frames(path, [0], check_all=True)
    except VideoFileError as error:
        return str(error)
    return "nothing"


def _read_frames(folder: Path) -> None:
    num_frames, damage = examine_folder(folder)
    files = frame_files(folder)
    assert num_frames == len(files) == 4
    if not damage:
        assert decode_jpegs(files).shape[:2] == (4, 3)


def _annotations(folder: Path) -> Iterator[Subject]:
    yield from _something_lists()
    yield from _box_files(folder)
    rows = "path,label,start,end,group,fold,split\n" + "".join(
        f"{name},{label},{start},{end},{group},{fold},{split}\n"
        for name, label, start, end, group, fold, split in (
            *(("a.avi", "left", 0, 2.5, "park", 0, "train"), ("b.avi", "right", "", "", "street", 1, "val")),
            *(("c.avi", "left", 1e-1, "", "yard", 1, "test"), ("d.avi", "right", "", 7, "park", 0, "train")),
        )
    )
    empty = {f"{name}.avi": b"" for name in "abcd"}
    yield Subject("list of videos", {"list.csv": rows.encode(), **empty}, "list.csv", _read_list, text=True)
    plan = {
        "coords": np.random.default_rng(0).integers(0, 72, (6, 3, 3, 2), dtype=np.uint8),
        "digit_index": np.arange(18, dtype=np.uint32).reshape(6, 3),
        "is_sync": np.array([True] * 5 + [False]),
        "digit_in_front": np.ones(6, dtype=bool),
    }
    yield Subject("trajectories", {"given.npz": ARRAYS.write(plan)}, "given.npz", _read_trajectories, form=ARRAYS)


def _caches(folder: Path) -> Iterator[Subject]:
    """Files that this package writes for itself; what is read of them must be what was written."""
    video = _helpers("datasets/video/conftest.py")["write_numbered"](folder / "a.avi", "mpeg4", 12)
    cache = _frame_cache(folder)
    cache.write()
    read = functools.partial(_read_frame_cache, _all_frames(cache, folder))
    files = {str(path.relative_to(folder)): path.read_bytes() for path in (video, *cache.files[:2])}
    for path, form in zip(cache.files[:2], (None, ARRAYS), strict=True):
        yield Subject(f"small frames, {path.suffix}", files, str(path.relative_to(folder)), read, form=form)
    clips = SyncMNIST(num_clips=4, num_frames=3, canvas_size=32, frame_size=16, digit_size=8)
    stored = feature_files(folder, "train")
    features = FrozenFeatures(nn.Sequential(nn.Conv2d(3, 2, 3)), "0", num_frames=3, image_size=8, map_size=2)
    write_features(features, clips, stored, size=4, progress=False)
    read = functools.partial(_read_features, FeatureClips(stored).batch(range(4)))
    files = {path.name: path.read_bytes() for path in stored[:2]}
    for path, form in zip(stored[:2], (None, ARRAYS), strict=True):
        yield Subject(f"features, {path.suffix}", files, path.name, read, form=form)
    write_index(folder / "index.json", {str(k): CheckedVideo(100, 5, 12, 12.0, "", "at 3") for k in range(3)})
    files = {"index.json": (folder / "index.json").read_bytes()}
    yield Subject("index of videos", files, "index.json", _read_index, text=True, form=JSON)
    scores = ClipScores(4, 3, path=folder / "scores.safetensors", about={"model": "m"})
    scores.add([0, 2], _SCORES, torch.tensor([1, 1]))
    scores.write()
    form = Format(
        lambda content: {"record": {}, **SAFETENSORS.read(content)},
        lambda tree: SAFETENSORS.write({"record": {}, **tree}),
    )
    content = (folder / "scores.safetensors").read_bytes()
    yield Subject("scores of clips", {"scores.safetensors": content}, "scores.safetensors", _read_scores, form=form)


def _frame_cache(folder: Path) -> FrameCache:
    os.utime(folder / "a.avi", ns=(0, 0))
    return FrameCache(folder / "cache", {folder / "a.avi": (0.0, 0.4)}, short_side=12)


def _all_frames(cache: FrameCache, folder: Path) -> Tensor:
    assert cache.about(folder / "a.avi")[1:] == (25.0, 48, 64)
    return cache.read(folder / "a.avi", torch.arange(10))


def _read_frame_cache(frames: Tensor, folder: Path) -> None:
    assert torch.equal(_all_frames(_frame_cache(folder), folder), frames)


def _read_features(batch: SyncClip, folder: Path) -> None:
    assert all(map(torch.equal, FeatureClips(feature_files(folder, "train")).batch(range(4)), batch))


def _read_index(folder: Path) -> None:
    for video in read_index(folder / "index.json").values():
        assert video.num_frames >= 0 <= video.frame_rate < math.inf, "no numbers of frames"


def _something_lists() -> Iterator[Subject]:
    rows = [
        {
            "id": str(100 + k),
            "label": name.lower(),
            "template": name.replace("something", "[something]"),
            "placeholders": ["cup"],
        }
        for k, name in enumerate(_CLASSES)
    ]
    numbers = {name: str(k) for k, name in enumerate(_CLASSES)}
    v2 = {
        "something-something-v2-train.json": json.dumps(rows, indent=0).encode(),
        "something-something-v2-labels.json": json.dumps(numbers, indent=0).encode(),
        "something-something-v2-test.json": json.dumps([{"id": "100"}, {"id": 101}]).encode(),
        "labels/test-answers.csv": "".join(f"{100 + k};{name}\n" for k, name in enumerate(_CLASSES)).encode(),
    }
    for name in v2:
        form = JSON if name.endswith("json") else None
        yield Subject(f"Something-Something {name}", v2, name, _read_something("v2"), text=True, form=form)
    v1 = {
        "something-something-v1-train.csv": "".join(f"{100 + k};{name}\n" for k, name in enumerate(_CLASSES)).encode(),
        "something-something-v1-labels.csv": "\n".join(_CLASSES).encode(),
        "something-something-v1-test.csv": b"100\n101\n",
    }
    for name in v1:
        yield Subject(f"Something-Something {name}", v1, name, _read_something("v1"), text=True)


def _read_something(version: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        names = read_labels(folder, version)
        for split in ("train", "test"):
            records = read_records(folder, version, split, names)
            assert all(-1 <= record.label < len(names) and isinstance(record.id, str) for record in records)

    return read


def _box_files(folder: Path) -> Iterator[Subject]:
    boxes, else_ = _helpers("datasets/folder/test_boxes.py"), _helpers("datasets/something/test_something_else.py")
    for name, write in boxes["WRITERS"].items():
        (folder / name).mkdir()
        path = write(folder / name)
        files = _contents(folder / name)
        suffix = path.suffix or ".csv"
        form = {".json": JSON, ".npz": ARRAYS}.get(suffix)
        yield Subject(f"boxes, {name}", files, next(iter(files)), _reading_boxes(path.name), suffix != ".npz", form)
    video = [else_["entry"](100, k, *else_["HANDS"], *else_["CUP"]) for k in range(3)]
    parts = [json.dumps({str(100 + k): video, str(200 + k): video[:1]}, indent=0).encode() for k in range(4)]
    files = {f"bounding_box_smthsmth_part{k + 1}.json": part for k, part in enumerate(parts)}
    yield Subject("Something-Else", files, "bounding_box_smthsmth_part2.json", _read_else, text=True, form=JSON)


def _reading_boxes(name: str) -> Callable[[Path], None]:
    return lambda folder: _check_boxes(read_boxes(folder / name, max_objects=3))


def _read_else(folder: Path) -> None:
    _check_boxes(SomethingElse(folder, max_objects=3))


def _check_boxes(tracks: Any) -> None:
    for video in tracks.ids:
        box = tracks.boxes(video, torch.arange(4), 12.0, 48, 64)
        assert box.shape == (4, 3, 4)
        assert bool(((box >= 0) & (box <= 1) | box.isnan()).all()), "boxes outside of the frame"


def _read_list(folder: Path) -> None:
    for options in ({"split": "train"}, {"split": None}, {"split": "test", "fold": 1}):
        data = VideoFolder(folder / "list.csv", **options)
        assert all(-1 <= label < len(data.label_names) for label in data.labels)


def _read_trajectories(folder: Path) -> None:
    data = SyncMNIST.from_trajectories(folder / "given.npz")
    assert data.batch(range(len(data))).video.isfinite().all()


def _read_scores(folder: Path) -> None:
    scores = ClipScores(4, 3, path=folder / "scores.safetensors", about={"model": "m"})
    assert (scores.missing(), scores.target.tolist()) == ([1, 3], [1, -1, 1, -1])
    assert torch.equal(scores.scores[[0, 2]], _SCORES), "other scores"


def _configurations(folder: Path) -> Iterator[Subject]:  # noqa: ARG001
    """Pairs of files that ``fit`` merges; it makes model and data, and trains for no epoch."""
    base = {"base.yaml": (CONFIGS / "base_small.yaml").read_bytes().replace(b"2000", b"64")}  # clips of a check
    for name in ("small_dyreg", "small_rstg", "nodes/slots"):
        files = {**base, "run.yaml": (CONFIGS / f"{name}.yaml").read_bytes()}
        for victim in files:
            yield Subject(f"{name}, {victim}", files, victim, _fit, text=True, form=YAML)
    evaluated = {"run.yaml": base["base.yaml"]}
    yield Subject("evaluate", evaluated, "run.yaml", _evaluate, text=True, form=YAML)


def _fit(folder: Path) -> None:
    _command(folder, "fit", "--config=base.yaml", "--config=run.yaml", *_SHORT)


def _evaluate(folder: Path) -> None:
    path = save_model(create_model("cnn_sync_mnist", num_classes=10, frame_size=40), folder / "m.safetensors")
    options = ("--config", "run.yaml", "--output", "out", "--clips", "2", "--device", "cpu")
    _command(folder, "evaluate", "--checkpoint", str(path), *options)


def _command(folder: Path, *arguments: str) -> None:
    """Run ``pyg-video``; raise what it says about a mistake."""
    said = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = main(arguments)
    *_, last = ["", *said.getvalue().splitlines()]
    if code == 2 and last.startswith("pyg-video: error: "):
        raise ValueError(last)
    assert code == 0, f"exit code {code}"


def _checkpoints(folder: Path) -> Iterator[Subject]:
    for name in ("cnn", "dyreg_gnn", "rstg"):
        model = create_model(f"{name}_sync_mnist", **_TINY)
        content = save_model(model, folder / "m.safetensors", {"label_names": [*"abcd"], "num_frames": 8}).read_bytes()
        files = {"m.safetensors": content}
        yield Subject(f"safetensors, {name}", files, "m.safetensors", _reading_model("m.safetensors"), form=SAFETENSORS)
    parts = {"channels": (4, 4), "strides": (2, 2), "region_channels": 4, "num_iterations": 1}
    task = VideoClassification("dyreg_gnn_sync_mnist", 10, 40, tuple("abcdefghij"), model_options=parts)
    torch.save(_lightning(task), folder / "last.ckpt")
    files = {"last.ckpt": (folder / "last.ckpt").read_bytes()}
    yield Subject("Lightning", files, "last.ckpt", _reading_model("last.ckpt"), form=CHECKPOINT)
    options = {"channels": [4, 4], "strides": [2, 2], "region_channels": 4, "num_iterations": 1}
    run = {"model": {"model": "dyreg_gnn_sync_mnist", "model_options": options}}
    files |= {"run.yaml": YAML.write(run), "base.yaml": (CONFIGS / "base_small.yaml").read_bytes()}
    yield Subject("Lightning, to go on", files, "last.ckpt", _go_on, form=CHECKPOINT)


def _lightning(task: nn.Module) -> dict[str, Any]:
    """What Lightning writes at the end of an epoch."""
    from pytorch_lightning import Trainer

    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, max_epochs=0, barebones=True)
    trainer.strategy.connect(task)
    return dict(trainer._checkpoint_connector.dump_checkpoint(weights_only=False))


def _reading_model(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        trained = load_trained(folder / name)
        assert all(isinstance(each, str) for each in trained.label_names)
        if not name.endswith(".ckpt"):
            checkpoint_info(folder / name)

    return read


def _go_on(folder: Path) -> None:
    _command(folder, "fit", "--config=base.yaml", "--config=run.yaml", "--ckpt_path=last.ckpt", *_SHORT)


KINDS: dict[str, Callable[[Path], Iterator[Subject]]] = {
    "videos": _videos,
    "annotations": _annotations,
    "caches": _caches,
    "configurations": _configurations,
    "checkpoints": _checkpoints,
}
