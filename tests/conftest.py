"""Shared by all tests: seeds, one thread, a place for the files that PyG writes, tiny videos, large files.

Files that are too large for the repository lie elsewhere; tests that need one are skipped where it is missing.
"""

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

_MNIST = [f"MNIST/raw/{split}-{kind}-ubyte" for split in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
_FEW_EXTRAS = "PYG_VIDEO_FEW_EXTRAS" in os.environ  # set by .ci/compat


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.suffix == ".ipynb":
            item.add_marker("slow")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    if report.failed and _FEW_EXTRAS and "ModuleNotFoundError" in str(report.longrepr):
        report.outcome, report.longrepr = "skipped", (str(collector.path), 0, "needs an extra")
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    with _skipping_what_needs_extras():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    with _skipping_what_needs_extras():
        return (yield)


@contextlib.contextmanager
def _skipping_what_needs_extras():
    """Where extras are left out on purpose, skip a test that ends at a missing package."""
    try:
        yield
    except ModuleNotFoundError as error:
        if _FEW_EXTRAS:
            pytest.skip(str(error))
        raise


@pytest.fixture(scope="session", autouse=True)
def _temporary_folder(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("tmp"))
    os.environ["TMPDIR"] = folder
    tempfile.tempdir = folder


@pytest.fixture(autouse=True)
def _seed_and_thread():
    torch.manual_seed(0)
    torch.set_num_threads(1)  # small tensors: a second thread only waits


def frame(number, height, width):
    """A grey level that tells the frame's number, with a white square that moves to the right."""
    image = torch.full((height, width, 3), 20 + 5 * number, dtype=torch.uint8)
    image[height // 4 : height // 2, 2 * number : 2 * number + width // 8] = 255
    return image.numpy()


def write_video(path, num_frames=12, *, codec="libvpx", rate=12, height=48, width=64, frame=frame):
    """Encode a video; give its path."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = width, height, "yuv420p", 8
        stream.options = {"deadline": "realtime", "cpu-used": "8"} if "vpx" in codec else {}
        for number in range(num_frames):
            picture = av.VideoFrame.from_ndarray(frame(number, height, width), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def write_sounding(path, seconds=2, *, rate=10, codec="aac", height=48, width=64):
    """Encode a video with a tone of 440 Hz; give its path."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        sound = container.add_stream(codec, rate=16000, layout="mono")
        for number in range(seconds * rate):
            picture = av.VideoFrame.from_ndarray(frame(number, height, width), format="rgb24")
            container.mux(stream.encode(picture))
            wave = np.sin(np.arange(number * 16000 // rate, (number + 1) * 16000 // rate) / 16000 * 2 * np.pi * 440)
            tone = av.AudioFrame.from_ndarray((8000 * wave).astype(np.int16)[None], format="s16", layout="mono")
            tone.sample_rate, tone.pts = 16000, number * 16000 // rate
            container.mux(sound.encode(tone))
        container.mux(stream.encode())
        container.mux(sound.encode())
    return path


def class_names():
    """174 classes; those that differ in left and right stand where they do in the published list."""
    names = [f"Doing something of kind {k:03d}" for k in range(174)]
    for place, name in ((86, "Pulling something from {} to {}"), (93, "Pushing something from {} to {}")):
        names[place], names[place + 1] = name.format("left", "right"), name.format("right", "left")
    names[166], names[167] = (f"Turning the camera {side} while filming something" for side in ("left", "right"))
    return names


@pytest.fixture(scope="session")
def make_video():
    return write_video


@pytest.fixture(scope="session")
def write_sound():
    return write_sounding


@pytest.fixture(scope="session")
def _something_v2(tmp_path_factory):
    """Ten videos of Something-Something v2 in the layout of the download: 6 to train, 3 to validate, 1 to test."""
    root = tmp_path_factory.mktemp("v2")
    (root / "20bn-something-something-v2").mkdir()
    names = class_names()
    (root / "something-something-v2-labels.json").write_text(json.dumps({n: str(k) for k, n in enumerate(names)}))
    rows = []
    for place, label in enumerate((93, 94, 86, 0, 1, 166, 93, 2, 3, 4)):
        rows.append(
            {
                "id": str(100 + place),
                "label": names[label].lower().replace("something", "cup"),
                "template": names[label].replace("something", "[something]"),
                "placeholders": ["cup"],
            }
        )
        write_video(root / "20bn-something-something-v2" / f"{100 + place}.webm")
    for name, part in (("train", rows[:6]), ("validation", rows[6:9]), ("test", [{"id": rows[9]["id"]}])):
        (root / f"something-something-v2-{name}.json").write_text(json.dumps(part))
    return root


@pytest.fixture(scope="session")
def _something_v1(tmp_path_factory):
    """Ten videos of Something-Something v1 in the layout of the download."""
    from PIL import Image

    root = tmp_path_factory.mktemp("v1")
    names = class_names()
    (root / "something-something-v1-labels.csv").write_text("\n".join(reversed(names)) + "\n")
    rows = []
    for place, label in enumerate((93, 94, 86, 0, 1, 166, 93, 2, 3, 4)):
        folder = root / "20bn-something-something-v1" / str(100 + place)
        folder.mkdir(parents=True)
        for number in range(12):
            Image.fromarray(frame(number, 48, 64)).save(folder / f"{number + 1:05d}.jpg", quality=95)
        rows.append(f"{100 + place};{names[label]}\n")
    for name, part in (("train", rows[:6]), ("validation", rows[6:9]), ("test", ["109\n"])):
        (root / f"something-something-v1-{name}.csv").write_text("".join(part))
    return root


@pytest.fixture
def something_v2(_something_v2, tmp_path):
    return shutil.copytree(_something_v2, tmp_path / "v2")


@pytest.fixture
def something_v1(_something_v1, tmp_path):
    return shutil.copytree(_something_v1, tmp_path / "v1")


def _shared(*needed: str) -> Path:
    """The folder data of PYG_VIDEO_SHARED, or of ``shared`` beside the repository, if it holds all that is needed."""
    folder = Path(os.environ.get("PYG_VIDEO_SHARED", Path(__file__).parents[2] / "shared")) / "data"
    if missing := [name for name in needed if not (folder / name).is_file()]:
        pytest.skip(f"needs data/{missing[0]}: set PYG_VIDEO_SHARED to a folder that has it")
    return folder


@pytest.fixture(scope="session")
def mnist():
    return _shared(*_MNIST)


@pytest.fixture(scope="session")
def authors_trajectories():
    return _shared("syncmnist/authors_5sync_test.npz") / "syncmnist/authors_5sync_test.npz"


FIVE = {
    "canvas_size": 16,
    "frame_size": 16,
    "digit_size": 6,
    "num_frames": 3,
    "classes": (0, 1, 2, 3),
    "random_probability": 0,
}


@pytest.fixture
def tiny_data():
    def make(**options):
        from pyg_video.training import SyncMNISTData

        return SyncMNISTData(**{**FIVE, "batch_size": 4, "num_train": 8, "num_val": 8, "num_test": 6, **options})

    return make


@pytest.fixture
def tiny_task():
    def make(**options):
        from pyg_video.training import VideoClassification

        parts = {"channels": (4, 4), "strides": (2, 2), "region_channels": 4, "num_iterations": 1}
        options = {"lr": 0.01, "warmup_steps": 2, **options}
        return VideoClassification("dyreg_gnn_sync_mnist", 6, 16, model_options=parts, **options)

    return make


@pytest.fixture
def tiny_trainer(tmp_path):
    def make(*callbacks, folder="run", **options):
        from pytorch_lightning import Trainer

        from pyg_video.training import AtomicCheckpointIO, best_checkpoint, last_checkpoint

        return Trainer(
            accelerator="cpu",
            logger=False,
            default_root_dir=tmp_path / folder,
            callbacks=[best_checkpoint(), last_checkpoint(), *callbacks],
            plugins=[AtomicCheckpointIO()],
            use_distributed_sampler=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            **{"max_epochs": 2, "gradient_clip_val": 1.0, **options},
        )

    return make


@pytest.fixture
def given_trajectories(tmp_path):
    """Writes trajectories of six clips with three bundled digits each, in the format of the authors' file."""

    def write(**changes):
        from pyg_video.datasets import load_digits

        target = load_digits("bundled", "test").target
        images = [[int((target == digit).nonzero()[0]) for digit in (k, k + 1, k + 2)] for k in range(6)]
        coords = np.random.default_rng(0).integers(0, 72, (6, 3, 3, 2), dtype=np.uint8)
        arrays = {
            "coords": coords,
            "digit_index": np.array(images, dtype=np.uint32),
            "is_sync": np.array([True] * 5 + [False]),
            "digit_in_front": np.ones(6, dtype=bool),
        }
        np.savez(tmp_path / "given.npz", **{**arrays, **changes})
        return tmp_path / "given.npz"

    return write


@pytest.fixture
def digit_videos(tmp_path):
    """Writes clips of the shipped models' task as videos; gives paths, clips, and the names of the classes."""

    def write(count):
        from pyg_video.checkpoints import SHIPPED_TASK
        from pyg_video.datasets import SyncMNIST
        from pyg_video.visualization import save_mp4

        data = SyncMNIST(split="test", num_clips=count, **SHIPPED_TASK)
        batch = data.batch(range(count))
        paths = [save_mp4(tmp_path / f"{k}.mp4", video, fps=5) for k, video in enumerate(batch.video)]
        return paths, batch, data.label_names

    return write
