"""The loaded block against numbers recorded from DyReg-GNN's own code.

The excerpts beside this file hold the first clip of two recordings: all weights and inputs, the nodes of all frames,
and of the last two frames the probe and every third pixel of the maps. Whole recordings too, where there are any.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from pyg_video.checkpoints import load_published_dyreg_block
from pyg_video.layers import ToMap

FORWARD, BACKWARD = 5e-5, 2e-4
NAMES = ["published", "lite"]  # the main model; projection, pooled generator, grid anchors, two-layer messages
FOLDER = Path(__file__).parent / "golden"


def ours(weights, config, x, probe):
    """Every recorded array from our block, in float64; the gradient of the last frames, which ``probe`` covers."""
    block = load_published_dyreg_block(weights, **config).double()
    x = x.double().requires_grad_()
    graph = block.builder(block.project(x.flatten(0, 1)).unflatten(0, x.shape[:2]))
    embedded = block.processor[0](graph)
    updated = block.processor[1](embedded)
    output = block(x)
    loss = (output[:, -probe.size(1) :] * probe.double()).sum()
    (gradient,) = torch.autograd.grad(loss, x)
    cx, cy, w, h = graph.grid(graph.box).unbind(-1)
    H, W = x.shape[-2:]
    return {
        "regions": torch.stack([h * H / 2, w * W / 2, cy * H - 0.5, cx * W - 0.5], dim=-1),
        "kernels": graph.grid(graph.kernel),
        "node_features": graph.frames,
        "nodes": embedded.frames,
        "updated_nodes": updated.frames,
        "feature_map": block.project_back(ToMap()(updated).flatten(0, 1)).unflatten(0, x.shape[:2]),
        "output": output,
        "input_gradient": gradient,
    }


def assert_equal_numbers(got, recorded, pick):
    for name, array in got.items():
        theirs = recorded[name].double()
        error = (pick(name, array) - theirs).abs().max() / theirs.abs().max()
        assert error < (BACKWARD if name == "input_gradient" else FORWARD), f"{name} differs by {error:.1e}"


@pytest.mark.parametrize("name", NAMES)
def test_the_block_gives_the_recorded_numbers(name):
    with np.load(FOLDER / f"dyreg_{name}.npz") as file:
        recorded = {key: torch.from_numpy(file[key]) for key in file.files if key != "config"}
        config = json.loads(str(file["config"]))
    weights = {key.removeprefix("weights/"): value for key, value in recorded.items() if key.startswith("weights/")}
    got = ours(weights, config, recorded["input"], recorded["probe"])
    maps = ("kernels", "feature_map", "output", "input_gradient")
    assert_equal_numbers(got, recorded, lambda key, x: x[:, -2:, ..., ::3, ::3] if key in maps else x)


@pytest.mark.parametrize("name", NAMES)
def test_the_block_gives_the_whole_recording(name):
    folder = Path(os.environ.get("PYG_VIDEO_SHARED", Path(__file__).parents[3] / "shared")) / "parity"
    if not (folder / f"dyreg_{name}.pt").is_file():
        pytest.skip(f"no recordings in {folder}")
    recorded = torch.load(folder / f"dyreg_{name}.pt", weights_only=True)
    got = ours(recorded["weights"], recorded["config"], recorded["input"], recorded["probe"])
    assert_equal_numbers(got, recorded, lambda key, x: x)
