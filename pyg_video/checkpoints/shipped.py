"""The trained models inside the package."""

from pathlib import Path

_FOLDER = Path(__file__).parent / "shipped"


def shipped_checkpoint(name: str) -> Path:
    """The file of a trained model that the package ships, for :func:`~pyg_video.checkpoints.load_model`.

    Args:
        name: the file's name without ``.safetensors``.

    Raises:
        ValueError: there is no such file; lists the known names.
    """
    shipped = {path.stem: path for path in sorted(_FOLDER.glob("*.safetensors"))}
    if name not in shipped:
        raise ValueError(f"Expected a shipped checkpoint, one of: {', '.join(shipped) or 'none yet'} (got '{name}')")
    return shipped[name]
