import pytest
import torch
from torch import nn

from pyg_video.backbones import c2d_resnet, i3d_resnet, resnet
from pyg_video.backbones.i3d import TimePool, inflate


def numbers(net):
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.fixture
def weights(monkeypatch):
    """Weights drawn here instead of the published ones."""
    from torchvision import models

    def draw(url, **_):
        torch.manual_seed(3)
        return models.get_model(url.split("/")[-1].split("-")[0]).state_dict()

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", draw)
    return "IMAGENET1K_V1"


def test_convolutions_over_time_are_where_the_authors_have_them():
    with torch.device("meta"):
        net = i3d_resnet(50)
    assert net.stages["stem"].conv1.kernel_size == (5, 7, 7)
    times = {
        name: [block.conv1.kernel_size[0] for block in net.stages[name] if hasattr(block, "conv1")]
        for name in ("layer1", "layer2", "layer3", "layer4")
    }
    assert times == {"layer1": [3, 3, 3], "layer2": [3, 1, 3, 1], "layer3": [3, 1, 3, 1, 3, 1], "layer4": [1, 3, 1]}
    others = [m for n, m in net.named_modules() if isinstance(m, nn.Conv3d) and not n.endswith("conv1")]
    assert {conv.kernel_size[0] for conv in others} == {1}
    assert {m.stride[0] for m in net.modules() if isinstance(m, nn.Conv3d)} == {1}


@pytest.mark.parametrize(("build", "published"), [(c2d_resnet, 24.33), (i3d_resnet, 28.04)])
def test_for_kinetics_it_has_the_published_number_of_parameters(build, published):
    """As the model zoo of PyTorchVideo lists them, 400 classes."""
    with torch.device("meta"):
        net = nn.ModuleList([build(50), nn.Linear(2048, 400)])
    assert round(numbers(net) / 1e6, 2) == published


@pytest.mark.parametrize("depth", [18, 50])
def test_a_still_video_has_the_features_of_its_picture(depth, weights):
    picture = torch.randn(1, 3, 16, 16)
    plain = resnet(depth, num_stages=2, weights=weights).eval()
    net = i3d_resnet(depth, num_stages=2, weights=weights).eval()
    y = net(picture.expand(24, -1, -1, -1)[None])[0]  # of depth 50, frames 5 and 6 see no end of the clip
    want = plain(picture)[0]
    assert (y[5] - want).norm() < 1e-5 * want.norm()
    assert (y[0] - want).norm() > 1e-2 * want.norm()  # before the first frame there is nothing


def test_a_kernel_sums_over_time_to_the_pictures():
    module = nn.Sequential()
    module.add_module("conv1", nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False))
    kernel = module.conv1.weight.detach().clone()
    inflate(module, 5)
    assert module.conv1.weight.shape == (4, 2, 5, 3, 3)
    assert module.conv1.stride == (1, 2, 2)
    assert module.conv1.padding == (2, 1, 1)
    torch.testing.assert_close(module.conv1.weight.sum(2), kernel)


def test_statistics_of_the_norms_stay():
    module = nn.Sequential(nn.BatchNorm2d(3, eps=0.5, momentum=0.2))
    module(torch.randn(2, 3, 4, 4))
    want = module[0].state_dict()
    inflate(module, 1)
    assert isinstance(module[0], nn.BatchNorm3d)
    assert (module[0].eps, module[0].momentum) == (0.5, 0.2)
    assert all(torch.equal(module[0].state_dict()[name], tensor) for name, tensor in want.items())


def test_fresh_kernels_differ_over_time():
    kernel = i3d_resnet(18, num_stages=1).stages["stem"].conv1.weight
    assert not torch.equal(kernel[:, :, 0], kernel[:, :, 1])
    want = (2 / (64 * kernel[0, 0].numel())) ** 0.5
    assert abs(kernel.std() / want - 1) < 0.05


def test_the_pool_takes_the_larger_of_two_frames():
    x = torch.randn(1, 5, 2, 3, 3)
    want = torch.stack([x[:, 0:2].amax(1), x[:, 2:4].amax(1), x[:, 4]], dim=1)
    assert torch.equal(TimePool()(x), want)


def test_c2d_is_the_plain_net_and_a_pool():
    plain, net = resnet(18, num_stages=2).eval(), c2d_resnet(18, num_stages=2).eval()
    net.load_state_dict(plain.state_dict())
    x = torch.randn(1, 4, 3, 32, 32)
    early = plain.stages["layer1"](plain.stages["stem"](x[0]))
    want = plain.stages["layer2"](torch.maximum(early[0::2], early[1::2]))
    torch.testing.assert_close(net(x)[0], want)


@pytest.mark.parametrize("build", [c2d_resnet, i3d_resnet])
def test_one_grey_channel_is_fine(build):
    assert build(18, in_channels=1, num_stages=1)(torch.randn(1, 2, 1, 16, 16)).shape == (1, 2, 64, 4, 4)


@pytest.mark.parametrize("build", [c2d_resnet, i3d_resnet])
def test_unknown_depths_are_refused(build):
    with pytest.raises(ValueError, match="'depth' to be one of 18, 34, 50"):
        build(101)
