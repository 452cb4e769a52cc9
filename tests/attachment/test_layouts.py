import pytest
import torch
from torch import nn

from pyg_video.attachment.layouts import Layout, VideoInput, check_layout, from_clips, possible_layouts, to_clips

FRAMES = VideoInput("FCHW", 2, 4, (64, 96))
VOLUMES = VideoInput("BCTHW", 2, 4, (64, 96))


@pytest.mark.parametrize(
    ("layout", "shape"),
    [
        (Layout("FCHW"), (8, 5, 2, 3)), (Layout("FHWC"), (8, 2, 3, 5)), (Layout("BCTHW"), (2, 5, 4, 2, 3)),
        (Layout("BTHWC"), (2, 4, 2, 3, 5)), (Layout("BTCHW"), (2, 4, 5, 2, 3)), (Layout("FHWC", (2, 3)), (8, 6, 5)),
        (Layout("FHWC", (2, 3), 2), (8, 8, 5)), (Layout("BTHWC", (4, 2, 3), 1), (2, 25, 5)),
        (Layout("BHWTC", (2, 3, 4), 1), (2, 25, 5)),
    ],
)  # fmt: skip
def test_the_way_to_clips_can_be_gone_back(layout, shape):
    features = torch.randn(shape)
    clips = to_clips(features, layout, num_frames=4)
    assert clips.shape == (2, 4, 5, 2, 3)
    assert torch.equal(from_clips(clips, layout, features), features)
    changed = from_clips(clips + 1, layout, features)
    assert (changed != features).sum() == clips.numel()  # all but the tokens before the others


@pytest.mark.parametrize("axes", ["FCHW", "FHWC"])
@pytest.mark.parametrize("frames", [1, 4])
def test_features_lie_in_memory_as_before(axes, frames):
    for features in (torch.randn(frames, 3, 5, 4), torch.randn(frames, 5, 4, 3).permute(0, 3, 1, 2)):
        layout = Layout(axes)
        back = from_clips(to_clips(features, layout, frames) + 0, layout, features)
        assert (back.stride(), back.storage_offset()) == (features.stride(), 0)


@pytest.mark.parametrize(
    ("shape", "video", "layout"),
    [
        ((8, 32, 16, 24), FRAMES, Layout("FCHW")),
        ((8, 16, 24, 32), FRAMES, Layout("FHWC")),
        ((8, 5, 3, 4), FRAMES, Layout("FCHW")),  # rounded down: 64 / 20, 96 / 24
        ((2, 32, 2, 8, 12), VOLUMES, Layout("BCTHW")),
        ((2, 2, 8, 12, 32), VOLUMES, Layout("BTHWC")),
        ((8, 32, 16, 24), VOLUMES, Layout("FCHW")),
        ((2, 4, 4, 8, 12), VOLUMES, Layout("BCTHW")),  # a net stays with the order of its input
        ((2, 4, 4, 8, 12), VOLUMES._replace(axes="BTCHW"), Layout("BTCHW")),
        ((8, 24, 32), FRAMES, Layout("FHWC", (4, 6))),
        ((8, 25, 32), FRAMES, Layout("FHWC", (4, 6), 1)),
        ((8, 25, 32), VOLUMES, Layout("FHWC", (4, 6), 1)),
        ((2, 49, 32), VOLUMES, Layout("BTHWC", (2, 4, 6), 1)),
        ((2, 97, 32), VOLUMES, Layout("BTHWC", (4, 4, 6), 1)),
    ],
)
def test_layouts_are_told_from_the_shape(shape, video, layout):
    assert possible_layouts(shape, video, nn.Identity())[0] == layout


def test_more_tokens_before_the_grid_are_tried_where_none_or_one_do_not_fit():
    assert possible_layouts((8, 29, 32), FRAMES, nn.Identity(), prefix=5) == [Layout("FHWC", (4, 6), 5)]
    assert possible_layouts((8, 29, 32), FRAMES, nn.Identity())[0] == Layout("FHWC", (4, 6), 5)
    assert possible_layouts((8, 25, 32), FRAMES, nn.Identity()) == [Layout("FHWC", (4, 6), 1)]
    assert possible_layouts((8, 24 + 17, 32), FRAMES, nn.Identity(), prefix=17)[0] == Layout("FHWC", (4, 6), 17)


def test_grids_may_be_padded_to_the_stride():
    assert possible_layouts((8, 35, 32), VideoInput("FCHW", 2, 4, (65, 97)), nn.Identity()) == [Layout("FHWC", (5, 7))]


def test_tokens_of_clips_may_have_their_frames_last():
    assert possible_layouts((2, 96, 32), VOLUMES, nn.Identity())[:2] == [
        Layout("BTHWC", (4, 4, 6)), Layout("BHWTC", (4, 6, 4))
    ]  # fmt: skip


def test_the_module_may_tell_the_grid_of_its_tokens():
    assert possible_layouts((2, 49, 32), VOLUMES, nn.Identity(), grid=(1, 6, 8)) == [Layout("BTHWC", (1, 6, 8), 1)]


def test_numbers_that_are_no_grid_are_passed_over():
    """TimeSformer's embeddings give their tokens, the frames and the width."""
    assert possible_layouts((8, 24, 32), FRAMES, nn.Identity(), grid=(2, 6)) == [Layout("FHWC", (4, 6))]
    assert possible_layouts((8, 29, 32), FRAMES, nn.Identity(), grid=(4, 6))[0] == Layout("FHWC", (4, 6), 5)


def test_the_type_of_the_module_decides_between_two_ways():
    square = VideoInput("FCHW", 2, 4, (64, 64))
    assert possible_layouts((8, 16, 16, 16), square, nn.Conv2d(3, 16, 4)) == [Layout("FCHW")]
    assert possible_layouts((8, 16, 16, 16), square, nn.LayerNorm(16)) == [Layout("FHWC")]
    assert possible_layouts((8, 16, 16, 16), square, nn.Identity()) == [Layout("FCHW"), Layout("FHWC")]


@pytest.mark.parametrize(
    "shape",
    [
        (8, 10), (8,), (3, 32, 16, 24), (16, 25, 32), (8, 2, 2, 2, 2, 2),
        (8, 32, 1, 1), (8, 1, 32), (8, 32, 4, 64),  # a pixel, a token, and other proportions than the video's
    ],
)  # fmt: skip
def test_what_is_no_map_of_the_video_has_no_layout(shape):
    assert possible_layouts(shape, FRAMES, nn.Identity()) == []


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((8, 7, 5), r"shape \[F, 8, C\] .got \[8, 7, 5\]"),
        ((8, 2, 3, 5), r"shape \[F, 8, C\]"),
        ((7, 8, 5), "a multiple of 'num_frames' = 4 frames .got 7 frames"),
    ],
)
def test_features_of_another_shape_are_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        to_clips(torch.zeros(shape), Layout("FHWC", (2, 3), 2), num_frames=4)


@pytest.mark.parametrize(
    "layout", [Layout("FCHW", (2, 3)), Layout("FHWC", (2, 3, 4)), Layout("FHWC", (2, 3), -1), Layout("BHWTC")]
)
def test_tokens_lie_on_a_grid_that_fits(layout):
    with pytest.raises(ValueError, match="Expected tokens with axes 'FHWC' and a 'grid' of 2 sizes"):
        check_layout(layout)
