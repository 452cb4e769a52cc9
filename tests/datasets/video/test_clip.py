import pytest
import torch

from pyg_video.datasets.something.lists import read_labels
from pyg_video.datasets.video.clip import VideoClip, VideoClips, mirrored_labels


class Noise(VideoClips):
    """Three videos of two frames, whose first value is drawn with the generator."""

    label_names = ("noise",)
    transform = None

    def __init__(self, *, random=True, num_clips=1, seed=0):
        self.random, self.num_clips, self.seed = random, num_clips, seed

    def __len__(self):
        return 3

    def read(self, index, generator):
        value = torch.zeros(()) if generator is None else torch.rand((), generator=generator)
        video = value.expand(self.num_clips, 2, 3, 4, 4)
        return VideoClip(video, torch.tensor(0), torch.tensor(index), torch.empty(self.num_clips, 2, 0, 4))


def test_a_clip_depends_on_seed_epoch_and_number():
    values = {
        (seed, *key): float(Noise(seed=seed)[key].video[0, 0, 0, 0])
        for seed in (0, 1)
        for key in ((0, 1), (1, 1), (0, 2))
    }
    assert len(set(values.values())) == 6
    assert float(Noise()[1].video[0, 0, 0, 0]) == values[0, 0, 1]


def test_nothing_is_drawn_unless_asked_for():
    assert Noise(random=False)[1].video.abs().sum() == 0


@pytest.mark.parametrize("num_clips", [1, 2])
def test_several_clips_have_a_dimension_of_their_own(num_clips):
    clip, batch = Noise(num_clips=num_clips)[0], Noise(num_clips=num_clips).batch([0, (1, 2)])
    several = (num_clips,) if num_clips > 1 else ()
    assert clip.video.shape == (*several, 2, 3, 4, 4)
    assert clip.box.shape == (*several, 2, 0, 4)
    assert batch.video.shape == (2, *clip.video.shape)
    assert batch.number.tolist() == [0, 2]


def test_the_transform_draws_what_comes_next():
    clips = Noise()
    clips.transform = lambda clip, generator: clip._replace(video=clip.video + torch.rand((), generator=generator))
    assert torch.equal(clips[1].video, clips[1].video)
    assert not torch.equal(clips[1].video, 2 * Noise()[1].video)


def test_numbers_outside_are_refused():
    with pytest.raises(IndexError, match="from 0 to 2 .got 3"):
        Noise()[3]


def test_the_published_pairs_are_mirrored_and_nothing_else(something_v2):
    mirrored = mirrored_labels(read_labels(something_v2, "v2"))
    known = {86: 87, 87: 86, 93: 94, 94: 93, 166: 167, 167: 166}
    assert {label: other for label, other in enumerate(mirrored) if label != other} == known


def test_right_as_a_part_of_a_word_or_without_partner_stays():
    names = [
        "Plugging something into something but pulling it right out as you remove your hand",
        "Putting something upright on the table",
        "Turning the camera left",
    ]
    assert mirrored_labels(names) == (0, 1, 2)


@pytest.mark.parametrize("left", ["turn_left", "left2", "turn-LEFT", "Left turn"])
def test_left_and_right_are_words_beside_signs_and_digits_as_well(left):
    right = left.replace("left", "right").replace("LEFT", "RIGHT").replace("Left", "Right")
    assert mirrored_labels([left, "other", right]) == (2, 1, 0)


def test_names_that_differ_in_case_only_are_not_mixed_up():
    assert mirrored_labels(["A", "a", "turn left", "Turn right", "turn right"]) == (0, 1, 4, 2, 2)
