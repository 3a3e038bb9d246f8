"""Weights by name and by address: where they are looked for, and what is fetched, kept and refused."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from mmdet_vis.api import load_model
from mmdet_vis.errors import CheckpointError
from mmdet_vis.weights import find
from mmdet_vis.weights.checkpoint import read_state_dict
from mmdet_vis.weights.find import DEFAULT_NAME, find_weights, home

CONTENT = save({"a": torch.arange(4.0), "b": torch.zeros(1000)})
SHA256 = hashlib.sha256(CONTENT).hexdigest()
COMMIT = "0123456789" * 4


class Server(ThreadingHTTPServer):
    """What a web server and the hub would answer; counts the downloads of each path."""

    daemon_threads = True

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"/weights.safetensors": CONTENT}
        self.cut: set[str] = set()
        self.silent = threading.Event()
        self.gets: Counter[str] = Counter()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self.answer(send=False)

    def do_GET(self) -> None:
        self.server.gets[self.path] += 1
        self.answer(send=True)

    def answer(self, send: bool) -> None:
        if self.path == "/silent":
            self.server.silent.wait(30)
        content = self.server.files.get(self.path)
        if content is None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if send:
            self.wfile.write(content[:100] if self.path in self.server.cut else content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.silent.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and a home of its own."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("MMDET_VIS_HOME", str(tmp_path / "home"))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def kept(folder: Path) -> list[Path]:
    """What is in the home, but for locks."""
    return [path for path in (folder / "home").rglob("*") if path.is_file() and path.name != ".lock"]


def test_names_are_looked_for_in_order(folder):
    name = "net.safetensors"
    for place in ("home", "work/pretrained", "work"):
        (folder / place).mkdir(exist_ok=True)
        (folder / place / name).write_bytes(CONTENT)
        for given in (name, f"pretrained/{name}"):
            found = find_weights(given).resolve()
            wanted = "work/pretrained" if given != name and place == "work" else place
            assert found == (folder / wanted / name).resolve()
    assert find_weights("net") == Path("pretrained/net.safetensors"), "an ending may be left out"


def test_the_default_model_has_a_name(repository):
    assert find_weights(DEFAULT_NAME.removesuffix(".safetensors")) == repository / "pretrained" / DEFAULT_NAME


def test_the_home_is_the_users_cache_folder_unless_it_is_named(folder, monkeypatch):
    assert home() == folder / "home"
    monkeypatch.delenv("MMDET_VIS_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setattr(find.platformdirs, "user_cache_dir", lambda name, appauthor: f"cache of {name}")
    assert home() == Path("cache of mmdet_vis")


def test_what_is_not_there_names_the_nearest(folder):
    with pytest.raises(CheckpointError, match=r"^checkpoint seq_mask_rcnn_lite0_stils does not exist.*did you mean "):
        find_weights("seq_mask_rcnn_lite0_stils")
    with pytest.raises(CheckpointError, match=r"^checkpoint no/net.pth does not exist: check the path"):
        find_weights("no/net.pth")


def test_an_address_is_fetched_once(server, folder):
    address = f"{server.address}/weights.safetensors#sha256={SHA256.upper()}"
    first = find_weights(address)
    assert first.read_bytes() == CONTENT
    assert find_weights(address) == first
    assert server.gets == {"/weights.safetensors": 1}
    assert kept(folder) == [first]
    server.files["/other/weights.safetensors"] = CONTENT
    other = find_weights(f"{server.address}/other/weights.safetensors#sha256={SHA256}")
    assert other != first, "another address may give another file of that name"


def test_a_model_is_loaded_by_address(server, tiny):
    server.files["/tiny.pth"] = content = tiny[1].read_bytes()
    checksum = hashlib.sha256(content).hexdigest()
    model = load_model(tiny[0], f"{server.address}/tiny.pth#sha256={checksum}", device="cpu")
    weight = read_state_dict(tiny[1])["bbox_head.fc_cls.weight"]
    assert torch.equal(model.network.bbox_head.fc_cls.weight, weight)


def test_two_at_once_fetch_once(server):
    address = f"{server.address}/weights.safetensors#sha256={SHA256}"
    with ThreadPoolExecutor(4) as threads:
        found = set(threads.map(find_weights, [address] * 4))
    assert len(found) == 1
    assert server.gets == {"/weights.safetensors": 1}


def test_https_needs_no_checksum(monkeypatch):
    asked = []

    def download(address, file, progress):
        asked.append((address, socket.getdefaulttimeout()))
        Path(file).write_bytes(CONTENT)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    assert find_weights("https://host/a%20net.pth?x=1").name == "a_net.pth"
    assert asked == [("https://host/a%20net.pth?x=1", find.TIMEOUT)]
    assert socket.getdefaulttimeout() is None


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/weights.safetensors", "http:// can be tampered with on its way: use https://, or add #sha256="),
        (f"/weights.safetensors#sha256={'0' * 64}", f"has sha256 {SHA256}, not {'0' * 64}: it is another file"),
        ("/weights.safetensors#sha256=12ab", "a sha256 has 64 hexadecimal digits, this one has 4"),
        (f"/weights.safetensors#md5={'0' * 32}", "only #sha256=... may follow"),
        (f"/none.pth#sha256={SHA256}", "HTTP Error 404|Not Found"),
    ],
)
def test_what_is_refused(server, folder, address, words):
    with pytest.raises(CheckpointError, match=words.replace("(", r"\(")) as caught:
        find_weights(server.address + address)
    assert "\n" not in str(caught.value)
    assert kept(folder) == []


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("page", b"<!doctype html><html></html>", "it looks like a web page"),
        ("pickle", b"\x80\x02cos\nsystem\nq\x00X\x04\x00\x00\x00trueq\x01\x85q\x02Rq\x03.", "plain Python pickle"),
        ("cut", CONTENT, "damaged safetensors file: download it again"),
    ],
)
def test_what_is_no_checkpoint_is_not_kept(server, folder, monkeypatch, name, content, words):
    server.files[f"/{name}"] = content
    if name == "cut":
        server.cut.add("/cut")
    monkeypatch.setattr(find, "_check", lambda *_: None)
    address = f"{server.address}/{name}"
    with pytest.raises(CheckpointError, match=words) as caught:
        find_weights(f"{address}#sha256={SHA256}")
    assert str(caught.value).startswith(address)
    assert kept(folder) == []


def test_no_network_is_one_line(server, folder, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/a.pth"
        with pytest.raises(CheckpointError, match=rf"^cannot fetch {re.escape(address)}: .*Connection refused.*put it"):
            find_weights(f"{address}#sha256={SHA256}")
    monkeypatch.setattr(find, "TIMEOUT", 0.3)
    started = time.monotonic()
    with pytest.raises(CheckpointError, match=r"^cannot fetch .*/silent: .*timed out"):
        find_weights(f"{server.address}/silent#sha256={SHA256}")
    assert time.monotonic() - started < 20


@pytest.fixture
def hub(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    server.files["/org/name/resolve/main/sub/net.safetensors"] = CONTENT
    server.files["/org/name/resolve/v1/sub/net.safetensors"] = CONTENT
    return server


@pytest.mark.parametrize("revision", ["main", "v1"])
def test_a_file_on_the_hub_is_fetched_once(hub, folder, revision):
    name = "org/name" if revision == "main" else "org/name@v1"
    address = f"hf://{name}/sub/net.safetensors"
    found = find_weights(address)
    assert found.read_bytes() == CONTENT
    assert folder / "home" in found.parents
    hub.files.clear()
    assert find_weights(f"{address}#sha256={SHA256}") == found
    assert find_weights(Path(address)) == found, "a Path has one slash"
    assert sum(count for path, count in hub.gets.items() if "/resolve/" in path) == 1


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("hf://org/name", "is not the address of a file: write hf://ORG/NAME/FILE"),
        ("hf://org/name/none.safetensors", "^cannot fetch hf://org/name/none.safetensors: "),
        (f"hf://org/name/sub/net.safetensors#sha256={'0' * 64}", "it is another file"),
    ],
)
def test_what_the_hub_does_not_have_is_one_line(hub, address, words):
    with pytest.raises(CheckpointError, match=words) as caught:
        find_weights(address)
    assert "\n" not in str(caught.value)


def test_no_hub_is_one_line(folder, monkeypatch, caplog):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between the hub's attempts
        with pytest.raises(CheckpointError, match=r"^cannot fetch hf://org/name/net.pth: ") as caught:
            find_weights("hf://org/name/net.pth")
    assert "\n" not in str(caught.value)
    assert not [record for record in caplog.records if record.name.startswith("huggingface_hub")]
