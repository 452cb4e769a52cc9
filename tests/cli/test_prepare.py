import pytest

from pyg_video.cli.main import main


def test_a_whole_download(something_v1, capsys):
    assert main(["prepare", "--root", str(something_v1), "--version", "v1"]) == 0
    assert "10 whole, 0 with problems" in capsys.readouterr().out


def test_a_damaged_download_exits_with_2_and_lists_the_damage(something_v2, capsys):
    (something_v2 / "20bn-something-something-v2" / "104.webm").write_bytes(b"")
    assert main(["prepare", "--root", str(something_v2), "--version", "v2", "--splits", "train", "val"]) == 2
    printed = capsys.readouterr().out
    assert "8 whole, 1 with problems" in printed
    assert "train 104: an empty file" in printed
    assert ",104,an empty file," in (something_v2 / "pyg-video-problems-v2.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--root", "nowhere"], "a folder of videos or a list of them (got 'nowhere'"),
        (["--root", "nowhere", "--version", "v2"], "with something-something-v2-labels.json (got 'nowhere'"),
        (["--root", ".", "--splits", "val"], "Expected '--splits' with --version (got val alone)"),
        ([], "--root"),
        (["--root", ".", "--version", "v3"], "v3"),
        (["--root", ".", "--workers", "0"], "'workers' of at least 1"),
        (["--rot", "."], "--root"),
    ],
)
def test_mistakes_end_in_one_line_that_names_them(arguments, named, capsys):
    assert main(["prepare", *arguments]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("pyg-video: error: ")
    assert named in error


def test_a_stop_says_how_to_go_on(something_v2, monkeypatch, capsys):
    def stop(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("pyg_video.cli.prepare.prepare", stop)
    assert main(["prepare", "--root", str(something_v2), "--version", "v2"]) == 130
    assert "the next run resumes from here" in capsys.readouterr().err


def test_a_traceback_on_request(monkeypatch):
    monkeypatch.setenv("PYG_VIDEO_TRACEBACK", "1")
    with pytest.raises(FileNotFoundError):
        main(["prepare", "--root", "nowhere"])


def test_help_lists_the_options(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["prepare", "--help"])
    assert ended.value.code == 0
    assert "--workers" in capsys.readouterr().out


def test_a_folder_of_videos(make_video, tmp_path, capsys):
    for name in ("bird/1.webm", "plane/1.webm"):
        (tmp_path / name).parent.mkdir()
        make_video(tmp_path / name, 3)
    assert main(["prepare", "--root", str(tmp_path)]) == 0
    assert "2 whole, 0 with problems" in capsys.readouterr().out


def test_something_something_is_taken_for_no_folder_of_videos(something_v2, capsys):
    assert main(["prepare", "--root", str(something_v2)]) == 2
    assert "Expected '--version' v1 or v2 for Something-Something in" in capsys.readouterr().err
