"""A step of a stream on tensors, and programs of whole models and of steps that run without this package."""

import pytest
import torch
from torch import nn

from pyg_video.graph_builders import SlotGraph
from pyg_video.layers import RSTG, SpaceConv, StreamStep, TemporalRNN, ToVector, scan
from pyg_video.layers.scan import map_state
from pyg_video.models import create_model

SMALL = {"num_classes": 4, "frame_size": 20, "channels": (4, 8), "strides": (2, 2)}
MODELS = {
    "dyreg": lambda: create_model("dyreg_gnn_sync_mnist", **SMALL, region_channels=8, gain=0.3, residual_scale=1.0),
    "rstg": lambda: create_model("rstg_sync_mnist", **SMALL),
    "rstg_residual": lambda: create_model("rstg_sync_mnist", **SMALL, cell="gru", norm="frame", update_layers=0),
}
BATCH = torch.export.Dim("batch", min=1, max=16)


@pytest.fixture(params=MODELS)
def model(request):
    torch.manual_seed(0)
    return MODELS[request.param]().eval()


def video(num_clips, num_frames=3):
    return torch.rand(num_clips, num_frames, 1, 20, 20, generator=torch.Generator().manual_seed(num_clips))


def run_steps(step, frames, state):
    for frame in frames.split(1, dim=1):
        y, *state = step(frame, *state)
    return y


@torch.no_grad()
def test_steps_are_the_clip(model):
    step = StreamStep(model, video(1, 1))
    torch.testing.assert_close(run_steps(step, video(3), step.start(3)), model(video(3)), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_state_of_other_types_is_kept_as_it_is():
    rstg = RSTG(SpaceConv(8), TemporalRNN(8, cell="lstm"), TemporalRNN(8))
    model, x = nn.Sequential(SlotGraph(8, 4), rstg, ToVector()), torch.randn(2, 5, 8, 6, 6)
    step = StreamStep(model, x[:, :1])
    assert torch.bool in {part.dtype for part in step.start(2)}
    torch.testing.assert_close(run_steps(step, x, step.start(2)), model(x), atol=1e-5, rtol=1e-4)


def test_a_state_with_another_number_of_tensors_is_refused(model):
    step = StreamStep(model, video(1, 1))
    with pytest.raises(ValueError, match=r"Expected the \d+ tensors of the state .got 0.; begin with start"):
        step(video(2, 1))


def test_a_model_that_looks_ahead_is_refused():
    with pytest.raises(TypeError, match="looks ahead|later frames|stream"):
        StreamStep(create_model("i3d_sync_mnist", **SMALL), video(1, 1))


def operators(program):
    return {str(node.target).split(".")[0] for node in program.graph.nodes if node.op == "call_function"}


def export_step(model):
    step = StreamStep(model, video(2, 1))
    state = step.start(2)
    return step, (video(2, 1), *state), {"x": {0: BATCH}, "state": tuple({0: BATCH} for _ in state)}


@torch.no_grad()
def test_a_whole_model_is_exported_for_any_batch(model):
    program = torch.export.export(model, (video(2),), dynamic_shapes={"video": {0: BATCH}})
    assert "pyg_video" not in operators(program)
    for num_clips in (1, 5):
        torch.testing.assert_close(program.module()(video(num_clips)), model(video(num_clips)), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_step_is_exported_for_any_batch(model):
    step, inputs, shapes = export_step(model)
    program = torch.export.export(step, inputs, dynamic_shapes=shapes)
    assert "pyg_video" not in operators(program)
    got = run_steps(program.module(), video(3), step.start(3))
    torch.testing.assert_close(got, model(video(3)), atol=1e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the exporter, about its own
def test_onnx_runs_models_and_steps(model, tmp_path):
    from onnxruntime import InferenceSession

    def session(module, inputs, shapes, name):
        torch.onnx.export(module, inputs, tmp_path / name, dynamo=True, dynamic_shapes=shapes, verbose=False)
        found = InferenceSession(tmp_path / name, providers=["CPUExecutionProvider"])
        names = [one.name for one in found.get_inputs()]

        def run(*tensors):
            given = {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)}
            return [torch.from_numpy(y) for y in found.run(None, given)]

        return run

    want = model(video(3))
    whole = session(model, (video(2),), {"video": {0: BATCH}}, "model.onnx")
    torch.testing.assert_close(whole(video(3))[0], want, atol=1e-4, rtol=1e-4)
    step, inputs, shapes = export_step(model)
    of_step = session(step, inputs, shapes, "step.onnx")
    torch.testing.assert_close(run_steps(of_step, video(3), step.start(3)), want, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_step_goes_on_from_what_scan_gave(model):
    step = StreamStep(model, video(1, 1))
    _, state = scan(model, video(2)[:, :2])
    parts = []
    map_state(parts.append, state)
    y, *_ = step(video(2)[:, 2:], *parts)
    torch.testing.assert_close(y, model(video(2)), atol=1e-5, rtol=1e-4)


def test_the_state_moves_with_the_step_and_the_trial_changes_nothing(model):
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    step = StreamStep(model, video(2, 1))
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert {part.dtype for part in step.double().start(2)} == {torch.float64}
