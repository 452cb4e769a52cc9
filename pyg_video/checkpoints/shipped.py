"""The trained models inside the package."""

from pathlib import Path
from typing import Any

SHIPPED_TASK: dict[str, Any] = {
    "num_digits": 3,
    "num_frames": 8,
    "canvas_size": 40,
    "frame_size": 40,
    "digit_size": 14,
    "classes": (0, 1, 2, 3, 4),
    "motion": "smooth",
    "max_step": 4,
    "random_probability": 0.0,
}
"""Options of :class:`~pyg_video.datasets.SyncMNIST` for the shipped models: three of five digits, two move together."""

_FOLDER = Path(__file__).parent / "shipped"


def shipped_checkpoint(name: str) -> Path:
    """The file of a trained model that the package ships, for :func:`~pyg_video.checkpoints.load_model`.

    Args:
        name: the file's name without ``.safetensors``.

    Raises:
        ValueError: there is no such file; lists the known names.
    """
    known = shipped_names()
    if name not in known:
        raise ValueError(f"Expected a shipped checkpoint, one of: {', '.join(known) or 'none yet'} (got '{name}')")
    return _FOLDER / f"{name}.safetensors"


def shipped_names() -> list[str]:
    """The names of the shipped checkpoints."""
    return sorted(path.stem for path in _FOLDER.glob("*.safetensors"))
