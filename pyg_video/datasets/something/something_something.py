"""Something-Something v1 and v2."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Generator

from ..._checks import check_option
from ..video.clip import Transform, VideoClip, VideoClips
from ..video.errors import report_skipped
from ..video.files import check_backend, decode_frames, probe_video
from ..video.frame_folders import decode_jpegs, frame_files
from ..video.index import fingerprint, index_path, read_index
from ..video.reading import ON_CORRUPT
from ..video.sampling import dense_indices, segment_indices
from .lists import (
    SPLITS,
    VERSIONS,
    VideoRecord,
    id_problem,
    read_labels,
    read_records,
    video_path,
)
from .something_else import SomethingElse


class SomethingSomething(VideoClips):
    r"""Videos of hands acting on objects in 174 classes, as published by 20BN.

    From the paper `"The something something video database for learning and evaluating visual common sense"
    <https://arxiv.org/abs/1706.04261>`_ (ICCV 2017). ``docs/something_something.md`` shows the folder: ``.webm`` files
    and JSON lists of v2, folders of JPEG frames and CSV lists of v1.

    Clip ``i`` of epoch ``e`` is ``dataset[e, i]``, and ``dataset[i]`` is that of epoch 0. Its sampling and augmentation
    depend on ``(seed, e, i)`` only, not on batch or worker.

    Args:
        root: folder of the download.
        version: ``"v1"`` or ``"v2"``.
        split: ``"train"``, ``"val"`` or ``"test"``, whose labels are in ``labels/test-answers.csv`` of the download.
        num_frames: frames per clip, :math:`T`.
        sampling: ``"segments"``, one frame from each of :math:`T` segments as in TSM, or ``"dense"``, equally spaced
            frames as in I3D.
        num_clips: clips per video, :math:`S`.
        random: whether frames are sampled at random; by default in training only.
        transform: callable ``(clip, generator) -> clip``, see :mod:`pyg_video.transforms`.
        boxes: folder with the four files of Something-Else, or a :class:`SomethingElse`, for boxes in v2.
        max_objects: boxes per frame, :math:`N`.
        seed: seed of sampling and augmentation.
        on_error: ``"raise"`` for videos that are missing or that ``pyg-video prepare`` found damaged, or ``"skip"`` to
            leave them out with a warning; see ``skipped``. What is found only on reading raises in both cases.
        on_corrupt: for damaged frames: ``"raise"``, which makes a video with such frames a damaged one; ``"warn"`` and
            take what the decoder makes of them; or ``"skip"`` them and take the frame before. ``pyg-video prepare``
            finds them all; videos that it did not check are decoded from start to end each time.
        backend: decoder of v2, see :func:`~pyg_video.datasets.decode_frames`.

    Attributes:
        records: the videos: id, label, text, placeholders.
        label_names: names of the classes.
        skipped: the problem of each video left out, by id.

    Raises:
        FileNotFoundError: the lists of videos are missing from ``root``.
        VideoFileError: videos are missing or damaged.
        ValueError: an option is unknown, or a list is damaged.

    Shapes:
        - **item:** a :class:`VideoClip`
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        version: str = "v2",
        split: str = "train",
        *,
        num_frames: int = 16,
        sampling: str = "segments",
        num_clips: int = 1,
        random: bool | None = None,
        transform: Transform | None = None,
        boxes: str | os.PathLike[str] | SomethingElse | None = None,
        max_objects: int = 8,
        seed: int = 0,
        on_error: str = "raise",
        on_corrupt: str = "raise",
        backend: str = "av",
    ) -> None:
        check_option("version", version, VERSIONS)
        check_option("split", split, SPLITS)
        check_option("sampling", sampling, ("segments", "dense"))
        check_option("on_error", on_error, ("raise", "skip"))
        check_option("on_corrupt", on_corrupt, ON_CORRUPT)
        check_backend(backend)
        if num_frames < 1 or num_clips < 1:
            raise ValueError(f"Expected 'num_frames' and 'num_clips' of at least 1 (got {num_frames} and {num_clips})")
        if boxes is not None and version == "v1":
            raise ValueError("Expected no 'boxes' for version 'v1' (got some); Something-Else annotates videos of v2")
        self.title = f"Something-Something {version}"
        self.root, self.version, self.split, self.seed = Path(root), version, split, seed
        self.num_frames, self.num_clips = num_frames, num_clips
        self.backend, self.on_corrupt = backend, on_corrupt
        self.random = split == "train" if random is None else random
        self.transform = transform
        self._indices = segment_indices if sampling == "segments" else dense_indices
        self.label_names = read_labels(root, version)
        records = read_records(root, version, split, self.label_names)
        self.skipped, self._known = _survey(self.root, version, records, on_corrupt)
        if self.skipped:
            report_skipped(
                self.skipped, len(records), on_error, f"fetch them into '{root}', pyg-video prepare lists them all"
            )
        self.records = [record for record in records if record.id not in self.skipped]
        if boxes is not None and not isinstance(boxes, SomethingElse):
            boxes = SomethingElse(boxes, {record.id for record in self.records}, max_objects=max_objects)
        self.boxes = boxes

    @property
    def labels(self) -> list[int]:
        return [record.label for record in self.records]

    @property
    def ids(self) -> list[str]:
        return [record.id for record in self.records]

    def path(self, index: int) -> Path:
        """File of a video; in v1, folder of its frames."""
        return video_path(self.root, self.version, self.records[index].id)

    def __len__(self) -> int:
        return len(self.records)

    def read(self, index: int, generator: Generator | None) -> VideoClip:
        path, name = self.path(index), self.records[index].id
        if self.version == "v1":
            files = frame_files(path)
            count, rate = len(files), 0.0
        else:
            count, rate = self._known.get(name) or probe_video(path)[:2]
        number = self._indices(count, self.num_frames, self.num_clips, generator=generator)
        once, place = number.unique(return_inverse=True)
        if self.version == "v1":
            frames = decode_jpegs([files[k] for k in once], self.on_corrupt)
        else:
            frames = decode_frames(
                path, once.tolist(), self.backend, on_corrupt=self.on_corrupt, check_all=name not in self._known
            )
        boxes = self.boxes
        box = boxes.boxes(name, number, rate, *frames.shape[-2:]) if boxes else torch.empty(*number.shape, 0, 4)
        return VideoClip(frames[place], torch.tensor(self.records[index].label), torch.tensor(index), box)


def _survey(
    root: Path, version: str, records: list[VideoRecord], on_corrupt: str
) -> tuple[dict[str, str], dict[str, tuple[int, float]]]:
    """Problems by video, and number of frames and frame rate of the checked videos."""
    folder = video_path(root, version, "0").parent
    present = set(os.listdir(folder)) if folder.is_dir() else set()  # one call, as folders may be on a network
    index = read_index(index_path(root, version))
    wrong, known = {}, {}
    for record in records:
        path, checked = video_path(root, version, record.id), index.get(record.id)
        if problem := id_problem(record.id) or ("missing" if path.name not in present else ""):
            wrong[record.id] = problem
        elif checked is not None and not (refusal := checked.refusal(on_corrupt)):
            known[record.id] = (checked.num_frames, checked.frame_rate)
        elif checked is not None and fingerprint(path) == checked[:2]:  # unchanged since the check
            wrong[record.id] = refusal
    return wrong, known
