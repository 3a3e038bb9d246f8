"""Videos, the list and the results in an object store: a real server of S3's protocol on this machine."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmdet_vis.batch.manifest import list_videos
from mmdet_vis.commands import batch
from mmdet_vis.errors import ConfigError, OutputError
from mmdet_vis.files.storage import open_storage
from tests.batch.cases import contents, everything_ended, model_arguments, run, write_list
from tests.batch.servers import serve_clips
from tests.tiny import write_frames
from tests.tool_runs import family, wait_for

missing = [name for name in ("moto", "s3fs", "flask") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}: pip install s3fs 'moto[server]'"),
]


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The address of an empty bucket."""
    import boto3
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
        boto3.client("s3").create_bucket(Bucket="videos")
        yield "s3://videos"
        s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def upload(bucket: str, folder: Path) -> None:
    storage = open_storage(bucket)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            storage.write(path.relative_to(folder).as_posix(), path.read_bytes())


def download(address: str) -> dict[str, bytes]:
    import fsspec

    system, root = fsspec.core.url_to_fs(address)
    system.invalidate_cache()
    names = [path for path in system.find(root) if not path.endswith(("status.parquet", "report.json"))]
    return {path[len(root) + 1 :]: system.cat_file(path) for path in names}


def test_a_batch_in_a_bucket_is_one_on_the_disk(tiny, bucket, tmp_path, capsys):
    videos = write_list(tmp_path / "in", (3, 30, 4))
    (tmp_path / "in" / "clip02.mp4").write_bytes(b"no video")
    upload(f"{bucket}/in", tmp_path / "in")
    out = f"{bucket}/out"
    formats = {"formats": ("json", "overlay"), "chunk": 12}
    assert run(tiny, videos, tmp_path / "here", **formats) == 3
    assert run(tiny, f"{bucket}/in/videos.jsonl", out, **formats) == 3
    told = capsys.readouterr().out
    assert "2 of 3 videos done, 33 frames" in told
    assert f"results (results.json, sequences.parquet): {out}" in told
    assert "failed: 1: cannot be read as a video; it is damaged, cut short or not a video file" in told
    assert download(out) == contents(tmp_path / "here")
    with pytest.raises(OutputError, match="a batch with 2 finished videos: resume=True goes on with it"):
        run(tiny, f"{bucket}/in/videos.jsonl", out, **formats)
    open_storage(bucket).remove("out/videos/clip01.json")
    assert run(tiny, f"{bucket}/in/videos.jsonl", out, resume=True, **formats) == 3
    told = capsys.readouterr().out
    assert "this run: 3 tasks, 30 frames" in told
    assert "2 of 3 videos done, 33 frames" in told
    assert download(out) == contents(tmp_path / "here")


def test_what_is_killed_there_goes_on(tiny, bucket, tmp_path):
    videos = write_list(tmp_path / "in", (6, 3, 4, 5, 30, 3, 4))
    assert run(tiny, videos, tmp_path / "here", chunk=12) == 0
    out, storage = f"{bucket}/killed", open_storage(f"{bucket}/killed")
    with serve_clips(tmp_path / "in", at_first=4) as server:
        addresses = str(server.list_of(videos, tmp_path / "videos.jsonl"))
        words = [addresses, "--out", out, *model_arguments(tiny), "--chunk", "12", "--workers", "2"]
        process = subprocess.Popen([sys.executable, "-m", "mmdet_vis", "batch", *words])
        wait_for(process, lambda: len(storage.names("videos")) >= 3)
        workers = family(process.pid)
        process.kill()
        process.wait()
        everything_ended(workers)
        before = storage.names("videos")
        assert len(before) <= 4, "the server gave out no more"
        server.everything.set()
        assert run(tiny, Path(addresses), out, resume=True, chunk=12) == 0
    assert download(out) == contents(tmp_path / "here")


def test_a_worker_of_its_own_reads_and_writes_there(tiny, bucket, tmp_path):
    videos = write_list(tmp_path / "in", (3,))
    upload(f"{bucket}/one", tmp_path / "in")
    words = [f"{bucket}/one/videos.jsonl", "--out", f"{bucket}/two", *model_arguments(tiny)]
    assert batch.main(words) == 0
    assert run(tiny, videos, tmp_path / "here") == 0
    assert download(f"{bucket}/two") == contents(tmp_path / "here")


def test_the_list_of_a_bucket(bucket, tmp_path):
    write_list(tmp_path / "in" / "a", (3, 5))
    write_frames(tmp_path / "in" / "b" / "frames", 4)
    upload(f"{bucket}/list", tmp_path / "in")
    found = list_videos(f"{bucket}/list")
    assert [(entry.id, entry.uri.removeprefix(bucket), entry.frames) for entry in found] == [
        ("a--clip00", "/list/a/clip00.mp4", 3),
        ("a--clip01", "/list/a/clip01.mp4", 5),
        ("b--frames", "/list/b/frames/", 4),
    ]
    assert found[1].seconds == pytest.approx(0.5)
    assert found[0].bytes == (tmp_path / "in" / "a" / "clip00.mp4").stat().st_size


def test_a_bucket_that_is_not_there(tiny, bucket, tmp_path):
    videos = write_list(tmp_path, (3,))
    with pytest.raises(OutputError, match="cannot write s3://nothing/out/"):
        run(tiny, videos, "s3://nothing/out")


def test_schemes_that_are_not_supported():
    with pytest.raises(ConfigError, match="ssh:// is not supported: use a path, or one of s3://"):
        open_storage("ssh://host/folder")
