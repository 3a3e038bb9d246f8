"""All readers that are tried with damaged input."""

from __future__ import annotations

from pathlib import Path

from tests.reliability.fuzzing import (
    readers_data,
    readers_files,
    readers_formats,
    readers_media,
    readers_results,
    readers_rooms,
)
from tests.reliability.fuzzing.reader import Reader
from tests.reliability.fuzzing.templates import write_templates

READERS: dict[str, Reader] = {
    reader.name: reader
    for module in (readers_media, readers_data, readers_formats, readers_results, readers_files, readers_rooms)
    for reader in module.READERS
}


def prepare(folder: Path) -> None:
    """Write the valid files that damaged ones are made from."""
    write_templates(folder)
