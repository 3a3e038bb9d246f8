"""A camera on the network: a small RTSP server that sends an MPEG transport stream over TCP at its own pace."""

from __future__ import annotations

import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from mmdet_vis.streaming import StreamReader
from tests.tiny import moving_frames

NUMBER, FPS = 60, 30
SDP = b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:track0\r\n"
TS_PACKET = 188


class Camera(socketserver.StreamRequestHandler):
    """One client: answers its requests, then sends the video within twice its duration."""

    video = b""

    def handle(self) -> None:
        while True:
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                line = self.rfile.readline()
                if not line:
                    return
                request += line
            method = request.split(b" ", 1)[0]
            number = next(line for line in request.split(b"\r\n") if line.lower().startswith(b"cseq"))
            self.answer(method, number)
            if method == b"PLAY":
                self.send()
                return

    def answer(self, method: bytes, number: bytes) -> None:
        extra, body = b"", b""
        if method == b"OPTIONS":
            extra = b"Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        elif method == b"DESCRIBE":
            extra, body = b"Content-Type: application/sdp\r\nContent-Length: %d\r\n" % len(SDP), SDP
        elif method == b"SETUP":
            extra = b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
        self.wfile.write(b"RTSP/1.0 200 OK\r\n" + number + b"\r\n" + extra + b"\r\n" + body)

    def send(self) -> None:
        pieces = [self.video[i : i + 7 * TS_PACKET] for i in range(0, len(self.video), 7 * TS_PACKET)]
        for sequence, piece in enumerate(pieces):
            stamp = int(90_000 * sequence / len(pieces) * NUMBER / FPS)
            packet = struct.pack(">BBHII", 0x80, 33, sequence & 0xFFFF, stamp, 1) + piece
            self.wfile.write(struct.pack(">BBH", ord("$"), 0, len(packet)) + packet)
            time.sleep(NUMBER / FPS / 2 / len(pieces))


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path: Path = tmp_path_factory.mktemp("rtsp") / "clip.ts"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"g": "10", "bf": "0"})
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        for frame in moving_frames(NUMBER):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        container.mux(stream.encode())
    Camera.video = path.read_bytes()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Camera) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"rtsp://user:secret@127.0.0.1:{server.server_address[1]}/live/door"
        server.shutdown()


def test_a_camera_on_the_network_until_it_hangs_up(camera):
    with StreamReader(camera, timeout=5, buffer=100) as reader:
        assert (reader.name, reader.live) == ("door", True)
        frames = list(reader)
        assert reader.dropped == 0
    assert NUMBER - 10 <= len(frames) <= NUMBER
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert frames[-1].time == pytest.approx((len(frames) - 1) / FPS, abs=0.1)
    assert frames[0].image.shape == (64, 96, 3)
