"""The rows of the paper's SyncMNIST table, as the configurations of the examples make them."""

import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from pyg_video._config import merged_config
from pyg_video.datasets import SyncMNIST
from pyg_video.layers import HomogeneousGraph, TemporalRNN, scan
from pyg_video.layers.space_parts import SpaceParts
from pyg_video.models import create_model, model_options, rstg_sync_mnist

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "examples" / "configs").glob("sync_mnist_*.yaml"))
RESNETS = [path for path in CONFIGS if path.stem.endswith("resnet50")]
SMALL = [path for path in CONFIGS if path not in RESNETS]
STREAMS = {"sync_mnist_mean_lstm", "sync_mnist_conv_lstm", "sync_mnist_rstg_space_only", "sync_mnist_rstg_time_only"}
WITH_SPACE_AND_TIME = ("one_temp", "all_temp", "positional_all_temp", "published", "residual")
STREAMS |= {f"sync_mnist_rstg_{row}" for row in WITH_SPACE_AND_TIME}
TINY = {"frame_size": 20, "channels": (8, 16), "strides": (2, 2)}

rows = pytest.mark.parametrize("config", SMALL, ids=lambda path: path.stem)
variants = pytest.mark.parametrize(
    "variant", ["space_only", "time_only", "homogeneous", "one_temp", "all_temp", "positional_all_temp"]
)


def options_of(config):
    task = merged_config([config.with_name("base_sync_mnist.yaml"), config])["model"]
    return task["model"], task.get("model_options", {})


def tiny(config, **more):
    name, options = options_of(config)
    known = model_options(name)
    return create_model(name, num_classes=6, **options | {k: v for k, v in (TINY | more).items() if k in known})


def processor(variant):
    """The graph part of a row in float64, and a graph for it."""
    head = rstg_sync_mnist(6, variant=variant, **TINY).double().eval().head
    return head.processor, head.builder(torch.randn(1, 4, 16, 5, 5, dtype=torch.float64))


def count(model, kind):
    return sum(isinstance(module, kind) for module in model.modules())


@pytest.fixture
def video():
    return torch.rand(2, 4, 1, 20, 20, dtype=torch.float64)


@pytest.mark.slow
@rows
def test_every_row_learns_32_clips(config):
    """The loss falls to half of what guessing costs."""
    data = SyncMNIST(
        3,
        num_frames=3,
        canvas_size=20,
        frame_size=20,
        digit_size=8,
        classes=(0, 1, 2, 3),
        max_step=4,
        random_probability=0,
    )
    clips, model = data.batch(range(32)), tiny(config, scales=(2, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=6e-3)
    for _ in range(200):
        loss = F.cross_entropy(model(clips.video), clips.label)
        if loss < math.log(6) / 2:
            break
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    assert loss < math.log(6) / 2


@pytest.mark.parametrize("config", [p for p in SMALL if "rstg" in p.stem or "lstm" in p.stem], ids=lambda p: p.stem)
def test_padding_does_not_count(config, video):
    model = tiny(config).double().eval()
    padded = model(video, torch.tensor([2, 4]))
    torch.testing.assert_close(padded, torch.cat([model(video[:1, :2]), model(video[1:])]))


@rows
def test_rows_run_frame_by_frame_or_say_that_they_cannot(config, video):
    model, state = tiny(config).double().eval(), None
    if config.stem not in STREAMS:
        with pytest.raises(TypeError, match="Expected"):
            scan(model, video[:, :2])
        return
    for t in range(4):
        scores, state = scan(model, video[:, t : t + 1], state)
    torch.testing.assert_close(scores, model(video))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_the_docs_tell_each_row_and_its_size(config):
    name, options = options_of(config)
    size = sum(p.numel() for p in create_model(name, num_classes=46, **options).parameters())
    lines = [line for line in (ROOT / "docs" / "sync_mnist.md").read_text().splitlines() if f"`{config.name}`" in line]
    assert len(lines) == 1
    assert f" {size:,} |" in lines[0]


@variants
def test_a_row_of_rstg_is_one_argument(variant):
    options = [options_of(config)[1] for config in CONFIGS if options_of(config)[0] == "rstg_sync_mnist"]
    assert options.count({"variant": variant}) == 1


@pytest.mark.parametrize(
    ("variant", "spaces", "times"),
    [
        ("space_only", 1, 0),
        ("time_only", 0, 1),
        ("homogeneous", 1, 0),
        ("one_temp", 1, 1),
        ("all_temp", 1, 2),
        ("positional_all_temp", 1, 2),
    ],
)
def test_each_row_has_the_parts_it_names(variant, spaces, times):
    """One space stage serves all iterations, and so does one time stage; the one at the end has its own parameters."""
    model = rstg_sync_mnist(**TINY, variant=variant)
    assert (count(model, SpaceParts), count(model, TemporalRNN)) == (spaces, times)
    assert count(model, HomogeneousGraph) == (variant == "homogeneous")


@variants
def test_only_space_only_cannot_see_the_order_of_frames(variant, video):
    model = rstg_sync_mnist(6, **TINY, variant=variant).double().eval()
    shuffled = model(video[:, [2, 0, 3, 1]])
    assert torch.allclose(shuffled, model(video), rtol=0, atol=1e-12) == (variant == "space_only")


def test_homogeneous_cannot_tell_forwards_from_backwards(video):
    model = rstg_sync_mnist(6, **TINY, variant="homogeneous").double().eval()
    torch.testing.assert_close(model(video.flip(1)), model(video))


@variants
def test_only_time_only_passes_no_messages(variant):
    process, graph = processor(variant)
    other = graph.frames.clone()
    other[:, :, 4] += 1
    changed = (process(graph.with_x(other.flatten(0, 2))).frames - process(graph).frames).abs().amax(dim=(0, 1, 3)) > 0
    assert changed.any()
    assert (changed.sum() == 1) == (variant == "time_only")


@variants
def test_only_positional_sees_positions(variant):
    process, graph = processor(variant)
    moved = graph.with_attr(box=graph.box.roll(1, 0))
    assert torch.equal(process(moved).x, process(graph).x) == (variant != "positional_all_temp")


def test_with_one_time_stage_messages_know_no_past():
    process, graph = processor("one_temp")
    other = graph.frames.clone()
    other[:, 0] += 1
    process[-1].final_time = torch.nn.Identity()
    assert torch.equal(process(graph.with_x(other.flatten(0, 2))).frames[:, 1:], process(graph).frames[:, 1:])


def test_the_mean_over_frames_is_read_where_the_last_frame_knows_no_past():
    for variant, readout in (
        ("space_only", "mean"),
        ("homogeneous", "mean"),
        ("one_temp", "last"),
        ("all_temp", "last"),
    ):
        assert rstg_sync_mnist(**TINY, variant=variant).head.readout.time == readout
    assert rstg_sync_mnist(**TINY, variant="homogeneous", readout="last").head.readout.time == "last"


def test_unknown_rows_are_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="'variant' to be one of 'space_only', 'time_only', .* .got 'all_temps'"):
        rstg_sync_mnist(variant="all_temps")
    with pytest.raises(ValueError, match="'positional' to be False .got True., since variant='time_only' has no mess"):
        rstg_sync_mnist(variant="time_only", positional=True)


def test_i3d_sees_as_many_frames_as_its_kernels_and_non_local_sees_them_all():
    video = torch.rand(1, 8, 1, 20, 20, dtype=torch.float64)
    later = video.clone()
    later[:, -1] += 1
    for name, seen in (("cnn_sync_mnist", 1), ("i3d_sync_mnist", 3), ("non_local_sync_mnist", 8)):
        model = create_model(name, **TINY).double().eval()
        changed = (model.features(later) - model.features(video)).abs().amax(dim=(0, 2, 3, 4)) > 0
        assert changed.tolist() == [False] * (8 - seen) + [True] * seen


@pytest.mark.slow
@pytest.mark.parametrize("config", RESNETS, ids=lambda path: path.stem)
def test_the_large_rows_learn_24_clips_too(config):
    name, options = options_of(config)
    data = SyncMNIST(
        3,
        num_frames=2,
        canvas_size=32,
        frame_size=32,
        digit_size=14,
        classes=(0, 1, 2, 3),
        max_step=8,
        random_probability=0,
    )
    clips, model = data.batch(range(24)), create_model(name, num_classes=6, **options)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-4)
    for _ in range(12):
        loss = F.cross_entropy(model(clips.video), clips.label)
        if loss < math.log(6) / 2:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < math.log(6) / 2


@pytest.mark.parametrize("config", RESNETS, ids=lambda path: path.stem)
def test_the_large_rows_score_grey_clips(config):
    name, options = options_of(config)
    assert create_model(name, num_classes=6, **options)(torch.rand(2, 2, 1, 32, 32)).shape == (2, 6)
