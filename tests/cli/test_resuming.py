import pytest
import torch

from pyg_video.cli.resuming import check_counters, check_fits, read_whole
from pyg_video.training import VideoClassification

FRESH = {"fit_loop": {"epoch": 0, "progress": {"done": 0, "last": False}}}


def test_counters_are_numbers_of_their_kind():
    check_counters({"fit_loop": {"epoch": 3, "progress": {"done": 7, "last": True, "more": "x"}}}, FRESH)
    for wrong, name in (
        (None, "loops"),
        ({"fit_loop": 3}, "loops.fit_loop"),
        ({"fit_loop": {"epoch": "3"}}, "loops.fit_loop.epoch"),
        ({"fit_loop": {"epoch": True}}, "loops.fit_loop.epoch"),
        ({"fit_loop": {"progress": {"done": -1}}}, "loops.fit_loop.progress.done"),
    ):
        with pytest.raises(ValueError, match=rf"the state of a training in 'ckpt_path' .got .* for '{name}'"):
            check_counters(wrong, FRESH)


def test_another_file_is_no_checkpoint(tmp_path):
    with pytest.raises(FileNotFoundError, match="got 'x+', no file"):
        read_whole(5000 * "x")
    torch.save({"state_dict": {}}, tmp_path / "last.ckpt")
    with pytest.raises(ValueError, match="a whole checkpoint of Lightning"):
        read_whole(str(tmp_path / "last.ckpt"))


def test_a_checkpoint_fits_its_own_model_alone(tiny_task):
    task, other = tiny_task(), VideoClassification("cnn_sync_mnist", 6, 16)
    saved = {"state_dict": task.state_dict(), "hyper_parameters": dict(task.hparams)}
    check_fits(saved, task)
    with pytest.raises(ValueError, match="use the config.yaml of its run"):
        check_fits(saved, other)
    name, value = next(iter(task.named_parameters()))
    diverged = {**saved["state_dict"], name: torch.full_like(value, torch.nan)}
    with pytest.raises(ValueError, match=f"finite weights in 'ckpt_path' .got NaN or infinity in '{name}'"):
        check_fits({**saved, "state_dict": diverged}, task)
