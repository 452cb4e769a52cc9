import pytest
import torch
from torch import nn

from pyg_video.backbones import NonLocal, SmallCNN
from pyg_video.data import Regions
from pyg_video.graph_builders import BoxGraph, GridGraph
from pyg_video.inspection import find_graphs
from pyg_video.layers import RSTG, SpaceConv, TemporalRNN
from pyg_video.models import GraphHead, PoolHead, VideoClassifier


class AddOne(nn.Module):
    def forward(self, x):
        assert x.dim() == 5
        return x + 1


def classifier(**blocks: nn.Module) -> VideoClassifier:
    return VideoClassifier(SmallCNN(1, (4, 4), (2, 1)), PoolHead(4, 3), blocks=blocks).eval()


def test_a_block_sees_the_map_of_its_stage():
    model = classifier(stage2=AddOne())
    video = torch.rand(2, 3, 1, 8, 8)
    plain = model.backbone(video.flatten(0, 1)).unflatten(0, (2, 3))
    torch.testing.assert_close(model.features(video), plain + 1)


def test_padding_does_not_count():
    model, video = classifier(), torch.rand(2, 4, 1, 8, 8)
    padded = model(video, torch.tensor([4, 2]))
    torch.testing.assert_close(padded[1:], model(video[1:, :2]))


def test_padding_does_not_count_for_a_non_local_block():
    model, video = classifier(stage2=NonLocal(4, residual_scale=1.0)), torch.rand(2, 4, 1, 8, 8)
    padded = model(video, torch.tensor([4, 2]))
    torch.testing.assert_close(padded[1:], model(video[1:, :2]))


def test_blocks_after_unknown_stages_are_refused():
    with pytest.raises(ValueError, match=r"under stages of the backbone, stage1, stage2 \(got \['stage3'\]\)"):
        classifier(stage3=AddOne())


@pytest.mark.parametrize(
    ("shape", "message"), [((2, 1, 8, 8), "shape \\[B, T, 1, H, W\\]"), ((2, 0, 1, 8, 8), "frame")]
)
def test_what_is_no_clip_is_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        classifier()(torch.rand(shape))


def test_colour_and_bytes_are_refused_in_words():
    with pytest.raises(ValueError, match=r"Expected 'video' of shape \[B, T, 1, H, W\] \(got \[2, 3, 3, 8, 8\]\)"):
        classifier()(torch.rand(2, 3, 3, 8, 8))
    with pytest.raises(TypeError, match=r"use video.float\(\) / 255"):
        classifier()(torch.zeros(2, 3, 1, 8, 8, dtype=torch.uint8))


@pytest.mark.parametrize("lengths", [[0, 3], [30, 3]])
def test_impossible_lengths_are_refused(lengths):
    with pytest.raises(ValueError, match="Expected 'lengths' between 1 and T = 3"):
        classifier()(torch.rand(2, 3, 1, 8, 8), torch.tensor(lengths))


def on_boxes():
    builder = BoxGraph(4, num_nodes=2)
    head = GraphHead(4, 3, builder, RSTG(SpaceConv(4), TemporalRNN(4), TemporalRNN(4)))
    return VideoClassifier(SmallCNN(1, (4, 4), (2, 1)), head).eval()


def test_boxes_reach_the_parts_that_take_them():
    model, video = on_boxes(), torch.rand(2, 3, 1, 8, 8)
    model.blocks["stage1"] = AddOne()
    box = torch.rand(2, 3, 2, 4) / 2 + 0.2
    graph = find_graphs(model, video, box=box)["head.builder"]
    torch.testing.assert_close(graph.grid(graph.box), box)
    assert "box" in model.accepts
    first, state = model.scan(video[:, :1], box=box[:, :1])
    assert first.shape == (2, 3)
    torch.testing.assert_close(model.scan(video[:, 1:], state, box=box[:, 1:])[0], model(video, box=box))
    lengths = torch.tensor([3, 2])
    torch.testing.assert_close(model(video, lengths, box=box)[1:], model(video[1:, :2], box=box[1:, :2]))


def test_boxes_for_a_model_that_takes_none_are_refused_and_missing_ones_asked_for():
    video = torch.rand(1, 3, 1, 8, 8)
    with pytest.raises(TypeError, match="beside the video, lengths .got box.; use a BoxGraph"):
        classifier()(video, box=torch.rand(1, 3, 2, 4))
    with pytest.raises(ValueError, match="Expected 'box', a box for every node"):
        on_boxes()(video)


class HintedGrid(GridGraph):
    """A grid whose regions are empty where the clip's hint is 0."""

    def regions(self, x, hint=None):
        box, kernel, _ = super().regions(x)
        return Regions(box, kernel if hint is None else kernel * hint[:, None, None, None, None])


def test_what_a_builder_takes_reaches_it_as_it_is_in_a_sequence_too():
    head = GraphHead(4, 3, nn.Sequential(HintedGrid(4, (2, 2)), nn.Identity()), nn.Identity())
    model = VideoClassifier(SmallCNN(1, (4,), (2,)), head).eval()
    video, hint = torch.rand(2, 3, 1, 8, 8), torch.tensor([1.0, 0.0])
    assert model.accepts == {"lengths", "hint"}
    plain, hinted = model(video), model(video, hint=hint)
    torch.testing.assert_close(hinted[:1], plain[:1])
    torch.testing.assert_close(hinted[1], head.linear.bias)
    with pytest.raises(TypeError, match="got hints"):
        model(video, hints=hint)


def test_a_stream_of_padded_clips_is_the_padded_batch():
    model, video = classifier().double().eval(), torch.rand(2, 4, 1, 8, 8).double()
    _, state = model.scan(video[:, :2])
    scores, _ = model.scan(video[:, 2:], state, lengths=torch.tensor([2, 1]))
    torch.testing.assert_close(scores, model(video, torch.tensor([4, 3])))
