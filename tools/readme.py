"""README as a package index shows it: with whole addresses.

In the repository its pictures and pages are named by their place there, so that they are found in a
clone and on any host; an index knows neither. The address is the one that `pyproject.toml` has.
"""

import re
from pathlib import Path
from typing import Any

_RELATIVE = re.compile(r'(!?\[[^\]]*\]\(|<img src=")(?!https?:|#)([^)"]+)')


def absolute(text: str, source: str) -> str:
    """A page of Markdown in which what is in the repository has its address there."""

    def address(found: re.Match[str]) -> str:
        kind = "blob" if found[1].startswith("[") else "raw"
        return f"{found[1]}{source}/{kind}/main/{found[2]}"

    return _RELATIVE.sub(address, text)


def get_metadata_hook() -> type:
    """What hatchling asks for when the package is built."""
    from hatchling.metadata.plugin.interface import MetadataHookInterface

    class ReadmeHook(MetadataHookInterface):
        """Fills in `readme`."""

        def update(self, metadata: dict[str, Any]) -> None:
            """Adds the text to the metadata."""
            text = (Path(self.root) / "README.md").read_text("utf-8")
            shown = absolute(text, metadata["urls"]["Source"])
            metadata["readme"] = {"content-type": "text/markdown", "text": shown}

    return ReadmeHook
