"""The demo: train two models, evaluate them and the shipped ones, and draw what they use. ``make demo`` runs it."""

import csv
import logging
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.nn.functional import pad

from .._extras import need
from .._files import write_whole
from ..checkpoints import checkpoint_info, load_model, shipped_checkpoint
from ..datasets import SyncMNIST
from ..evaluation import DigitSource, Score, evaluate
from ..inspection import capture_graphs
from ..models import Option, VideoClassifier
from ..visualization import contact_sheet, draw_boxes, plot_curves, save_gif, save_png
from .parsing import make_parser, run_command

TASK: dict[str, Any] = {
    "num_digits": 3,
    "num_frames": 8,
    "canvas_size": 40,
    "frame_size": 40,
    "digit_size": 14,
    "classes": (0, 1, 2, 3, 4),
    "motion": "smooth",
    "max_step": 4,
    "random_probability": 0.0,
}
"""Options of :class:`~pyg_video.datasets.SyncMNIST`: three digits out of five classes, two of which move together."""

GRAPH, BASELINE = "dyreg_gnn_sync_mnist", "cnn_sync_mnist"
SHIPPED = {"DyReg-GNN": "dyreg_gnn_small", "RSTG": "rstg_small", "CNN + LSTM": "cnn_small"}
_BACKBONE: dict[str, Option] = {"channels": (16, 32, 32, 32, 32), "strides": (2, 1, 2, 1, 1), "readout": "last"}
OPTIONS = {
    GRAPH: {
        **_BACKBONE,
        "output": "vector",
        "anchors": "grid",
        "gain": 0.3,
        "region_channels": 32,
    },
    BASELINE: _BACKBONE,
}
EPOCHS, BATCH = 6, 32
KNOWS_DIGITS = 1 / 3  # two of three digits move together: which two is a guess among three pairs


class Result(NamedTuple):
    """One row of the table."""

    name: str
    parameters: int
    videos: int
    score: Score


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo and return the exit code; see ``--help``."""
    parser = make_parser("python -m pyg_video.cli.demo", __doc__ or "")
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder for pictures, curves and snippet")
    parser.add_argument("--videos", type=int, default=36_000, help="training videos for each of the two models")
    parser.add_argument("--clips", type=int, default=2_000, help="unseen clips to evaluate the models on")
    parser.add_argument("--seed", type=int, default=0)

    def command() -> int:
        args = parser.parse_args(argv)
        if args.videos < EPOCHS * BATCH or args.clips < 4:
            least = f"at least {EPOCHS * BATCH} --videos and 4 --clips"
            raise ValueError(f"Expected {least} (got {args.videos} and {args.clips})")
        run(args.output, videos=args.videos, num_clips=args.clips, seed=args.seed)
        return 0

    return run_command(command)


def run(output: Path, *, videos: int, num_clips: int, seed: int) -> list[Result]:
    """Everything that ``make demo`` shows, as files in ``output`` and a table on standard output."""
    need("matplotlib", "plots")  # before the training, not after it
    need("pytorch_lightning", "train")
    start = time.perf_counter()
    print("The task: three digits move about, two of them together. Which two? (10 answers)\n")
    models, curves = [], {}
    for name, model in (("DyReg-GNN", GRAPH), ("CNN + LSTM", BASELINE)):
        print(f"Training {name} from scratch on {videos:,} videos ...", flush=True)
        net, curves[name] = train(model, videos=videos, seed=seed)
        models.append((f"{name}, trained just now", net, videos))
    for name, checkpoint in SHIPPED.items():
        path = shipped_checkpoint(checkpoint)
        models.append((f"{name}, shipped", load_model(path), int(str(checkpoint_info(path).metadata["videos"]))))
    clips = SyncMNIST(split="test", num_clips=num_clips, seed=seed, **TASK)
    source = DigitSource(clips, "generated", "bundled")
    rows = [
        Result(name, sum(p.numel() for p in net.parameters()), seen, evaluate(net, source, batch_size=250).top1)
        for name, net, seen in models
    ]
    print("\n" + table(rows, num_clips) + "\n")
    for path in write(output, curves, clips):
        print(f"wrote {path}")
    print(f"\nDone in {time.perf_counter() - start:.0f} s.")
    return rows


def train(model: str, *, videos: int, seed: int) -> tuple[VideoClassifier, tuple[list[float], list[float]]]:
    """Train a model of the demo from scratch; returns it, and its validation accuracy over the videos seen."""
    from pytorch_lightning import Callback, LightningModule, Trainer, seed_everything
    from pytorch_lightning.callbacks import TQDMProgressBar

    from ..training import SyncMNISTData, VideoClassification

    for package in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(package).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    seen: list[float] = []
    scores: list[float] = []

    class Record(Callback):
        def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
            seen.append(videos / EPOCHS * (trainer.current_epoch + 1))
            scores.append(float(trainer.callback_metrics["val/acc"]))

    seed_everything(seed)
    num_train = videos // EPOCHS
    data = SyncMNISTData(**TASK, seed=seed, batch_size=BATCH, num_train=num_train, num_val=min(500, num_train))
    task = VideoClassification(
        model,
        data.num_classes,
        data.frame_size,
        data.label_names,
        model_options=OPTIONS[model],
        lr=3e-3,
        weight_decay=0.01,
        warmup_steps=100,
    )
    trainer = Trainer(
        max_epochs=EPOCHS,
        gradient_clip_val=1.0,
        precision="bf16-mixed",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[Record(), TQDMProgressBar(refresh_rate=25)],
    )
    trainer.fit(task, data)
    return task.net.cpu().eval(), (seen, scores)


def table(rows: Sequence[Result], num_clips: int) -> str:
    """The results as text, accuracies with their standard errors over the clips."""
    lines = [f"Accuracy on {num_clips:,} clips of digits and trajectories that no training saw\n"]
    lines.append(f"{'model':30s} {'parameters':>11s} {'videos seen':>12s} {'accuracy':>15s}")
    for row in rows:
        score = f"{row.score.share:6.1%} ± {row.score.standard_error:.1%}"
        lines.append(f"{row.name:30s} {row.parameters:>11,d} {row.videos:>12,d} {score:>15s}")
    lines.append(f"{'knows the digits, not the motion':30s} {'':>11s} {'':>10s} {KNOWS_DIGITS:>10.1%}")
    lines.append(f"{'chance':30s} {'':>11s} {'':>12s} {1 / 10:>10.1%}")
    return "\n".join(lines)


def write(output: Path, curves: Mapping[str, tuple[list[float], list[float]]], clips: SyncMNIST) -> list[Path]:
    """Pictures of the shipped model's regions, the learning curves, and a snippet that uses the model."""
    lines = {"knows the digits, not the motion": KNOWS_DIGITS, "chance": 0.1}
    shipped = {f"{name}, shipped": curve(shipped_checkpoint(file)) for name, file in SHIPPED.items()}
    just_now = {f"{name}, just now": points for name, points in curves.items()}
    written = [plot_curves(shipped | just_now, output / "curves.png", lines=lines)]
    net = load_model(shipped_checkpoint(SHIPPED["DyReg-GNN"]))
    batch = clips.batch(range(4))
    with torch.inference_mode(), capture_graphs(net) as graphs:
        label = net(batch.video).argmax(-1)
    (graph,) = graphs.values()
    regions = graph.grid(graph.need("box")).clone()
    regions[..., 2:] /= 2  # a tent has fallen to half its height there
    drawn = [draw_boxes(video, box, scale=3) for video, box in zip(batch.video, regions, strict=True)]
    captions = [
        f"says: {clips.label_names[int(said)]}   (truth: {clips.label_names[int(true)]})"
        for said, true in zip(label, batch.label, strict=True)
    ]
    written.append(save_png(output / "regions.png", contact_sheet(drawn, captions)))
    framed = [pad(frames, (3, 3, 3, 3), value=40) for frames in drawn]  # a grey border between clips
    written.append(save_gif(output / "regions.gif", torch.cat(framed, dim=-1), fps=4))
    return [*written, write_whole(output / "use_model.py", SNIPPET)]


def curve(checkpoint: Path) -> tuple[list[float], list[float]]:
    """Validation accuracy over the videos seen, from the log of a shipped model's training."""
    with checkpoint.with_name(f"{checkpoint.stem}_curve.csv").open(newline="") as file:
        rows = [(float(row["videos_seen"]), float(row["accuracy"])) for row in csv.DictReader(file)]
    return [seen for seen, _ in rows], [score for _, score in rows]


SNIPPET = """\
from pyg_video.checkpoints import load_model, shipped_checkpoint
from pyg_video.datasets import SyncMNIST
from pyg_video.cli.demo import TASK
model, clips = load_model(shipped_checkpoint("dyreg_gnn_small")), SyncMNIST(split="test", num_clips=9, **TASK)
print(clips.label_names[model(clips[0].video[None]).argmax()], "- truth:", clips.label_names[clips[0].label])
"""


if __name__ == "__main__":
    sys.exit(main())
