import pytest
import torch
from torch import nn

from pyg_video.attachment.layouts import Layout, VideoInput
from pyg_video.attachment.probe import Reading, judge, local_share, outputs_at

VIDEO = VideoInput("FCHW", 1, 1, (16, 16))
MAP = Reading((), Layout("FCHW"))


def embed():
    return nn.Conv2d(3, 8, 2, 2)


def verdict(model, path, reading=MAP, video=VIDEO, size=(1, 3, 16, 16), **how):
    return judge(model, (torch.zeros(size),), video, {path: [reading]}, **how)[path][0]


@pytest.mark.parametrize(
    ("change", "share"),
    [(lambda x: x, 1.0), (lambda x: x.mT, 0.5), (lambda x: x.flip(2), 0.0), (lambda x: x.roll(2, dims=3), 0.5)],
)
def test_maps_in_another_order_are_told_by_their_share(change, share):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.end = embed(), nn.Identity()

        def forward(self, x):
            return self.end(change(self.embed(x)))

    assert verdict(Net(), "end").local == pytest.approx(share, abs=0.02)


def test_frames_behind_each_other_are_told_from_frames_before_each_other():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.end = nn.Conv3d(3, 8, (1, 4, 4), (1, 4, 4)), nn.Identity()

        def forward(self, x):
            return self.end(self.embed(x).permute(0, 3, 4, 2, 1).flatten(1, 3))

    tokens = {axes: Reading((), Layout(axes, grid)) for axes, grid in
              {"BTHWC": (4, 4, 4), "BHWTC": (4, 4, 4)}.items()}  # fmt: skip
    video = VideoInput("BCTHW", 1, 4, (16, 16))
    found = {axes: verdict(Net(), "end", reading, video, (1, 3, 4, 16, 16)).local for axes, reading in tokens.items()}
    assert found["BHWTC"] == 1
    assert found["BTHWC"] < 0.6


def test_a_map_that_is_alike_everywhere_says_nothing_of_the_order():
    pooled = nn.Sequential(embed(), nn.AdaptiveAvgPool2d(1), nn.Upsample(scale_factor=4))
    assert verdict(pooled, "2").local is None
    assert local_share(torch.rand(4, 1, 1)) is None
    assert local_share(torch.full((4, 2, 2), torch.nan)) is None


def test_a_few_cells_say_something_of_maps_only_if_they_are_clear():
    few = 1.5 ** torch.eye(4).roll(1, 0).view(4, 2, 2)
    assert local_share(few) == 0
    assert local_share(few, 2.5) is None
    assert local_share(torch.eye(4).view(4, 2, 2), 2.5) == 1


def test_use_is_told_by_gradients_of_what_is_no_prefix():
    class ClassToken(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.mix, self.after = nn.Identity(), nn.Linear(17, 17), nn.Identity()

        def forward(self, x):
            x = self.tokens(nn.functional.pad(x[:, :, ::4, ::4].flatten(2), (1, 0)).mT)
            return self.after(self.mix(x.mT).mT)[:, 0]

    reading = Reading((), Layout("FHWC", (4, 4), 1))
    assert verdict(ClassToken(), "tokens", reading).used
    assert not verdict(ClassToken(), "after", reading).used
    assert verdict(ClassToken(), "after", reading, check_use=False).used


def test_what_is_computed_without_gradients_is_not_used():
    model = nn.Sequential(embed(), nn.Flatten())
    model[1].register_forward_hook(lambda module, args, output: output.detach())
    assert not verdict(model, "0").used


def test_the_probe_leaves_no_trace():
    model = nn.Sequential(embed(), nn.BatchNorm2d(8), nn.Dropout())
    nn.init.zeros_(model[1].weight)
    state, random = {name: value.clone() for name, value in model.state_dict().items()}, torch.get_rng_state()
    assert verdict(model, "0").used
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert all(part.training and not part._forward_hooks for part in model.modules())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


def test_outputs_are_those_of_every_call():
    model, x = nn.Sequential(nn.Linear(2, 3), nn.ReLU()), torch.randn(4, 2)
    given = outputs_at(model, ["0", "1"], (x,))
    assert torch.equal(given["0"][0], model[0](x))
    assert torch.equal(given["1"][0], model(x))
    twice = nn.Sequential(nn.Sequential(relu := nn.ReLU(), relu), nn.Identity())
    assert [len(calls) for calls in outputs_at(twice, ["0.0", "1"], (x,)).values()] == [2, 1]


class Caching(nn.Module):
    """Keeps what it computes from its weights in evaluation mode until it is trained again, as timm's LeViT."""

    def __init__(self):
        super().__init__()
        self.embed, self.scale, self.kept = embed(), nn.Parameter(torch.zeros(8, 1, 1)), None

    def train(self, mode=True):
        self.kept = None if mode else self.kept
        return super().train(mode)

    def forward(self, x):
        scale = 2 * self.scale
        if not self.training:
            self.kept = scale if self.kept is None else self.kept
            scale = self.kept
        return self.embed(x) * scale


@pytest.mark.parametrize("training", [True, False])
def test_what_a_model_keeps_for_evaluation_is_not_that_of_the_probe(training):
    model = Caching().train(training)
    with torch.no_grad():
        model(torch.zeros(1, 3, 16, 16))
    assert verdict(model, "embed").used
    assert model.training == training
    assert model.kept is None if training else not model.kept.any()


def test_what_does_not_depend_on_the_frames_is_told():
    class Positions(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.positions, self.end = embed(), nn.Embedding(64, 8), nn.Identity()

        def forward(self, x):
            positions = self.positions(torch.arange(64)).T.unflatten(1, (8, 8)).expand(len(x), -1, -1, -1)
            return self.embed(x) + self.end(positions)

    assert not verdict(Positions(), "end").moves
    assert verdict(Positions(), "embed").moves


def test_small_weights_before_norms_without_data_let_nothing_vanish():
    stages = [part for _ in range(24) for part in (nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8))]
    model = nn.Sequential(embed(), *stages).eval()
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.02)  # also the scales of the norms
    first, last = verdict(model, "0"), verdict(model, str(len(stages)))
    assert first.used
    assert last.local == 1
    assert model(torch.zeros(1, 3, 16, 16)).abs().max() < 1
    assert all((part.running_var == 1).all() for part in model if isinstance(part, nn.BatchNorm2d))
