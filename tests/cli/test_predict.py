import csv
import json
import signal
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from pyg_video.checkpoints import shipped_checkpoint
from pyg_video.cli.main import main
from pyg_video.cli.predict import _unused, is_on_files
from pyg_video.datasets import decode_frames, probe_video
from pyg_video.visualization import save_mp4

SHIPPED = "dyreg_gnn_small"


@pytest.fixture
def clips(digit_videos):
    return digit_videos(3)


@pytest.fixture
def told(tmp_path):
    """The videos in the JSON file."""
    return lambda: json.loads((tmp_path / "out" / "predictions.json").read_text())["videos"]


@pytest.fixture
def command(capsys, tmp_path):
    def run(*arguments):
        code = main(["predict", *map(str, arguments), "--output", str(tmp_path / "out")])
        return code, *capsys.readouterr()

    return run


def test_one_command_tells_and_draws(command, clips, tmp_path):
    paths, batch, names = clips
    code, printed, error = command(*paths[:2], "--checkpoint", SHIPPED, "--top", 2)
    assert (code, error) == (0, "")
    first, *_ = printed.splitlines()
    assert first == str(paths[0])
    rows = list(csv.DictReader((tmp_path / "out" / "predictions.csv").read_text().splitlines()))
    assert [(row["video"], row["rank"]) for row in rows] == [(str(path), rank) for path in paths[:2] for rank in "12"]
    assert rows[0]["name"] == names[batch.label[0]]
    assert decode_frames(tmp_path / "out" / "0_regions.mp4", [0]).shape[1] == 3


def test_a_damaged_video_alone_is_one_line(command, tmp_path):
    (tmp_path / "empty.mp4").write_bytes(b"")
    code, printed, error = command(tmp_path / "empty.mp4", "--checkpoint", SHIPPED)
    assert (code, printed, error.count("\n")) == (2, "", 1)
    assert error.startswith(
        f"pyg-video: error: Expected a whole video in '{tmp_path / 'empty.mp4'}' (got an empty file"
    )


def test_among_others_it_is_listed_and_skipped(command, clips, tmp_path):
    paths, *_ = clips
    (tmp_path / "empty.mp4").write_bytes(b"")
    code, printed, error = command(tmp_path / "empty.mp4", paths[0], "--checkpoint", SHIPPED)
    assert code == 2
    assert error.splitlines() == [f"skipped {tmp_path / 'empty.mp4'}: an empty file", "1 of 2 videos skipped"]
    assert str(paths[0]) in printed


@pytest.fixture
def holed(make_video, tmp_path):
    """A video with zeros in its last frames, which are not among those that are classified."""
    import av

    path = make_video(tmp_path / "holed.mp4", 40, codec="libx264")
    with av.open(str(path)) as container:
        packets = sorted((packet.pts, packet.pos, packet.size) for packet in container.demux(video=0) if packet.size)
    content = bytearray(path.read_bytes())
    for _, place, size in packets[-1:]:
        content[place : place + size] = bytes(size)
    path.write_bytes(content)
    return path


def test_damage_anywhere_is_met_as_asked_for(command, holed, clips):
    paths, *_ = clips
    code, _, error = command(holed, "--checkpoint", SHIPPED)
    assert (code, error.count("\n")) == (2, 1)
    assert "a damaged file, at frame" in error
    code, _, error = command(holed, paths[0], "--checkpoint", SHIPPED)
    assert code == 2
    assert error.startswith(f"skipped {holed}: a damaged file, at frame")
    code, printed, error = command(holed, "--checkpoint", SHIPPED, "--on-corrupt", "warn")
    assert (code, error.count("\n")) == (0, 1)
    assert error.startswith(f"warning: '{holed}' has damaged frames")
    code, again, error = command(holed, "--checkpoint", SHIPPED, "--on-corrupt", "skip")
    assert (code, again, error) == (0, printed, "")


def test_names_print_no_control_characters(command, holed, tmp_path):
    odd = holed.rename(tmp_path / f"a\x1b[31m{holed.suffix}")
    for answer, code in (("raise", 2), ("warn", 0)):
        got, printed, error = command(odd, "--checkpoint", SHIPPED, "--on-corrupt", answer)
        assert (got, error.count("\n")) == (code, 1)
        assert r"a\x1b[31m" in error
        assert {sign for sign in printed + error if not sign.isprintable()} <= {"\n"}


def test_files_that_are_no_video_are_skipped_one_by_one(command, clips, tmp_path):
    paths, *_ = clips
    for name, content in (("a.txt", "words\n" * 99), ("b.mp4", "ffconcat version 1.0\nfile '0.mp4'\n")):
        (tmp_path / name).write_text(content)
    code, printed, error = command(tmp_path / "a.txt", paths[0], tmp_path / "b.mp4", "--checkpoint", SHIPPED)
    assert code == 2
    assert [line.split(":")[0] for line in error.splitlines()] == [
        f"skipped {tmp_path / 'a.txt'}",
        f"skipped {tmp_path / 'b.mp4'}",
        "2 of 3 videos skipped",
    ]
    assert str(paths[0]) in printed


def test_videos_of_one_name_are_drawn_into_files_of_their_own(command, clips, tmp_path):
    paths, *_ = clips
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / "0.mp4"
    twin.write_bytes(paths[0].read_bytes())
    assert command(paths[0], twin, "--checkpoint", SHIPPED)[0] == 0
    assert {path.name for path in (tmp_path / "out").glob("*.mp4")} == {"0_regions.mp4", "0_2_regions.mp4"}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--checkpoint", "nowhere.safetensors"], "nowhere.safetensors"),
        ([], "--checkpoint"),
        (["--checkpoint", SHIPPED, "--views", "2"], "'views'"),
        (["--checkpoint", SHIPPED, "--top", "0"], "'--top'"),
        (["--checkpoint", SHIPPED, "--on-corrupt", "ignore"], "'on_corrupt' to be one of 'raise', 'warn', 'skip'"),
        (["--checkpoint", SHIPPED, "--device", "abacus"], "'device'"),
        (["--checkpoint", SHIPPED, "--every", "1"], "Expected '--every' with --window or --stream"),
        (["--checkpoint", SHIPPED, "--window", "0"], "Expected 'window' above 0"),
        (["--checkpoint", SHIPPED, "--stream", "--window", "1"], "Expected '--stream' without '--window'"),
        (["--checkpoint", SHIPPED, "--draw", "hulls"], "'draw' to be one of 'boxes', 'paths', 'kernels', 'none'"),
        (["--checkpoint", SHIPPED, "--audio", "loud"], "'audio' to be one of 'drop', 'keep'"),
        (["--checkpoint", SHIPPED, "--graph", "head"], "'graph' to be one of 'head.builder'"),
        (
            ["--checkpoint", "cnn_small", "--graph", "head"],
            "Expected no 'graph' for a model without graphs (got 'head'",
        ),
        (["--checkpoint", SHIPPED, "--draw", "none,boxes"], "'draw' to be one of 'boxes', 'paths', 'kernels' (got"),
        (["--checkpoint", SHIPPED, "--draw", "none", "--audio", "keep"], "with a film (got --draw none)"),
        (["--checkpoint", SHIPPED, "--draw", "none", "--graph", "head.builder"], "with a film (got --draw none)"),
        (["--checkpoint", SHIPPED, "--device", "meta"], "'device' to be auto"),
        (["--checkpoint", "dyreg_gnn_smal"], "a shipped model (cnn_small, dyreg_gnn_small, rstg_residual_small, "),
    ],
)
def test_mistakes_end_in_one_line(command, clips, arguments, named):
    code, _, error = command(clips[0][0], *arguments)
    assert (code, error.count("\n")) == (2, 1), error
    assert named in error


def test_videos_of_the_same_name_are_drawn_to_files_of_their_own(tmp_path):
    taken = {tmp_path / "clip_2_regions.mp4"}
    targets = [_unused(tmp_path, Path(folder) / "clip.mp4", taken) for folder in ("a", "b", "c")]
    assert [target.name for target in targets] == ["clip", "clip_3", "clip_4"]


def test_options_stand_before_or_behind_the_videos(command, clips, told):
    paths, *_ = clips
    for arguments in (
        ("--checkpoint", SHIPPED, *paths[:2]),
        (*paths[:2], "--checkpoint", SHIPPED),
        (paths[0], "--checkpoint", SHIPPED, paths[1]),
        ("--top=1", paths[0], paths[1], f"--checkpoint={shipped_checkpoint(SHIPPED)}"),
    ):
        code, _, error = command(*arguments)
        assert (code, error) == (0, "")
        assert [video["video"] for video in told()] == [str(path) for path in paths[:2]]


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        (["clip.mp4", "--checkpoint", "a.ckpt"], True),
        (["--checkpoint", "a.ckpt", "clip.mp4"], True),
        (["--checkpoint=a.ckpt", "--top", "1", "clip.mp4"], True),
        (["-", "--checkpoint", "a.ckpt"], True),
        (["--checkpoint", "a.ckpt", "-"], True),
        (["--help"], True),
        ([], True),
        (["--config", "run.yaml", "--ckpt_path", "a.ckpt"], False),
        (["--config=run.yaml"], False),
        (["--data.batch_size=4", "--ckpt_path=a.ckpt"], False),
        (["--checkpoint.monitor", "val/acc", "--trainer.devices=1"], False),
    ],
)
def test_files_and_data_sets_are_told_apart(arguments, files):
    assert is_on_files(arguments) == files


def test_the_film_is_the_video_with_its_regions(command, make_video, tmp_path, told):
    path = make_video(tmp_path / "clip.mkv", codec="ffv1", height=97, width=131)
    code, printed, error = command(path, "--checkpoint", SHIPPED, "--sheet", "--draw", "boxes,kernels")
    assert (code, error) == (0, "")
    names = ("clip_regions.mp4", "clip_sheet.png")
    assert printed.splitlines()[-3:-1] == [f"  wrote {tmp_path / 'out' / name}" for name in names]
    assert all((tmp_path / "out" / name).is_file() for name in names)
    assert probe_video(tmp_path / "out" / "clip_regions.mp4") == (12, pytest.approx(12, abs=0.01), 98, 132)
    (video,) = told()
    assert (video["width"], video["height"]) == (131, 97)


def test_windows_are_told_drawn_and_written(command, clips, told, tmp_path):
    paths, *_ = clips
    code, printed, error = command("--window", 0.8, "--every", 0.4, paths[0], "--checkpoint", SHIPPED, "--top", 1)
    assert (code, error) == (0, "")
    assert [line.split(" s ")[0].split() for line in printed.splitlines()[1:4]] == [
        ["0.0", "to", "0.8"],
        ["0.4", "to", "1.2"],
        ["0.8", "to", "1.6"],
    ]
    (video,) = told()
    assert [window["start"] for window in video["windows"]] == [0, 0.4, 0.8]
    rows = list(csv.DictReader((tmp_path / "out" / "predictions.csv").read_text().splitlines()))
    assert [row["end"] for row in rows] == ["0.800", "1.200", "1.600"]


def test_a_stream_is_told_drawn_and_written(command, clips, told):
    paths, *_ = clips
    code, _, error = command(paths[0], "--stream", "--every", 0.8, "--checkpoint", SHIPPED, "--draw", "none")
    assert (code, error) == (0, "")
    (video,) = told()
    assert [len(window["frames"]) for window in video["windows"]] == [4, 4]
    assert video["classes"] == video["windows"][-1]["classes"]


def test_a_folder_a_pattern_and_bytes(command, clips, told, tmp_path, monkeypatch):
    paths, *_ = clips
    given = ("--checkpoint", SHIPPED, "--draw", "none", "--top", 1)
    assert command(tmp_path, *given)[0] == 0
    assert [video["video"] for video in told()] == [str(path) for path in paths]
    assert command(tmp_path / "[12].mp4", paths[0], *given)[0] == 0
    assert [video["video"] for video in told()] == [str(paths[k]) for k in (1, 2, 0)]
    with paths[0].open("rb") as file:
        monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": file, "isatty": lambda self: False})())
        assert command("-", *given)[0] == 0
    assert [video["video"] for video in told()] == ["-"]


def test_a_grey_model_on_colours_prints_one_sentence(command, tmp_path):
    path = save_mp4(tmp_path / "green.mp4", torch.tensor([0.1, 0.8, 0.1]).view(1, 3, 1, 1).expand(6, 3, 48, 64))
    code, _, error = command(path, "--checkpoint", SHIPPED)
    assert (code, error.count("\n")) == (0, 1)
    assert error.startswith(f"warning: '{path}' is in colour, and the model was made for something else")


def test_results_never_replace_a_video(command, clips, tmp_path):
    paths, *_ = clips
    given = tmp_path / "0_regions.mp4"
    given.write_bytes(paths[1].read_bytes())
    assert main(["predict", str(paths[0]), str(given), "--checkpoint", SHIPPED, "--output", str(tmp_path)]) == 0
    assert given.read_bytes() == paths[1].read_bytes()
    assert (tmp_path / "0_2_regions.mp4").is_file()


def test_an_address_is_opened_with_stream_only(command, make_video, tmp_path, told):
    make_video(tmp_path / "clip.mkv", codec="libx264", rate=25, height=96, width=128)
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{server.server_address[1]}/clip.mkv"
        code, printed, error = command(f"http://me:secret@{address}", "--stream", "--checkpoint", SHIPPED)
        assert code == 0
        assert printed.splitlines()[0] == f"http://{address}"
        assert "secret" not in printed + error + (tmp_path / "out" / "predictions.json").read_text()
        (video,) = told()
        assert (video["video"], video["width"], video["height"]) == (f"http://{address}", 128, 96)
        shown = sum(len(window["frames"]) for window in video["windows"])
        assert shown + video["dropped"] == 12
        assert probe_video(tmp_path / "out" / "clip_regions.mp4").num_frames == shown
        server.shutdown()
    code, _, error = command(f"http://me:secret@{address}", "--checkpoint", SHIPPED)
    assert (code, error.count("\n")) == (2, 1)
    assert f"no camera and no address is opened without --stream (got 'http://{address}')" in error
    code, _, error = command("0", "http://a/b", "--stream", "--checkpoint", SHIPPED)
    assert (code, error.count("\n")) == (2, 1)
    assert "Expected a single camera or address" in error


@pytest.mark.slow
def test_stopped_by_hand_everything_so_far_is_whole(make_video, tmp_path, told):
    def again(number, height, width):
        return make_video.__globals__["frame"](number % 40, height, width)

    path = make_video(tmp_path / "long.mp4", 1500, codec="libx264", rate=25, height=96, width=128, frame=again)
    options = ["--checkpoint", SHIPPED, "--window", "2", "--output", str(tmp_path / "out")]
    code = (
        "import signal, sys; from pyg_video.cli.main import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"sys.exit(main({['predict', str(path), *options]!r}))"
    )
    command = [sys.executable, "-W", "ignore", "-u", "-c", code]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(6):  # the name and five windows
        running.stdout.readline()
    running.send_signal(signal.SIGINT)
    _, error = running.communicate(timeout=60)
    assert running.returncode == 130, error
    assert error == "Stopped; what was written so far is kept.\n"
    (video,) = told()
    assert not video["complete"]
    assert 5 <= len(video["windows"]) < 59
    film = tmp_path / "out" / "long_regions.mp4"
    num_frames = probe_video(film).num_frames
    assert 50 < num_frames < 1500
    assert len(decode_frames(film, [num_frames - 1])) == 1
