"""XML from others, parsed without what makes XML dangerous."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from mmdet_vis.errors import DatasetError


def parse_xml(file: Path) -> Element:
    """Parse an XML file that declares no entities.

    A few entities that contain each other expand to gigabytes, and external ones read other files; annotation tools
    write none.

    Raises:
        DatasetError: the file cannot be read, is not XML, or declares entities.
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate()

    def refuse(*_: Any) -> None:
        raise DatasetError(f"{file} declares XML entities, which no annotation tool does: export it again")

    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = lambda tag, attributes: builder.start(tag, attributes)
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.buffer_text = True
    try:
        parser.Parse(file.read_bytes(), True)
        return builder.close()
    except expat.ExpatError as error:
        raise DatasetError(f"{file} is not valid XML ({error}): export it again") from None
    except (LookupError, ValueError) as error:  # an encoding that Python does not have
        raise DatasetError(f"{file} cannot be read as XML ({error}): export it again") from None
    except OSError as error:
        raise DatasetError(f"cannot read {file}: {error.strerror}") from None
