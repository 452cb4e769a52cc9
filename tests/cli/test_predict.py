from pathlib import Path

from pyg_video.cli.predict import _unused


def test_videos_of_the_same_name_are_drawn_to_files_of_their_own():
    taken = set()
    names = [_unused(Path(folder) / "clip.mp4", taken) for folder in ("a", "b", "c")]
    assert names == ["clip_regions.mp4", "clip_2_regions.mp4", "clip_3_regions.mp4"]
