import http.server
import threading
import time
from functools import partial

import pytest
import torch

from pyg_video.datasets import VideoFileError
from pyg_video.datasets.video import live as module
from pyg_video.datasets.video.live import LiveVideo, is_live, shown_name, source_frames


def picture(number):
    return torch.full((3, 4, 4), number, dtype=torch.uint8)


def paced(count, step=0.02, lost_at=None):
    """Frames at their times; the source may be lost on the way."""

    def frames():
        for number in range(count):
            if number == lost_at:
                raise VideoFileError.of("camera", "no more bytes", "wait")
            yield number * step, partial(picture, number)

    return frames


@pytest.fixture
def server(tmp_path):
    """The address of a folder."""
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=str(tmp_path))) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def test_frames_come_in_order_at_their_times():
    with LiveVideo("camera", paced(10)) as live:
        times, frames = zip(*live, strict=True)
    assert [int(frame[0, 0, 0]) for frame in frames] == list(range(10))
    assert times[0] == 0
    assert times[-1] == pytest.approx(0.18, abs=0.1)
    assert live.dropped == 0


def test_the_oldest_are_dropped_and_counted_where_nobody_takes_them_in_time():
    seen = []
    with LiveVideo("camera", paced(40, 0.005), capacity=3) as live:
        for _, frame in live:
            seen.append(int(frame[0, 0, 0]))
            time.sleep(0.05)
    assert seen == sorted(seen)
    assert seen[-1] == 39  # the latest are kept
    assert live.dropped == 40 - len(seen) > 10


def test_a_source_that_is_lost_is_opened_again():
    messages, opened = [], []

    def frames():
        opened.append(len(opened))
        return paced(6, lost_at=3 if len(opened) < 3 else None)()

    with LiveVideo("camera", frames, wait=0.01, tell=messages.append) as live:
        times, found = zip(*live, strict=True)
    assert [int(frame[0, 0, 0]) for frame in found] == [0, 1, 2, 0, 1, 2, 0, 1, 2, 3, 4, 5]
    assert list(times) == sorted(times)
    assert messages == ["camera: no more bytes; opening it again, attempt 1 of 3"] * 2  # a frame came in between


def test_after_all_attempts_it_is_an_error():
    messages = []
    live = LiveVideo("camera", paced(3, lost_at=0), wait=0.01, tell=messages.append)
    with live, pytest.raises(VideoFileError, match="no more bytes"):
        next(iter(live))
    assert len(messages) == 3


def test_leaving_it_ends_the_thread_at_once():
    with LiveVideo("camera", paced(1000, 10.0)) as live:
        next(iter(live))
    assert not live._thread.is_alive()


def test_other_errors_reach_who_takes_the_frames():
    def frames():
        yield 0.0, partial(picture, 0)
        raise ModuleNotFoundError("no package")

    with LiveVideo("camera", frames) as live, pytest.raises(ModuleNotFoundError, match="no package"):
        list(live)


def test_a_file_behind_an_address_is_read(make_video, tmp_path, server):
    make_video(tmp_path / "clip.mkv", codec="libx264", rate=25)
    times, frames = zip(*((moment, show()) for moment, show in source_frames(f"{server}/clip.mkv")), strict=True)
    assert len(frames) == 12
    assert frames[0].shape == (3, 48, 64)
    torch.testing.assert_close(torch.tensor(times), torch.arange(12) / 25, atol=2e-3, rtol=0)


def test_a_connection_that_breaks_is_an_error_and_no_end(make_video, tmp_path):
    content = make_video(tmp_path / "clip.ts", 60, codec="libx264", rate=25, frame=noise).read_bytes()

    class Half(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Half) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        seen = []
        with pytest.raises(VideoFileError, match="check that it is there"):
            seen.extend(moment for moment, _ in source_frames(f"http://127.0.0.1:{running.server_address[1]}/clip.ts"))
        running.shutdown()


def noise(number, height, width):
    return torch.randint(256, (height, width, 3), dtype=torch.uint8).numpy()


def test_an_address_that_leads_nowhere_is_named_without_its_password(server):
    address = f"{server}/nothing.mkv".replace("//", "//me:secret@")
    with pytest.raises(VideoFileError, match="/nothing.mkv.*check that it is there") as caught:
        next(source_frames(address))
    assert "secret" not in str(caught.value)
    assert shown_name(address) == f"{server}/nothing.mkv"


@pytest.mark.parametrize("source", ["file://{}", "concat:{}", "subfile,,start,0,end,0,,:{}", "data://text/plain,{}"])
def test_nothing_on_this_machine_is_opened(make_video, tmp_path, source):
    path = make_video(tmp_path / "clip.mkv", codec="libx264")
    with pytest.raises(VideoFileError):
        next(source_frames(source.format(path)))


def test_a_playlist_from_elsewhere_opens_no_file_here(make_video, tmp_path, server):
    (tmp_path / "here").mkdir()
    path = make_video(tmp_path / "here" / "secret.ts", codec="libx264")
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:2", "#EXTINF:1,", f"file://{path}", "#EXT-X-ENDLIST", ""]
    (tmp_path / "list.m3u8").write_text("\n".join(lines))
    with pytest.raises(VideoFileError):
        list(source_frames(f"{server}/list.m3u8"))


def test_cameras_are_opened_by_number(monkeypatch):
    import av

    asked = []
    monkeypatch.setattr(av, "open", lambda *given, **how: asked.append((given, how)))
    for platform in ("linux", "darwin"):
        monkeypatch.setattr(module.sys, "platform", platform)
        module._opened("1")
    assert [(given[0], how["format"]) for given, how in asked] == [("/dev/video1", "v4l2"), ("1", "avfoundation")]
    monkeypatch.setattr(module.sys, "platform", "win32")
    with pytest.raises(VideoFileError, match="a camera on win32, where linux, darwin are known"):
        module._opened("1")


def test_names_of_cameras_and_addresses():
    assert [is_live(name) for name in ("0", "12", "rtsp://a/b", "http://a", "clip.mp4", "C:\\a.mp4", "-")] == [
        *[True] * 4,
        *[False] * 3,
    ]


def test_a_clock_that_is_set_forward_costs_one_wait(monkeypatch):
    monkeypatch.setattr("pyg_video.datasets.video.live._LONGEST", 0.2)
    times = [0.0, 0.02, *(3600 + 0.02 * k for k in range(10))]
    began = time.monotonic()
    with LiveVideo("camera", lambda: iter([(at, lambda: torch.zeros(3, 8, 8)) for at in times]), capacity=20) as live:
        assert len(list(live)) == 12
    assert time.monotonic() - began < 1.5  # waits of 0.2 s for each would be 2 s
