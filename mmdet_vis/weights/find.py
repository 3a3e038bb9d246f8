"""Weights by name: a file, a name in ``pretrained/`` or in the user's own folder, or an address that is fetched once.

Nothing that is fetched is executed: it is read as every checkpoint is, as plain data or safetensors.
"""

from __future__ import annotations

import difflib
import hashlib
import logging
import os
import re
import socket
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import filelock
import platformdirs

from mmdet_vis.choices import WEIGHTS
from mmdet_vis.errors import CheckpointError, few
from mmdet_vis.files.atomic import ensure_writable_dir, temporary_path

logger = logging.getLogger(__name__)

HOME = "MMDET_VIS_HOME"
"""Environment variable with the folder of weights that were fetched or put there."""

DEFAULT_NAME = "seq_mask_rcnn_mobilenetv2_stills.safetensors"
PRETRAINED = "pretrained"
TIMEOUT = 20.0
"""Seconds without a byte after which a server is given up."""

_ADDRESS = re.compile(r"(hf|https?):/{1,2}([^#]+)(?:#sha256=([0-9a-fA-F]+))?", re.ASCII)  # a Path has one slash
_ON_HUB = re.compile(r"([\w.-]+/[\w.-]+)(?:@([^/]+))?/(.+)", re.ASCII)


def home() -> Path:
    """The folder of the user's weights: what ``MMDET_VIS_HOME`` says, or ``mmdet_vis`` in the user's cache folder."""
    return Path(os.environ.get(HOME) or platformdirs.user_cache_dir("mmdet_vis", appauthor=False))


def shipped_weights() -> tuple[Path, ...]:
    """The folders of weights that come with the program: in the installed package, and of the repository."""
    package = Path(__file__).resolve().parents[1]
    return package / PRETRAINED, package.parent / PRETRAINED


def default_weights() -> Path:
    """The model that comes with the program: in the installed package, or in ``pretrained/`` of the repository.

    Raises:
        CheckpointError: it is not there.
    """
    for folder in shipped_weights():
        if (folder / DEFAULT_NAME).is_file():
            return folder / DEFAULT_NAME
    raise CheckpointError(
        f"the default model {DEFAULT_NAME} is not in {shipped_weights()[-1]}: get it from the repository, or "
        "name a config and weights"
    )


def is_address(weights: str | Path) -> bool:
    """Whether weights are named by where they are fetched from: ``hf://…`` or ``https://…``."""
    return _ADDRESS.match(str(weights)) is not None


def find_weights(weights: str | Path) -> Path:
    """The file of weights that are named by path, name or address.

    Args:
        weights: a path, which always wins; a name (``.safetensors``, ``.pth`` or ``.pt`` may be left out) of a file in
            ``pretrained/`` of the working folder, in :func:`home`, or of those that come with the program; or an
            address that is fetched once into :func:`home`: ``https://…``, or ``hf://ORG/NAME/FILE`` (a revision as
            ``hf://ORG/NAME@REVISION/FILE``) for one on the Hugging Face hub. ``#sha256=…`` behind an address is
            compared with the file, each time it is used.

    Raises:
        CheckpointError: there is none; or it cannot be fetched, is no checkpoint, or has another checksum.
        OutputError: the user's folder cannot be written.
    """
    address = _ADDRESS.fullmatch(str(weights))
    if address is not None:
        scheme, rest, checksum = address.groups()
        if checksum is not None and len(checksum) != 64:
            raise CheckpointError(f"{weights}: a sha256 has 64 hexadecimal digits, this one has {len(checksum)}")
        if scheme == "http" and checksum is None:
            raise CheckpointError(
                f"{weights}: http:// can be tampered with on its way: use https://, or add #sha256=... to the address"
            )
        fetched = _from_hub(rest) if scheme == "hf" else _from_web(f"{scheme}://{rest}", checksum)
        _check(fetched, f"{scheme}://{rest}", checksum)
        return fetched
    if is_address(weights):
        raise CheckpointError(f"{weights}: only #sha256=... may follow the address of weights")
    return _on_disk(Path(weights))


def _on_disk(path: Path) -> Path:
    if path.exists():  # What it is if not a file is said by who reads it.
        return path
    parts = path.parts[1:] if path.parts[:1] == (PRETRAINED,) else path.parts
    folders = (Path(PRETRAINED), home(), *shipped_weights())
    if len(parts) != 1:
        known = _names_in((path.parent,))
        hint = _suggestion(path.name, known) if known else "check the path, or see README.md for where to get it"
        raise CheckpointError(f"checkpoint {path} does not exist: {hint}")
    for folder in folders:
        for ending in ("", *WEIGHTS):
            if (folder / f"{parts[0]}{ending}").is_file():
                return folder / f"{parts[0]}{ending}"
    hint = _suggestion(parts[0], _names_in((path.parent, *folders)))
    raise CheckpointError(f"checkpoint {path} does not exist, here, in {PRETRAINED}/ or in {home()}: {hint}")


def _names_in(folders: Iterable[Path]) -> list[str]:
    """Names of the files of weights in folders, in order."""
    there = (file.name for folder in folders if folder.is_dir() for file in folder.iterdir())
    return sorted({name for name in there if name.endswith(WEIGHTS)})


def _suggestion(wrong: str, names: Sequence[str]) -> str:
    """The nearest of the names of weights that there are, or some of them."""
    whole = {text: name for name in names for text in (name, Path(name).stem)}
    near = difflib.get_close_matches(wrong, whole, n=1)
    if near:
        return f"did you mean {whole[near[0]]}?"
    there = f"there {'is' if len(names) == 1 else 'are'} {few(names)}; " if names else ""
    return f"{there}see README.md for where to get others"


def _from_web(address: str, checksum: str | None) -> Path:
    name = re.sub(r"[^\w.-]", "_", Path(unquote(urlsplit(address).path)).name, flags=re.ASCII)[-100:] or "weights"
    folder = home() / "downloads" / hashlib.sha256(address.encode()).hexdigest()[:16]  # others may have that name, too
    target = folder / name
    if target.is_file():
        return target
    ensure_writable_dir(folder)
    import torch  # which takes seconds to load: files on the disk are found without it

    with filelock.FileLock(folder / ".lock"):
        if not target.is_file():  # another process may have fetched it meanwhile
            logger.info("fetching %s to %s", address, target)
            with temporary_path(target) as temporary:
                with fetching(address):
                    torch.hub.download_url_to_file(address, str(temporary), progress=sys.stderr.isatty())
                _check(temporary, address, checksum)
                _check_readable(temporary, address)
    return target


def _from_hub(name: str) -> Path:
    """The file of ``ORG/NAME[@REVISION]/FILE``; the library keeps and locks what it has fetched."""
    match = _ON_HUB.fullmatch(name)
    if match is None:
        raise CheckpointError(f"hf://{name} is not the address of a file: write hf://ORG/NAME/FILE")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    repository, revision, file = match.groups()
    folder = ensure_writable_dir(home() / "huggingface")

    def fetch(local: bool) -> Path:
        found = hf_hub_download(
            repository, file, revision=revision, cache_dir=folder, local_files_only=local, etag_timeout=TIMEOUT,
            endpoint=os.environ.get("HF_ENDPOINT"),
        )  # fmt: skip
        return Path(found)

    with fetching(f"hf://{name}"), quiet_hub():
        try:
            return fetch(local=True)
        except LocalEntryNotFoundError:
            logger.info("fetching hf://%s to %s", name, folder)
            return fetch(local=False)


@contextmanager
def fetching(address: str, fix: str | None = None) -> Iterator[None]:
    """Around a download: a silent server is given up after :data:`TIMEOUT`, and what goes wrong is one line.

    The libraries raise errors of many kinds, their HTTP clients' among them. The message ends with ``fix``; the usual
    one names :func:`home`.

    Raises:
        CheckpointError: it cannot be fetched.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)  # torch.hub has no argument for it
    try:
        yield
    except (CheckpointError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__
        raise CheckpointError(
            f"cannot fetch {address}: {reason[:300]}; "
            + (fix or f"check the address and the network, or get the file in another way and put it into {home()}")
        ) from error
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def quiet_hub() -> Iterator[None]:
    """Without the hub's line for each of its attempts: the last one's error says it."""
    log = logging.getLogger("huggingface_hub")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def _check(file: Path, address: str, checksum: str | None) -> None:
    if checksum is not None and (found := sha256_of(file)) != checksum.lower():
        raise CheckpointError(
            f"{address} has sha256 {found}, not {checksum.lower()}: it is another file, or was changed"
        )


def sha256_of(file: Path) -> str:
    """The digest of a file's contents, read a part at a time, in lower-case hexadecimal digits."""
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _check_readable(file: Path, address: str) -> None:
    """A page in place of a file, or half of one, must not be kept."""
    from mmdet_vis.weights.checkpoint import read_state_dict

    try:
        read_state_dict(file)
    except CheckpointError as error:
        raise CheckpointError(str(error).replace(f"checkpoint {file}", address)) from error
