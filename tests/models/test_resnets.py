import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pyg_video.backbones import NonLocal, SmallCNN, c2d_resnet, i3d_resnet, tsm_resnet
from pyg_video.models import PoolHead, VideoClassifier, create_model, model_options
from pyg_video.models.resnets import second_to_last_block

NAMES = ["tsm_resnet18", "tsm_resnet50", "c2d_resnet50", "i3d_resnet50", "non_local_resnet50"]


def meta(name, **options):
    with torch.device("meta"):
        return create_model(name, **options).eval()


def multiply_adds(model, *shape):
    """In billions, for one clip."""
    with FlopCounterMode(display=False) as counter:
        model(torch.empty(1, *shape, device="meta"))
    return counter.get_total_flops() / 2e9


def millions(model):
    return sum(parameter.numel() for parameter in model.parameters()) / 1e6


@pytest.mark.parametrize("name", NAMES)
def test_every_model_scores_clips(name):
    model = meta(name, num_classes=5, in_channels=1)
    assert model(torch.empty(2, 4, 1, 64, 64, device="meta")).shape == (2, 5)
    assert model_options(name)["weights"] == ""


def test_tsm_costs_what_the_paper_says():
    assert multiply_adds(meta("tsm_resnet50"), 16, 3, 224, 224) == pytest.approx(65.8, rel=0.02)


def test_the_multi_sync_mnist_baseline_is_as_large_as_the_papers():
    model = meta("resnet18_multi_sync_mnist")
    assert millions(model) == pytest.approx(2.79, abs=0.005)
    assert model(torch.empty(2, 10, 1, 128, 128, device="meta")).shape == (2, 56)


def test_non_local_blocks_come_after_every_other_residual_block():
    for backbone in ("i3d", "c2d"):
        places = [
            n for n, m in meta("non_local_resnet50", backbone=backbone).named_modules() if isinstance(m, NonLocal)
        ]
        assert places == [
            f"backbone.stages.layer{layer}.{block}.1" for layer, block in [(2, 1), (2, 3), (3, 1), (3, 3), (3, 5)]
        ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "ImageNet"}, "'weights' to be one of 'IMAGENET1K_V1', 'IMAGENET1K_V2', 'DEFAULT'"),
        ({"backbone": "vit"}, "'backbone' to be one of 'resnet', 'tsm', 'c2d', 'i3d'"),
        ({"non_local": ("layer5.0",)}, "'non_local' to be one of 'stem', 'layer1', .*got 'layer5'"),
        ({"non_local": ("layer2.9",)}, "'path' of a part of the backbone"),
        ({"online": True}, "'online' to be False with backbone='i3d'"),
    ],
)
def test_options_without_a_meaning_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        meta("i3d_resnet50", **options)


def test_a_graph_follows_the_last_residual_block_but_one():
    with torch.device("meta"):
        nets = {depth: i3d_resnet(depth) for depth in (18, 34, 50)}
    places = {depth: [second_to_last_block(net, f"layer{i}") for i in (1, 2, 3, 4)] for depth, net in nets.items()}
    assert places[18] == ["layer1.0", "layer2.0", "layer3.0", "layer4.0"]
    assert places[34] == places[50] == ["layer1.1", "layer2.2", "layer3.4", "layer4.1"]


def test_online_tsm_scores_a_stream_as_the_clip_at_once():
    model = VideoClassifier(tsm_resnet(18, num_stages=2, online=True), PoolHead(128, 3)).eval()
    video, state = torch.randn(2, 4, 3, 32, 32), None
    for t in range(4):
        scores, state = model.scan(video[:, t : t + 1], state)
    torch.testing.assert_close(scores, model(video), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["tsm_resnet18", "c2d_resnet50", "i3d_resnet50"])
def test_models_that_look_ahead_refuse_a_stream(name):
    with pytest.raises(TypeError, match="depends on no later frames"):
        meta(name).scan(torch.empty(1, 2, 3, 32, 32, device="meta"))


def test_lengths_shrink_with_the_frames():
    class Lengths(nn.Module):
        def forward(self, x, lengths):
            assert x.size(1) == 3
            return lengths

    model = VideoClassifier(c2d_resnet(18, num_stages=2), Lengths())
    video, lengths = torch.randn(3, 5, 3, 16, 16), torch.tensor([5, 2, 1])
    assert model(video, lengths).tolist() == [3, 1, 1]


def test_padded_pairs_of_frames_do_not_count():
    model = VideoClassifier(c2d_resnet(18, num_stages=2), PoolHead(128, 3)).eval()
    video = torch.randn(2, 6, 3, 16, 16)
    padded = model(video, torch.tensor([6, 4]))
    torch.testing.assert_close(padded[1:], model(video[1:, :4]), atol=1e-5, rtol=1e-4)


def test_a_block_after_layer1_of_c2d_sees_all_frames():
    class Count(nn.Module):
        def forward(self, x):
            assert x.size(1) == 6
            return x

    model = VideoClassifier(c2d_resnet(18, num_stages=2), PoolHead(128, 3), blocks={"layer1": Count()})
    assert model.features(torch.randn(1, 6, 3, 16, 16)).shape == (1, 3, 128, 2, 2)


def test_the_small_baselines_take_non_local_blocks():
    block = NonLocal(8)
    model = VideoClassifier(SmallCNN(1, (4, 8), (2, 2)), PoolHead(8, 3), blocks={"stage2": block})
    assert model(torch.randn(2, 3, 1, 16, 16)).shape == (2, 3)
