"""The demo, ``make demo``: models with and without a graph learn, from fresh weights, which digits move together.

Three digits jump about, two of them together; a model says which two. A small convolutional net first learns on still
frames where which digit is. It is then frozen, the same for all models, and what is left to learn is motion.
"""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import torch

from .._extras import need
from .._files import write_whole
from ..backbones import StagedBackbone, split_backbone
from ..checkpoints import save_model
from ..datasets import SyncMNIST
from ..evaluation import DigitSource, Score, evaluate
from ..models import Option, VideoClassifier, create_model
from ..training import SideBySide, distance_to_digits, fit_stills
from .demo_pictures import draw_learning, draw_regions
from .parsing import make_parser, run_command

TASK: dict[str, Any] = {
    "num_digits": 3,
    "num_frames": 8,
    "canvas_size": 40,
    "frame_size": 40,
    "digit_size": 14,
    "classes": (0, 1, 2),
    "motion": "jumps",
    "max_step": 10,
    "random_probability": 0.0,
}
"""Options of :class:`~pyg_video.datasets.SyncMNIST`: the digits 0, 1 and 2, two of which jump by the same steps."""

DYREG, CHANCE, BATCH = "DyReg-GNN", 1 / 3, 32
NUM_FRAMES, NUM_VIDEOS, NUM_CLIPS, CLIPS_DRAWN = 28_800, 28_000, 2_000, 3
_BACKBONE: dict[str, Option] = {
    "num_classes": 3,
    "frame_size": 40,
    "channels": (16, 32, 32, 32, 3, 32),
    "strides": (2, 1, 2, 1, 1, 1),
}
MAPS, TENT = "stage5", 3.5  # three maps of where the digits are, wide enough for cells to see motion; frozen up to here
MODELS: dict[str, tuple[str, dict[str, Option]]] = {
    DYREG: (
        "dyreg_gnn_sync_mnist",
        {"output": "vector", "readout": "last", "anchors": "grid", "gain": 0.3, "region_channels": 32},
    ),
    "RSTG": ("graph_sync_mnist", {"builder": "grid", "connect": "complete"}),
    "Conv + LSTM": ("conv_lstm_sync_mnist", {}),
    "CNN + LSTM": ("cnn_sync_mnist", {"readout": "last"}),
}
"""The models by the names that are shown: registered names and options."""


class Outcome(NamedTuple):
    """What one run of the demo found; ``seconds`` are those of each part of it."""

    seed: int
    found: float
    scores: dict[str, Score]
    parameters: dict[str, int]
    seconds: dict[str, float]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo and return the exit code; see ``--help``."""
    parser = make_parser("python -m pyg_video.cli.demo", __doc__ or "")
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder for pictures, weights and a snippet")
    parser.add_argument("--frames", type=int, default=NUM_FRAMES, help="still frames for the backbone")
    parser.add_argument("--videos", type=int, default=NUM_VIDEOS, help="videos for the models")
    parser.add_argument("--clips", type=int, default=NUM_CLIPS, help="unseen clips to evaluate the models on")
    parser.add_argument("--seed", type=int, default=0)

    def command() -> int:
        args = parser.parse_args(argv)
        if min(args.frames, args.videos) < 4 * BATCH or args.clips < CLIPS_DRAWN:
            least = f"at least {4 * BATCH} --frames and --videos and {CLIPS_DRAWN} --clips"
            raise ValueError(f"Expected {least} (got {args.frames}, {args.videos} and {args.clips})")
        run(args.output, num_frames=args.frames, num_videos=args.videos, num_clips=args.clips, seed=args.seed)
        return 0

    return run_command(command)


def run(
    output: Path,
    *,
    num_frames: int = NUM_FRAMES,
    num_videos: int = NUM_VIDEOS,
    num_clips: int = NUM_CLIPS,
    seed: int = 0,
) -> Outcome:
    """Everything that ``make demo`` shows: files in ``output``, progress and a table on standard output."""
    need("matplotlib", "plots")  # before the training, not after it
    start = time.perf_counter()
    print("The digits 0, 1 and 2 jump about, two of them together. Which two? Chance is 33 %.\n")
    torch.manual_seed(seed)
    digits, found = learn_digits(num_frames, seed)
    seconds = {"stills": time.perf_counter() - start}
    models = make_models()
    before = learn_motion(digits, models, output, num_videos=num_videos, seed=seed)
    seconds["videos"] = time.perf_counter() - start - seconds["stills"]
    clips = SyncMNIST(split="test", num_clips=num_clips, seed=seed, **TASK)
    scores = score(models, clips)
    parameters = {name: sum(p.numel() for p in model.parameters()) for name, model in models.items()}
    seconds["all"] = time.perf_counter() - start
    outcome = Outcome(seed, found, scores, parameters, seconds)
    print("\n" + table(outcome, num_frames, num_videos) + "\n")
    for path in write(output, before, models, clips):
        print(f"wrote {path}")
    print(f"\nDone in {time.perf_counter() - start:.0f} s.")
    return outcome


def make_models() -> dict[str, VideoClassifier]:
    """The models by the names that are shown, with fresh weights."""
    return {name: create_model(model, **_BACKBONE, **options) for name, (model, options) in MODELS.items()}


def learn_digits(num_frames: int, seed: int) -> tuple[StagedBackbone, float]:
    """Fresh first stages, trained on still frames, and the share of unseen digits that they find."""
    print(f"1. Still frames: a small convolutional net learns where which digit is ({num_frames:,} frames).")
    net, _ = split_backbone(create_model("cnn_sync_mnist", **_BACKBONE).backbone, MAPS)
    stills = {**TASK, "num_frames": 1}
    train = SyncMNIST(seed=seed, **stills)
    for seen, loss in fit_stills(net, train, num_frames=num_frames, radius=TENT, every=num_frames // 4):
        print(f"{seen:>17,d} frames    squared error {loss:.4f}", flush=True)
    unseen = SyncMNIST(split="test", seed=seed, **stills).batch(range(500))
    with torch.inference_mode():
        distance = distance_to_digits(net(unseen.video), unseen, train.classes)
    found = (distance < TASK["digit_size"] / TASK["canvas_size"] / 2).float().mean().item()
    print(f"   It finds {found:.1%} of the digits on unseen frames. It is now frozen, the same for all models.\n")
    return net, found


def learn_motion(
    digits: StagedBackbone, models: Mapping[str, VideoClassifier], output: Path, *, num_videos: int, seed: int
) -> VideoClassifier:
    """Train the models on videos, drawing their accuracies as they grow; returns the DyReg-GNN before the training."""
    print(f"2. Videos: the models, from fresh weights, learn motion side by side ({num_videos:,} videos).")
    training = SideBySide(digits, models, SyncMNIST(seed=seed, **TASK), num_videos=num_videos, batch_size=BATCH)
    before = deepcopy(models[DYREG]).eval()
    print(f"{'videos seen':>17s}" + "".join(f"{name:>14s}" for name in models))
    seen: list[int] = []
    accuracy: dict[str, list[float]] = {name: [] for name in models}
    with threads_for(len(models)):
        for videos, now in training.run(every=max(BATCH, num_videos // 20)):
            seen.append(videos)
            for name, share in now.items():
                accuracy[name].append(share)
            print(f"{videos:>17,d}" + "".join(f"{share:>14.1%}" for share in now.values()), flush=True)
            draw_learning(output / "curves.png", seen, accuracy, CHANCE)
    return before


@contextmanager
def threads_for(number: int) -> Iterator[None]:
    """Leave the cores to ``number`` Python threads, which compute at the same time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // number))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def score(models: Mapping[str, VideoClassifier], clips: SyncMNIST) -> dict[str, Score]:
    """The models' accuracies on unseen clips."""
    source = DigitSource(clips, "generated", "bundled")
    with threads_for(len(models)), ThreadPoolExecutor(len(models)) as pool:
        jobs = {name: pool.submit(evaluate, model, source, batch_size=100) for name, model in models.items()}
        return {name: job.result().top1 for name, job in jobs.items()}


def table(outcome: Outcome, num_frames: int, num_videos: int) -> str:
    """The results as text, accuracies with their standard errors over the clips."""
    number = next(iter(outcome.scores.values())).clips
    lines = [f"Accuracy on {number:,} clips of digits and trajectories that no training saw\n"]
    lines.append(f"{'model':20s} {'parameters':>11s} {'accuracy':>15s}")
    for name, score in outcome.scores.items():
        share = f"{score.share:6.1%} ± {score.standard_error:.1%}"
        lines.append(f"{name:20s} {outcome.parameters[name]:>11,d} {share:>15s}")
    lines.append(f"{'chance':20s} {'':>11s} {CHANCE:>8.1%}")
    lines.append(f"\nAll four: {num_frames:,} still frames for the backbone ({outcome.seconds['stills']:.0f} s), ")
    lines[-1] += f"then {num_videos:,} videos ({outcome.seconds['videos']:.0f} s for the four models together)."
    return "\n".join(lines)


def write(
    output: Path, before: VideoClassifier, models: Mapping[str, VideoClassifier], clips: SyncMNIST
) -> Iterator[Path]:
    """The files besides the curves: regions before and after the training, the trained DyReg-GNN, and its use."""
    yield output / "curves.png"
    yield from draw_regions(output, before, models[DYREG], clips.batch(range(CLIPS_DRAWN)), clips.label_names)
    yield save_model(models[DYREG], output / "dyreg_gnn.safetensors", {"label_names": tuple(clips.label_names)})
    yield write_whole(output / "use_model.py", SNIPPET)


SNIPPET = """\
from pathlib import Path
from pyg_video.checkpoints import load_model
from pyg_video.cli.demo import TASK
from pyg_video.datasets import SyncMNIST
model = load_model(Path(__file__).with_name("dyreg_gnn.safetensors"))
clips = SyncMNIST(split="test", num_clips=9, **TASK)
print(clips.label_names[model(clips[0].video[None]).argmax()], "- truth:", clips.label_names[clips[0].label])
"""


if __name__ == "__main__":
    sys.exit(main())
