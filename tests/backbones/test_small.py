import pytest
import torch

from pyg_video.backbones import PlainCNN, SmallCNN, SmallI3D


@pytest.mark.parametrize("size", [(40, 40), (33, 47)])
def test_stages_tell_their_channels_and_strides(size):
    net = SmallCNN(1, channels=(4, 8, 6), strides=(2, 2, 1))
    x = torch.randn(2, 1, *size)
    for stage in net.info:
        x = net.stages[stage.name](x)
        assert x.shape[1:] == (stage.channels, *(-(-n // stage.stride) for n in size))


@pytest.mark.parametrize("build", [SmallCNN, SmallI3D])
@pytest.mark.parametrize(("channels", "strides"), [((4, 8), (2,)), ((), ()), ((4, 8), (2, 0)), ((0,), (1,))])
def test_every_stage_needs_a_width_and_a_stride(build, channels, strides):
    with pytest.raises(ValueError, match="one width in 'channels' and one stride in 'strides' for every stage"):
        build(1, channels, strides)


def test_kernels_of_one_frame_make_it_the_small_cnn():
    flat, net = SmallCNN(1).eval(), SmallI3D(1, kernel_time=1).eval()
    net.load_state_dict(flat.state_dict())
    x = torch.randn(2, 3, 1, 16, 16)
    torch.testing.assert_close(net(x), flat(x))


def test_stages_may_see_single_frames_before_others_see_several():
    net, x = SmallI3D(1, (4, 4), (2, 1), kernel_time=(1, 3)).eval(), torch.randn(1, 5, 1, 8, 8)
    net.stages["stage1"].load_state_dict(SmallCNN(1, (4,), (2,)).stages["stage1"].state_dict())
    other = x.clone()
    other[:, 4] += 1
    assert ((net(other) - net(x)).abs().amax((0, 2, 3, 4)) > 0).tolist() == [False, False, False, True, True]


def test_a_kernel_sees_the_frames_next_to_it():
    net, x = SmallI3D(1, (4,), (2,)).eval(), torch.randn(1, 5, 1, 8, 8)
    other = x.clone()
    other[:, 4] += 1
    change = (net(other) - net(x)).abs().amax((0, 2, 3, 4))
    assert (change > 0).tolist() == [False, False, False, True, True]


def test_kernels_of_even_size_are_refused():
    with pytest.raises(ValueError, match="'kernel_time' to be an odd number"):
        SmallI3D(1, kernel_time=2)
    with pytest.raises(ValueError, match="'kernel_time' .* one for each of 3 stages .got .1, 3."):
        SmallI3D(1, kernel_time=(1, 3))


def test_frames_of_the_paper_become_maps_of_six_by_six():
    net = PlainCNN(1, (4, 4, 6))
    assert net(torch.randn(2, 1, 64, 64)).shape == (2, 6, 6, 6)
    assert [stage.stride for stage in net.info] == [2, 4, 8]


def test_clips_are_frames_of_the_same_net():
    net, clips = PlainCNN(1, (4,)).eval(), torch.randn(2, 3, 1, 16, 16)
    torch.testing.assert_close(net(clips), net(clips.flatten(0, 1)).unflatten(0, (2, 3)))


def test_a_net_needs_stages():
    with pytest.raises(ValueError, match="Expected one width in 'channels'"):
        PlainCNN(1, ())
