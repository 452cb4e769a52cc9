"""MultiSyncMNIST: what are the smallest and the largest of the digits that move together?"""

from __future__ import annotations

import os
from collections.abc import Sequence

from .clips import DigitClips
from .images import SPLITS, load_digits
from .plans import RandomPlan, any_classes, any_set


class MultiSyncMNIST(DigitClips):
    r"""Digits whose classes may repeat move at random, but two or more of them move together.

    From the paper `"Discovering Dynamic Salient Regions for Spatio-Temporal Graph Neural Networks"
    <https://arxiv.org/abs/2009.08427>`_ (NeurIPS 2021).

    The label is the smallest and the largest class in the synchronous set, in the order of the published code: 45
    pairs (0 to 44), "nothing moves together" (45), and 10 sets of one class (46 to 55); 56 in all. With :math:`K`
    classes of digits there are :math:`K(K-1)/2` pairs and :math:`K` sets of one class. The paper has
    600,000 clips for training, ``MultiSyncMNIST()``, and 10,000 for validation,
    ``MultiSyncMNIST(split="test", num_clips=10_000)``. Its digits are 14 pixels wide on frames of 128: MNIST's 28 on a
    canvas of 256, halved.

    The paper specifies neither the distribution of the size of the synchronous set nor that of the jumps. Here sizes 2,
    3, 4 and 5 are equally likely, and the jumps are those of SyncMNIST, in pixels of the canvas.

    Args:
        split: ``"train"`` or ``"test"``; they share neither a digit image nor a trajectory.
        digits: ``"bundled"`` or the root folder of MNIST, see :func:`~pyg_video.datasets.load_digits`.
        download: download MNIST if missing.
        num_clips: number of clips; None for an endless data set.
        seed: any integer; another seed gives other clips.
        num_digits: digits per clip, :math:`D`.
        num_frames: frames per clip, :math:`T`.
        canvas_size: side of the canvas on which digits are drawn, in pixels.
        frame_size: side of the frames, :math:`H = W`, to which the canvas is resized.
        digit_size: side of a digit's tile on the canvas, in pixels.
        classes: the digit classes that occur.
        motion: ``"jumps"`` as in the paper, or ``"smooth"``: every digit keeps its velocity and bounces.
        max_step: largest step per axis and frame, in pixels of the canvas.
        curriculum: ``(step, clips)``: the largest step is ``step`` for clip 0 and falls to ``max_step`` until clip
            ``clips``; models learn from longer steps sooner. :class:`~pyg_video.training.DigitData` validates and
            tests without it.
        random_probability: fraction of clips in which no digits move together.

    Shapes:
        - **item:** a :class:`~pyg_video.datasets.SyncClip`

    Example:
        >>> clips = MultiSyncMNIST(num_clips=100)
        >>> clips.num_classes, clips[0].video.shape
        (56, torch.Size([10, 1, 128, 128]))
        >>> clips[0].digit[clips[0].sync].tolist(), clips.label_names[clips[0].label]
        ([2, 6], '2 and 6 move together')
    """

    def __init__(
        self,
        *,
        split: str = "train",
        digits: str | os.PathLike[str] = "bundled",
        download: bool = False,
        num_clips: int | None = 600_000,
        seed: int = 0,
        num_digits: int = 5,
        num_frames: int = 10,
        canvas_size: int = 256,
        frame_size: int = 128,
        digit_size: int = 28,
        classes: Sequence[int] = tuple(range(10)),
        motion: str = "jumps",
        max_step: int = 10,
        curriculum: tuple[int, int] | None = None,
        random_probability: float = 1 / 56,
    ) -> None:
        images = load_digits(digits, split, download=download, size=digit_size)
        planner = RandomPlan(
            images.target,
            classes,
            any_classes,
            any_set,
            num_digits=num_digits,
            num_frames=num_frames,
            canvas_size=canvas_size,
            digit_size=digit_size,
            motion=motion,
            max_step=max_step,
            curriculum=curriculum,
            random_probability=random_probability,
            seed=seed,
            salt=SPLITS.index(split),
        )
        super().__init__(
            images,
            planner,
            classes=classes,
            num_classes=len(classes) * (len(classes) - 1) // 2 + 1 + len(classes),
            num_clips=num_clips,
            canvas_size=canvas_size,
            frame_size=frame_size,
        )
