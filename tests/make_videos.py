"""Make a folder of tiny videos of two classes, for trying out and testing ``VideoFolderData``.

    python tests/make_videos.py videos boxes

A bright square moves to the left or to the right over a dim background, from ``videos/moving left/0.mp4`` on. Its boxes
are in ``boxes``, a file in the format of MOT for each video.
"""

import sys
from pathlib import Path

import torch

from pyg_video.visualization import save_mp4

HEIGHT, WIDTH, SIDE = 48, 64, 12  # pixels


def make_videos(videos, boxes=None, *, per_class=40, num_frames=12):
    """Write the videos, and their boxes if a folder is given."""
    generator = torch.Generator().manual_seed(0)
    for name, direction in (("moving left", -1), ("moving right", 1)):
        for number in range(per_class):
            frames = 0.3 * torch.rand(1, 3, HEIGHT, WIDTH, generator=generator).repeat(num_frames, 1, 1, 1)
            top = int(torch.randint(HEIGHT - SIDE, (), generator=generator))
            first = int(torch.randint(WIDTH - SIDE - 3 * num_frames, (), generator=generator))
            lefts = [first + 3 * k for k in range(num_frames)][::direction]
            for frame, left in zip(frames, lefts, strict=True):
                frame[:, top : top + SIDE, left : left + SIDE] = 1.0
            save_mp4(Path(videos, name, f"{number}.mp4"), frames, fps=12)
            if boxes is not None:
                rows = [f"{k},1,{left},{top},{SIDE},{SIDE}\n" for k, left in enumerate(lefts, start=1)]
                path = Path(boxes, name, f"{number}.csv")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("".join(rows))


if __name__ == "__main__":
    make_videos(*sys.argv[1:])
