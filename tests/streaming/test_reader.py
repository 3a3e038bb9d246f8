"""Reading streams: files, folders, addresses, a camera, what stalls and what cannot be opened."""

from __future__ import annotations

import http.server
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from mmdet_vis.data.sources import open_source
from mmdet_vis.errors import SourceError
from mmdet_vis.streaming import StreamFrame, StreamReader
from mmdet_vis.streaming.container import Clock
from mmdet_vis.streaming.reader import FrameBuffer, StalledError
from mmdet_vis.streaming.sources import describe, stream_name
from tests.tiny import moving_frames, write_frames


def encode(path: Path, number: int = 20, fps: int = 10) -> Path:
    """A video whose key frames come every five frames; the ending says the format."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"g": "5", "bf": "0"})
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        for frame in moving_frames(number):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        container.mux(stream.encode())
    return path


@contextmanager
def web(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A web server; yields its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_a_file_gives_the_frames_and_times_that_it_holds(tmp_path, ending):
    path = encode(tmp_path / f"clip.{ending}")
    with StreamReader(str(path)) as reader:
        assert (reader.name, reader.live) == ("clip", False)
        assert reader.fps == pytest.approx(10)
        frames = list(reader)
        assert reader.dropped == 0
    assert [frame.index for frame in frames] == list(range(20))
    assert [frame.time for frame in frames] == pytest.approx([t / 10 for t in range(20)], abs=2e-3)
    with open_source(path) as source:
        assert all(np.array_equal(a.image, b) for a, b in zip(frames, source.read(0, 20), strict=True))


def test_a_folder_is_read_in_natural_order_and_checked_as_it_goes(tmp_path):
    folder = write_frames(tmp_path / "clip", 12)
    (folder / "00003.png").rename(folder / "x3.png")
    with StreamReader(str(folder)) as reader:
        assert (reader.name, reader.fps) == ("clip", None)
        frames = list(reader)
    assert [frame.time for frame in frames] == [None] * 12
    expected = moving_frames(12)
    order = [t for t in range(12) if t != 3] + [3]
    assert all(np.array_equal(frame.image, expected[t]) for frame, t in zip(frames, order, strict=True))
    cv2.imwrite(str(folder / "00010.png"), np.zeros((10, 10, 3), np.uint8))
    read = []
    with StreamReader(str(folder)) as reader, pytest.raises(SourceError, match=r"00010\.png: is 10x10 but"):
        read.extend(reader)
    assert len(read) == 9


def test_a_damaged_file_gives_what_can_be_decoded_and_says_so(tmp_path):
    path = encode(tmp_path / "clip.mp4", 60)
    data = bytearray(path.read_bytes())
    path.write_bytes(data[: len(data) // 2])  # the index at the end is gone
    with pytest.raises(SourceError, match=r"clip\.mp4: cannot be read as a video"), StreamReader(str(path)):
        pass
    path = encode(tmp_path / "clip.ts", 60)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = bytes(3000)
    path.write_bytes(bytes(data))
    with StreamReader(str(path)) as reader:
        frames = list(reader)
    assert 30 <= len(frames) <= 60
    times = [frame.time for frame in frames]
    assert all(later > earlier for earlier, later in pairwise(times))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nowhere.mp4", "nowhere.mp4: no such file or folder"),
        ("", "no such file or folder"),
        ("gopher://host/a", "gopher://host/a: is no address"),
        ("rtsp://", "is no address to read from"),
    ],
)
def test_words_that_name_nothing(source, words):
    with pytest.raises(SourceError, match=words):
        StreamReader(source)


def test_addresses_that_give_nothing(tmp_path):
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        if request.path == "/text":
            request.send_response(200)
            request.end_headers()
            request.wfile.write(b"hello " * 1000)
        elif request.path == "/silent":
            time.sleep(5)
        else:
            request.send_error(404)

    with web(answer) as address:
        for path, words in (("/text", "cannot be opened as a video"), ("/none", "check the address")):
            with pytest.raises(SourceError, match=words), StreamReader(address + path):
                pass
        start = time.monotonic()
        with pytest.raises(SourceError, match="nothing came for"), StreamReader(f"{address}/silent", timeout=0.5):
            pass
        assert time.monotonic() - start < 4
    with socket.socket() as unused:  # bound, but nobody listens
        unused.bind(("127.0.0.1", 0))
        bad = f"rtsp://user:secret@127.0.0.1:{unused.getsockname()[1]}/live"
        with pytest.raises(SourceError, match=r"rtsp://127\.0\.0\.1.*check the address") as caught, StreamReader(bad):
            pass
    assert "secret" not in str(caught.value)


def test_a_playlist_from_the_network_cannot_read_local_files(tmp_path):
    clip = encode(tmp_path / "clip.ts")

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "application/vnd.apple.mpegurl")
        request.end_headers()
        text = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\nfile://{clip}\n#EXT-X-ENDLIST\n"
        request.wfile.write(text.encode())

    with web(answer) as address, pytest.raises(SourceError), StreamReader(f"{address}/a.m3u8", timeout=5) as reader:
        list(reader)


def test_a_file_on_a_web_server_loses_nothing_and_a_live_one_does_not_wait(tmp_path):
    video = encode(tmp_path / "clip.ts", 120, fps=30).read_bytes()

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.protocol_version = "HTTP/1.1"
        request.send_response(200)
        if request.path == "/clip.ts":
            request.send_header("Content-Length", str(len(video)))
            request.end_headers()
            request.wfile.write(video)
        else:  # in pieces, of which none says how many more there are
            request.send_header("Transfer-Encoding", "chunked")
            request.end_headers()
            request.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(video), video))
        request.close_connection = True

    with web(answer) as address:
        with StreamReader(f"{address}/clip.ts", buffer=8) as reader:
            assert not reader.live
            assert len([time.sleep(0.001) for _ in reader]) == 120
        with StreamReader(f"{address}/live", buffer=8) as reader:
            assert reader.live
            frames = iter(reader)
            read = [next(frames)]
            time.sleep(1.5)  # a window is segmented; meanwhile all the others have come
            read += frames
            assert len(read) + reader.dropped == 120
        assert 4 <= len(read) <= 9
        steps = np.diff([frame.index for frame in read[1:]])
        assert len(set(steps)) == 1
        assert read[-1].index > 100


def test_a_live_stream_that_stalls_gives_what_came_before(tmp_path):
    video = encode(tmp_path / "clip.ts", 60).read_bytes()

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(video)
        time.sleep(8)  # neither data nor an end

    read = []
    with web(answer) as address, StreamReader(f"{address}/live", timeout=1.5, buffer=200) as reader:
        start = time.monotonic()
        with pytest.raises(SourceError, match=r"stalled, no frame came for 1.5 s after frame \d+"):
            read.extend(reader)
        assert time.monotonic() - start < 6
    assert 40 <= len(read) <= 60


def test_standard_input_that_gives_nothing_useful(tmp_path, monkeypatch):
    read_end, write_end = os.pipe()
    with os.fdopen(read_end) as pipe, monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", pipe)
        with pytest.raises(SourceError, match="standard input: nothing came for"), StreamReader("-", timeout=0.5):
            pass
        os.write(write_end, b"hello " * 1000)
        os.close(write_end)
        with pytest.raises(SourceError, match="standard input: cannot be read as a video"), StreamReader("-"):
            pass


def test_a_file_on_standard_input_may_be_of_any_format(tmp_path, monkeypatch):
    """An mp4 whose index is at its end cannot be read from a pipe, but a file can be read backwards."""
    path = encode(tmp_path / "clip.mp4")
    assert path.read_bytes().index(b"moov") > path.read_bytes().index(b"mdat")
    with open(path) as file, monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", file)
        with StreamReader("-") as reader:
            assert reader.name == "stdin"
            assert [frame.index for frame in reader] == list(range(20))


def test_stop_ends_the_frames(tmp_path):
    stopped = False
    with StreamReader(str(encode(tmp_path / "clip.mp4")), stop=lambda: stopped) as reader:
        frames = iter(reader)
        assert next(frames).index == 0
        stopped = True
        assert next(frames, None) is None


def test_a_camera(tmp_path, monkeypatch):
    """OpenCV reads a file in place of the device; the rest is what a camera goes through."""
    path = str(encode(tmp_path / "clip.mp4"))
    real = cv2.VideoCapture
    asked = []

    def capture(number: int) -> cv2.VideoCapture:
        asked.append(number)
        return real(path)

    monkeypatch.setattr(cv2, "VideoCapture", capture)
    for source in ("3", "/dev/video3"):
        read = []
        with StreamReader(source, buffer=64) as reader:
            assert (reader.name, reader.live, reader.fps) == ("camera3", True, 10)
            with pytest.raises(SourceError, match="camera 3: gives no more frames after 20"):
                read.extend(reader)
        assert [frame.index for frame in read] == list(range(20))
        assert read[0].time == 0
        assert all(a.time < b.time for a, b in pairwise(read))
    assert asked == [3, 3]


def test_no_camera(capfd):
    with pytest.raises(SourceError, match=r"camera 97: cannot be opened.*\./97"), StreamReader("97"):
        pass
    assert capfd.readouterr() == ("", "")


def test_the_clock_bridges_jumps():
    clock = Clock(10)
    given = [5.0, 5.1, None, 5.3, 2.0, 2.1, 2.1, 2.5]
    assert [clock.seconds(stamp) for stamp in given] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 1.0])
    assert [Clock(None).seconds(None)] == [0]


def test_names(tmp_path):
    assert stream_name("rtsp://me:pw@cam.local:554/live/door.sdp?x=1") == "door"
    assert stream_name("http://10.0.0.1:8080/") == "10.0.0.1_8080"
    assert stream_name("0") == "camera0"
    assert stream_name("-") == "stdin"
    assert stream_name(str(tmp_path / "a.b.mp4")) == "a.b"
    assert describe("rtsp://me:p@w@cam/live?a=b@c") == "rtsp://cam/live?a=b@c"


def frame(index: int) -> StreamFrame:
    return StreamFrame(index, None, np.zeros((1, 1, 3), np.uint8))


def never() -> bool:
    return False


def take(buffer: FrameBuffer, number: int) -> list[int]:
    taken = [buffer.get(1.0, never) for _ in range(number)]
    return [item.index for item in taken if item is not None]


def test_live_frames_are_thinned_out_evenly():
    buffer = FrameBuffer(8, live=True)
    for index in range(100):
        assert buffer.put(frame(index))
    waiting = 100 - buffer.dropped
    assert 4 <= waiting <= 8
    left = take(buffer, waiting)
    assert left == list(range(0, 100, 16))  # from the first to nearly the last, in even steps
    # Once all are taken nothing is left out any more.
    for index in range(100, 108):
        buffer.put(frame(index))
    assert take(buffer, 8) == list(range(100, 108))
    assert buffer.dropped == 100 - waiting


@pytest.mark.parametrize("capacity", [1, 2, 3, 5, 32])
def test_a_live_buffer_never_holds_more_than_its_capacity(capacity):
    buffer = FrameBuffer(capacity, live=True)
    for index in range(200):
        buffer.put(frame(index))
        assert 1 <= index + 1 - buffer.dropped <= capacity


def test_a_reader_of_a_file_waits_and_nothing_is_lost():
    buffer = FrameBuffer(4, live=False)
    put = []

    def read() -> None:
        for index in range(20):
            buffer.put(frame(index))
            put.append(index)
        buffer.end()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    time.sleep(0.1)
    assert len(put) == 4
    assert take(buffer, 21) == list(range(20))
    assert buffer.get(1.0, never) is None
    assert buffer.dropped == 0
    thread.join(1)


def test_stalls_stops_errors_and_closing():
    buffer = FrameBuffer(2, live=False)
    start = time.monotonic()
    with pytest.raises(StalledError):
        buffer.get(0.3, never)
    assert 0.25 < time.monotonic() - start < 5
    assert buffer.get(60, lambda: True) is None
    buffer.put(frame(0))
    buffer.end(OSError("lost"))
    assert take(buffer, 1) == [0]  # what came before the error first
    with pytest.raises(OSError, match="lost"):
        buffer.get(1, never)
    assert buffer.get(1, never) is None
    buffer.close()
    assert not buffer.put(frame(1))


def test_closing_wakes_a_reader_that_waits():
    buffer = FrameBuffer(1, live=False)
    buffer.put(frame(0))
    outcome: list[bool] = []
    thread = threading.Thread(target=lambda: outcome.append(buffer.put(frame(1))), daemon=True)
    thread.start()
    time.sleep(0.05)
    buffer.close()
    thread.join(2)
    assert outcome == [False]
