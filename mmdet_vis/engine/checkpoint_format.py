"""What kind of file a checkpoint is, told from its first bytes: names lie, and failed downloads keep the name."""

from __future__ import annotations

from pathlib import Path

from mmdet_vis.errors import CheckpointError

HEAD = 512
"""Bytes that are looked at."""

IMAGES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM")
ARCHIVES = (b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
WEB = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<script")


def file_format(path: Path) -> str:
    """``"torch"`` (a zip or a pickle) or ``"safetensors"``.

    Raises:
        CheckpointError: there is no such file, it cannot be opened, or it is something else; the message says what.
    """
    if path.is_dir():
        raise CheckpointError(f"checkpoint {path} is a folder: give the file in it")
    if path.exists() and not path.is_file():
        raise CheckpointError(f"checkpoint {path} is not a file: give the file with the weights")
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"checkpoint {path} does not exist: check the path, or see README.md for where to get it"
        ) from error
    except OSError as error:
        raise CheckpointError(
            f"checkpoint {path} cannot be opened: {error.strerror or error}; check its permissions"
        ) from error
    if head.startswith(b"PK"):
        return "torch"
    if head.startswith(b"\x80") and 2 <= _byte(head, 1) <= 5:
        _refuse_plain_pickle(path, head)
        return "torch"
    if _byte(head, 8) == ord("{") and int.from_bytes(head[:8], "little") < 100_000_000:
        return "safetensors"
    raise CheckpointError(f"checkpoint {path} is not a checkpoint{_looks_like(path, head)}")


def _refuse_plain_pickle(path: Path, head: bytes) -> None:
    """Every file of ``torch.save`` that is not a zip starts with its magic number, a long integer (opcode 0x8a)."""
    framed = head[2:3] == b"\x95"  # protocols 4 and 5 may put a frame of 8 bytes of length around it
    if _byte(head, 11 if framed else 2) != 0x8A:
        raise CheckpointError(
            f"checkpoint {path} was refused: it is a plain Python pickle, not a file of torch.save, and could run code "
            "when loaded; ask its author for a file with tensors only, or a safetensors file"
        )


def _looks_like(path: Path, head: bytes) -> str:
    """The end of the sentence "… is not a checkpoint": what the file is, and what to do."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        return " (it is empty): download it again"
    if head.startswith(b"version https://git-lfs"):
        return " (it looks like a Git LFS pointer): get the file itself with `git lfs pull`"
    if text.startswith(WEB) or b"<html" in text:
        return " (it looks like a web page): download the file itself, not the page that offers it"
    if head.startswith(IMAGES):
        return " (it looks like an image): give the file with the weights"
    if head.startswith(ARCHIVES) or head[257:262] == b"ustar":
        return " (it looks like an archive): unpack it and give the file with the weights"
    if text.startswith((b"{", b"[")):
        return " (it looks like JSON): download it again"
    if not any(byte < 9 or 13 < byte < 32 for byte in head):
        return " (it looks like text): download it again"
    return " of PyTorch or safetensors: download it again"


def _byte(data: bytes, index: int) -> int:
    return data[index] if index < len(data) else -1
