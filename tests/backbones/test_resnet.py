import pytest
import torch
from torchvision import models

from pyg_video.backbones import resnet


@pytest.fixture
def download(monkeypatch):
    """Weights drawn here instead of the published ones; gives the addresses asked for."""
    asked = []

    def draw(url, **_):
        asked.append(url)
        torch.manual_seed(3)
        return models.get_model(url.split("/")[-1].split("-")[0]).state_dict()

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", draw)
    return asked


@pytest.mark.parametrize("depth", [18, 50])
def test_features_are_those_of_torchvision(depth):
    torch.manual_seed(3)
    theirs = models.get_model(f"resnet{depth}").eval()
    torch.manual_seed(3)
    ours = resnet(depth).eval()
    x = torch.randn(2, 3, 64, 64)
    want = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(x))))
    for name in ("layer1", "layer2", "layer3", "layer4"):
        want = getattr(theirs, name)(want)
    assert torch.equal(ours(x), want)
    assert torch.equal(ours(x[None])[0], want)


@pytest.mark.parametrize(("depth", "published"), [(18, 11_689_512), (34, 21_797_672), (50, 25_557_032)])
def test_with_a_linear_layer_it_has_the_published_number_of_parameters(depth, published):
    with torch.device("meta"):
        net = resnet(depth)
    ours = sum(parameter.numel() for parameter in net.parameters())
    assert ours + (net.info[-1].channels + 1) * 1000 == published


@pytest.mark.parametrize("name", [None, "IMAGENET1K_V1", "DEFAULT", models.ResNet18_Weights.IMAGENET1K_V1])
def test_weights_are_named_as_torchvision_names_them(name, download):
    net = resnet(18, weights=name)
    assert download == ([] if name is None else [models.ResNet18_Weights.IMAGENET1K_V1.url])
    if name is not None:
        want = models.get_model("resnet18", weights=name)
        assert torch.equal(net.stages["layer4"][1].conv2.weight, want.layer4[1].conv2.weight)


def test_grey_video_has_the_features_of_the_same_video_in_colour(download):
    colour = resnet(18, num_stages=1, weights="DEFAULT").eval()
    x = torch.randn(2, 1, 32, 32)
    for C in (1, 2):
        grey = resnet(18, in_channels=C, num_stages=1, weights="DEFAULT").eval()
        torch.testing.assert_close(grey(x.expand(-1, C, -1, -1)), colour(x.expand(-1, 3, -1, -1)), atol=1e-4, rtol=1e-4)


def test_the_names_of_parameters_are_torchvisions():
    theirs = {name for name in models.resnet18().state_dict() if not name.startswith("fc")}
    ours = {name.removeprefix("stages.").removeprefix("stem.") for name in resnet(18).state_dict()}
    assert ours == theirs


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 20}, r"'depth' to be one of 18, 34, 50 \(got 20\)"),
        ({"num_stages": 5}, "'num_stages' to be one of 1, 2, 3, 4"),
        ({"in_channels": 0}, "'in_channels' of at least 1"),
        ({"weights": "IMAGENET"}, r"'weights' to be one of 'IMAGENET1K_V1', 'DEFAULT' \(got 'IMAGENET'\)"),
        ({"weights": models.ResNet50_Weights.IMAGENET1K_V1}, "'weights' to be one of"),
        ({"weights": True}, "'weights' to be one of"),
    ],
)
def test_unknown_options_are_answered_with_the_known_ones(options, message):
    with pytest.raises(ValueError, match=message), torch.device("meta"):
        resnet(**{"depth": 18} | options)
