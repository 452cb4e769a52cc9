import pytest
import torch

from pyg_video.datasets import VideoFileError, decode_frames, probe_video
from pyg_video.datasets.video.sound import opened_sound
from pyg_video.evaluation import draw_video, predict_stream, predict_video, predict_windows
from pyg_video.evaluation.drawing import RegionArtist, _between, _Steps
from pyg_video.visualization import PALETTE


def coloured(frame):
    """Where a frame is of the first region's colour, about yellow."""
    red, green, blue = frame.float()
    return (red > 180) & (green > 150) & (blue < 140)


@pytest.mark.parametrize(("height", "width"), [(96, 128), (97, 131)])
def test_the_film_has_the_size_rate_and_length_of_the_video(looking, spot_video, tmp_path, height, width):
    path = spot_video(height=height, width=width)
    film = draw_video(predict_video(looking(), path), tmp_path / "film.mp4")
    assert probe_video(film) == (16, 8.0, height + height % 2, width + width % 2)


def test_the_region_is_drawn_around_the_spot_on_every_frame(looking, spot_video, tmp_path):
    path = spot_video(height=240, width=320)
    film = draw_video(predict_video(looking(112), path, num_frames=8, views=3), tmp_path / "film.mp4", parts=["boxes"])
    for number in (0, 3, 6, 9, 15):
        before, after = (decode_frames(one, [number])[0] for one in (path, film))
        rows, columns = (before.float().mean(0) > 160).nonzero().double().mean(0)
        edges = coloured(after)[24:].nonzero().double() + torch.tensor([24, 0])  # below the text
        middle = (edges.amax(0) + edges.amin(0)) / 2
        torch.testing.assert_close(middle, torch.stack([rows, columns]), atol=18, rtol=0)


def test_regions_move_in_straight_lines_between_frames_and_stand_still_beyond(looking, spot_video):
    found = predict_video(looking(), spot_video(), num_frames=2, views=1)
    (name,) = found.regions
    found.regions[name] = torch.tensor([[[0.2, 0.2, 0.1, 0.1]], [[0.6, 0.4, 0.1, 0.1]]])
    first, last = found.times.tolist()
    centres = []
    for time in (0.0, first, (first + last) / 2, last, 9.0):
        drawn = RegionArtist(parts=["boxes"]).draw(torch.zeros(3, 90, 90), time, found._replace(place=(0, 0, 1, 1)))
        edges = coloured(drawn).nonzero().double()
        centres.append(((edges.amax(0) + edges.amin(0)) / 2 / 90).tolist())
    torch.testing.assert_close(
        torch.tensor(centres),
        torch.tensor([[0.2, 0.2], [0.2, 0.2], [0.3, 0.4], [0.4, 0.6], [0.4, 0.6]]),
        atol=0.02,
        rtol=0,
    )


def test_paths_and_kernels_are_drawn_if_asked_for(looking, spot_video, tmp_path):
    found = predict_video(looking(), spot_video(height=240, width=320), num_frames=8)
    drawn = {
        parts: decode_frames(draw_video(found, tmp_path / "film.mp4", parts=parts), [15])[0].float()
        for parts in ((), ("boxes",), ("boxes", "paths"), ("boxes", "kernels"))
    }
    counts = [int(coloured(frame).sum()) for frame in drawn.values()]
    assert counts[0] < counts[1] < counts[2]
    tint = drawn["boxes", "kernels"] - drawn["boxes",]
    assert (tint[0] - tint[2]).mean() > 0.5  # yellow
    assert PALETTE[0] == "#ffd43b"


def test_every_frame_shows_the_window_whose_middle_is_nearest(looking, spot_video, tmp_path):
    path = spot_video(height=240, width=320, num_frames=32)
    windows = list(predict_windows(looking(), path, 2.0, 1.0))
    assert [one.part for one in windows] == [(0, 2), (1, 3), (2, 4)]
    taken = []

    def given():
        for one in windows:
            taken.append(one)
            yield one

    film = draw_video(given(), tmp_path / "film.mp4", parts=())
    assert len(taken) == 3
    texts = decode_frames(film, range(32))[:, :, :16, :160].float()
    other = [one._replace(names=("a", "b", "c")) for one in windows[:1]] + windows[1:]
    texts -= decode_frames(draw_video(other, tmp_path / "film.mp4", parts=()), range(32))[:, :, :16, :160].float()
    changed = (texts.abs().amax((1, 2, 3)) > 60).nonzero().flatten().tolist()
    assert changed == list(range(12))  # up to 1.5 seconds, between the middles 1 and 2


def test_the_sound_is_dropped_or_kept(looking, write_sound, tmp_path):
    path = write_sound(tmp_path / "tone.mp4")
    found = predict_video(looking(), path)

    def packets(film):
        with opened_sound(film) as sound:
            return None if sound is None else [bytes(packet) for packet in sound.packets]

    assert packets(draw_video(found, tmp_path / "film.mp4")) is None
    kept = packets(draw_video(found, tmp_path / "film.mp4", audio="keep"))
    before = packets(path)
    assert len(kept) >= len(before) - 1 > 10
    assert kept[-1] == before[-1]
    silent = predict_video(looking(), draw_video(found, tmp_path / "silent.mp4"))
    assert packets(draw_video(silent, tmp_path / "film.mp4", audio="keep")) is None


def test_sound_that_no_mp4_file_can_hold_is_refused(looking, write_sound, tmp_path):
    found = predict_video(looking(), write_sound(tmp_path / "tone.avi", codec="adpcm_ms"))
    with pytest.raises(VideoFileError, match="tone.avi' .got sound of adpcm_ms, .*; leave it out with audio 'drop'"):
        draw_video(found, tmp_path / "film.mp4", audio="keep")
    assert [path.name for path in tmp_path.iterdir()] == ["tone.avi"]


def test_frames_at_times_of_their_own_keep_them(looking, tmp_path):
    from fractions import Fraction

    from pyg_video.datasets.video.timetable import frame_times, timetable
    from pyg_video.visualization.film import open_film

    with open_film(tmp_path / "uneven.mp4", 48, 64, Fraction(8), unit=Fraction(1, 1000)) as film:
        for time in (0.0, 0.1, 0.5, 0.55, 2.0):
            film.write(torch.rand(3, 48, 64), time)
    found = predict_video(looking(), tmp_path / "uneven.mp4")
    film = draw_video(found, tmp_path / "film.mp4")
    before, after = (frame_times(timetable(path))[:-1] for path in (tmp_path / "uneven.mp4", film))
    torch.testing.assert_close(before, after)


def test_a_stream_is_drawn_as_well(looking, spot_video, tmp_path):
    film = draw_video(predict_stream(looking(), spot_video(), frame_rate=4), tmp_path / "film.mp4")
    assert probe_video(film).num_frames == 16


def test_what_is_stopped_by_hand_is_whole_up_to_there(looking, spot_video, tmp_path):
    def stopped():
        yield from list(predict_windows(looking(), spot_video(num_frames=40), 1.0, 1.0))[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_video(stopped(), tmp_path / "film.mp4")
    info = probe_video(tmp_path / "film.mp4")
    assert 8 <= info.num_frames < 30
    assert len(decode_frames(tmp_path / "film.mp4", range(info.num_frames))) == info.num_frames


def test_mistakes_leave_no_film(looking, spot_video, tmp_path):
    found = predict_video(looking(), spot_video())
    for options, message in (
        ({"graph": "head"}, "Expected 'graph' to be one of 'blocks.stage1.builder'"),
        ({"parts": ["hulls"]}, "Expected 'parts' to be one of 'boxes', 'paths', 'kernels'"),
        ({"audio": "loud"}, "Expected 'audio' to be one of 'drop', 'keep'"),
    ):
        with pytest.raises(ValueError, match=message):
            draw_video(found, tmp_path / "film.mp4", **options)
    with pytest.raises(ValueError, match="'predictions' with at least one"):
        draw_video([], tmp_path / "film.mp4")
    assert not (tmp_path / "film.mp4").exists()


def test_a_region_is_drawn_until_it_is_missing(looking, spot_video):
    found = predict_video(looking(), spot_video())
    (name,) = found.regions
    box = found.regions[name].clone()
    box[1] = torch.nan
    gone = found._replace(regions={name: box})
    between = [_between(gone, name, float(found.times[0]) + part).box for part in (0.0, 0.01)]
    assert all(bool(one.isfinite().all()) for one in between)
    assert bool(_between(gone, name, float(found.times[1])).box.isnan().all())


def test_parts_of_a_stream_begin_where_they_begin(looking, spot_video):
    steps = _Steps(predict_stream(looking(), spot_video(num_frames=17, rate=8)))  # of 1, 1 and 0.125 seconds
    assert [steps.at(k / 8).start for k in range(17)] == [0.0] * 8 + [1.0] * 8 + [2.0]
