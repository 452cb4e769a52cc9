"""Something-Something as a Lightning data module."""

from functools import partial

from ..._checks import check_option
from ...datasets import SomethingElse, SomethingSomething
from ...datasets.something.lists import read_labels
from .video_files import VideoFileData


class SomethingSomethingData(VideoFileData):
    """:class:`~pyg_video.datasets.SomethingSomething` for training, validation and test, as in TSM and DyReg-GNN.

    Training samples one random frame per segment, a multi-scale crop and a flip; validation uses the middle frames and
    the centre crop; test averages the scores of ``test_clips`` clips with ``test_crops`` crops each. Sampling depends
    on the seed, the epoch and the video only, so a resumed run equals an uninterrupted one.

    Args:
        root: folder of the download; ``docs/something_something.md`` shows it.
        version: ``"v1"`` or ``"v2"``.
        num_frames: frames per clip.
        sampling: ``"segments"`` or ``"dense"``.
        frame_size: side of the frames in training and validation.
        flip: probability of a horizontal flip, which exchanges left and right in the label; 0 in the published runs.
        boxes: folder with the four files of Something-Else, for boxes.
        max_objects: boxes per frame.
        seed: seed of the order, the sampling and the augmentation in training.
        on_error: ``"raise"`` or ``"skip"``, for missing videos and those known to be damaged.
        on_corrupt: ``"raise"``, ``"warn"`` or ``"skip"``, for damaged frames.
        backend: decoder of v2, ``"av"`` or ``"torchcodec"``.
        test_split: ``"val"``, on which the papers report, or ``"test"``, if ``labels/test-answers.csv`` is there.
        test_frame: side of the frames in the test.
        test_clips: clips per video in the test; 2 in the papers.
        test_crops: crops per clip in the test, 3 as in the papers or 1.
        batch_size: clips per step and process.
        test_batch_size: videos per step in the test; by default ``batch_size`` divided by the views, at least 2.
        num_workers: worker processes that decode; by default one per core, at most 8.
    """

    def __init__(
        self,
        root: str,
        version: str = "v2",
        *,
        num_frames: int = 16,
        sampling: str = "segments",
        frame_size: int = 224,
        flip: float = 0.5,
        boxes: str | None = None,
        max_objects: int = 8,
        seed: int = 0,
        on_error: str = "raise",
        on_corrupt: str = "raise",
        backend: str = "av",
        test_split: str = "val",
        test_frame: int = 256,
        test_clips: int = 2,
        test_crops: int = 3,
        batch_size: int = 8,
        test_batch_size: int | None = None,
        num_workers: int | None = None,
    ) -> None:
        check_option("test_split", test_split, ("val", "test"))
        videos = partial(
            SomethingSomething,
            root,
            version,
            num_frames=num_frames,
            sampling=sampling,
            boxes=None if boxes is None else SomethingElse(boxes, max_objects=max_objects),
            seed=seed,
            on_error=on_error,
            on_corrupt=on_corrupt,
            backend=backend,
        )
        super().__init__(
            videos,
            read_labels(root, version),
            num_frames=num_frames,
            frame_rate=None,
            sampling=sampling,
            frame_size=frame_size,
            flip=flip,
            seed=seed,
            test_split=test_split,
            test_frame=test_frame,
            test_clips=test_clips,
            test_crops=test_crops,
            batch_size=batch_size,
            test_batch_size=test_batch_size,
            num_workers=num_workers,
        )
