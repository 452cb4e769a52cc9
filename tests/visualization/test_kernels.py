import pytest
import torch

from pyg_video.visualization import draw_kernels


def halves():
    """A kernel on the left half of the frame and one on the right half, on a map of 1 x 2 pixels."""
    return torch.tensor([[[[1.0, 0.0]], [[0.0, 5.0]]]])


def test_every_pixel_has_the_colour_of_its_node_whatever_the_scale_of_the_kernel():
    picture = draw_kernels(torch.zeros(1, 1, 2, 4), halves(), colors=["#ff0000", "#0000ff"], scale=1)[0]
    left, right = picture[:, :, :2], picture[:, :, 2:]
    assert left[0].min() > 100
    assert not left[1:].any()
    assert torch.equal(right.flip(0), left)


def test_a_pixel_of_two_nodes_gets_a_mixture():
    kernel = torch.ones(1, 2, 1, 1)
    red, green, blue = draw_kernels(torch.zeros(1, 1, 1, 1), kernel, colors=["#ff0000", "#0000ff"], scale=1)[0]
    assert red == blue > 0
    assert green == 0


def test_a_missing_node_leaves_the_frame_as_it_is():
    video = torch.rand(2, 3, 4, 4)
    picture = draw_kernels(video, torch.zeros(2, 1, 2, 2), scale=1)
    torch.testing.assert_close(picture, video.mul(255).round().byte())


def test_bytes_equal_floats():
    video = torch.randint(256, (2, 1, 4, 4), dtype=torch.uint8)
    kernel = torch.rand(2, 3, 2, 2)
    assert torch.equal(draw_kernels(video, kernel), draw_kernels(video / 255, kernel))


def test_the_frame_is_enlarged_pixel_by_pixel():
    video, kernel = torch.rand(1, 1, 3, 5), torch.rand(1, 2, 3, 5)
    large = draw_kernels(video, kernel, scale=3)
    assert large.shape == (1, 3, 9, 15)
    assert torch.equal(large[..., 1::3, 1::3], draw_kernels(video, kernel, scale=1))


@pytest.mark.parametrize(
    ("kernel", "options", "message"),
    [
        (torch.rand(2, 3, 4), {}, r"'kernel' of shape \[2, N, h, w\]"),
        (torch.rand(3, 1, 4, 4), {}, r"\(got \[3, 1, 4, 4\]\)"),
        (-torch.rand(2, 1, 4, 4), {}, "at least 0"),
        (torch.full((2, 1, 4, 4), torch.nan), {}, "finite"),
        (torch.rand(2, 3, 4, 4), {"colors": ["red"]}, "each of the 3 nodes"),
        (torch.rand(2, 3, 4, 4), {"scale": 0}, "'scale'"),
    ],
)
def test_what_cannot_be_drawn_is_named(kernel, options, message):
    with pytest.raises(ValueError, match=message):
        draw_kernels(torch.rand(2, 1, 4, 4), kernel, **options)
