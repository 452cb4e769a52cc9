"""A step of a stream on tensors, and programs of whole models and of steps that run without this package."""

import pytest
import torch
from torch import nn
from torch_geometric.nn import GATv2Conv

from pyg_video.backbones import SmallCNN
from pyg_video.graph_builders import BoxGraph, ConnectInTime, GridGraph, SlotGraph
from pyg_video.layers import RSTG, SpaceConv, SpaceTimeConv, StreamStep, TemporalRNN, ToVector, scan
from pyg_video.layers.scan import map_state
from pyg_video.models import GraphHead, VideoClassifier, create_model

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


class WithBoxes(nn.Module):
    """A classifier of given boxes, some of which are missing, with one of PyG's convolutions."""

    def __init__(self):
        super().__init__()
        rstg = RSTG(GATv2Conv(8, 8), TemporalRNN(8), TemporalRNN(8), num_iterations=1)
        self.model = VideoClassifier(SmallCNN(1, channels=(8,), strides=(2,)), GraphHead(8, 4, BoxGraph(8, 2), rstg))

    def forward(self, video, box):
        return self.model(video, box=box)


def boxes(num_clips):
    box = torch.rand(num_clips, 3, 2, 4) / 2 + 0.2
    box[0, 1, 1] = box[-1, 0] = torch.nan
    return box


@torch.no_grad()
def test_a_model_of_boxes_is_exported_for_any_batch_and_any_boxes():
    model = WithBoxes().eval()
    shapes = {"video": {0: BATCH}, "box": {0: BATCH}}
    program = torch.export.export(model, (video(2), boxes(2)), dynamic_shapes=shapes)
    assert "pyg_video" not in operators(program)
    for num_clips in (1, 5):
        for box in (boxes(num_clips), torch.full((num_clips, 3, 2, 4), torch.nan)):
            want = model(video(num_clips), box)
            torch.testing.assert_close(program.module()(video(num_clips), box), want, atol=1e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("time", ["edges", "none"])
def test_a_model_without_recurrence_is_exported_for_any_number_of_frames(time):
    space_only = RSTG(SpaceConv(8), nn.Identity(), nn.Identity())
    net = SpaceTimeConv(GATv2Conv(8, 8), connect=ConnectInTime()) if time == "edges" else space_only
    model, frames = nn.Sequential(GridGraph(8, 4), net, ToVector("mean")), torch.export.Dim("frames", min=1, max=64)
    given = {"args": (torch.rand(2, 3, 8, 6, 6),), "dynamic_shapes": ({0: BATCH, 1: frames},)}
    if torch.__version__.startswith("2.11."):  # which finds a guard in torch's own operators
        with pytest.raises(torch._dynamo.exc.UserError, match="Constraints violated"):
            torch.export.export(model, **given)
        return
    program = torch.export.export(model, **given)
    for B, T in ((1, 7), (4, 1)):
        maps = torch.rand(B, T, 8, 6, 6)
        torch.testing.assert_close(program.module()(maps), model(maps), atol=1e-5, rtol=1e-4)


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
