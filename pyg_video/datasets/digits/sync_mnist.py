"""SyncMNIST: which two digits move together?"""

from __future__ import annotations

import os
from collections.abc import Sequence

from .clips import DigitClips
from .images import SPLITS, load_digits
from .plans import RandomPlan, distinct_classes, one_pair
from .recorded_plan import Arrays, RecordedPlan


class SyncMNIST(DigitClips):
    r"""Digits of different classes move at random, but one pair moves together: which?

    From the paper `"Recurrent Space-time Graph Neural Networks" <https://arxiv.org/abs/1904.05582>`_ (NeurIPS 2019).

    The label of a clip in which the classes :math:`c_i` and :math:`c_j`, :math:`i > j`, move together is
    :math:`i(i-1)/2 + j`; the last label, :math:`K(K-1)/2` for :math:`K` classes, means that nothing moves together.
    Clip ``index`` depends on ``(seed, split, index)`` only, not on batch or worker; on CUDA it is equal up to rounding
    of the resize.

    Args:
        num_digits: digits per clip, :math:`D`; 3 and 5 in the paper.
        split: ``"train"`` or ``"test"``; they share neither a digit image nor a trajectory.
        digits: ``"bundled"`` or the root folder of MNIST, see :func:`~pyg_video.datasets.load_digits`.
        download: download MNIST if missing.
        num_clips: number of clips; None for an endless data set.
        seed: any integer; another seed gives other clips.
        num_frames: frames per clip, :math:`T`.
        canvas_size: side of the canvas on which digits are drawn, in pixels.
        frame_size: side of the frames, :math:`H = W`, to which the canvas is resized.
        digit_size: side of a digit's tile on the canvas, in pixels.
        classes: the digit classes that occur, :math:`c`.
        motion: ``"jumps"`` as in the paper, or ``"smooth"``: every digit keeps its velocity and bounces.
        max_step: largest step per axis and frame, in pixels of the canvas.
        curriculum: ``(step, clips)``: the largest step is ``step`` for clip 0 and falls to ``max_step`` until clip
            ``clips``; models learn from longer steps sooner. :class:`~pyg_video.training.DigitData` validates and
            tests without it.
        random_probability: fraction of clips in which no digits move together; of the authors' test clips, 1.23 % are
            such. 0 also removes the last label.

    Shapes:
        - **item:** a :class:`~pyg_video.datasets.SyncClip`

    Example:
        >>> clips = SyncMNIST(num_digits=3, num_clips=100)
        >>> video, label, box, digit, sync = clips[0]
        >>> video.shape, box.shape
        (torch.Size([10, 1, 64, 64]), torch.Size([10, 3, 4]))
        >>> digit[sync].tolist(), clips.label_names[label]
        ([6, 8], '6 and 8 move together')
    """

    def __init__(
        self,
        num_digits: int = 3,
        *,
        split: str = "train",
        digits: str | os.PathLike[str] = "bundled",
        download: bool = False,
        num_clips: int | None = None,
        seed: int = 0,
        num_frames: int = 10,
        canvas_size: int = 100,
        frame_size: int = 64,
        digit_size: int = 28,
        classes: Sequence[int] = tuple(range(10)),
        motion: str = "jumps",
        max_step: int = 10,
        curriculum: tuple[int, int] | None = None,
        random_probability: float = 1 / 81,
    ) -> None:
        if num_digits > len(classes):
            raise ValueError(
                f"Expected 'num_digits' to be at most the number of classes, {len(classes)}, as the digits of a clip "
                f"differ (got {num_digits}); add 'classes'"
            )
        images = load_digits(digits, split, download=download, size=digit_size)
        planner = RandomPlan(
            images.target,
            classes,
            distinct_classes,
            one_pair,
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
        num_classes = len(classes) * (len(classes) - 1) // 2 + (random_probability > 0)
        super().__init__(
            images,
            planner,
            classes=classes,
            num_classes=num_classes,
            num_clips=num_clips,
            canvas_size=canvas_size,
            frame_size=frame_size,
        )

    @classmethod
    def from_trajectories(
        cls,
        trajectories: str | os.PathLike[str] | Arrays,
        *,
        digits: str | os.PathLike[str] = "bundled",
        split: str = "test",
        download: bool = False,
        canvas_size: int = 100,
        frame_size: int = 64,
        digit_size: int = 28,
    ) -> SyncMNIST:
        """The clips of recorded trajectories, as the test split that the authors published.

        Args:
            trajectories: an ``.npz`` file or a mapping; see ``RecordedPlan``.
            digits: as for the class; the authors' file needs the root folder of MNIST.
            split: split whose images ``digit_index`` refers to.
            download: download MNIST if missing.
            canvas_size: side of the canvas, in pixels.
            frame_size: side of the frames.
            digit_size: side of a digit's tile on the canvas.

        Raises:
            FileNotFoundError: the file does not exist.
            ValueError: the file is not an ``.npz`` file, an array does not fit, or the two synchronous digits of a clip
                have the same class, for which there is no label.
        """
        images = load_digits(digits, split, download=download, size=digit_size)
        planner = RecordedPlan(trajectories, target=images.target, room=canvas_size - digit_size)
        self = cls.__new__(cls)
        DigitClips.__init__(
            self,
            images,
            planner,
            classes=range(10),
            num_classes=46,
            num_clips=len(planner),
            canvas_size=canvas_size,
            frame_size=frame_size,
        )
        return self
