"""A build hook that turns each backend module into a typed package in the wheel."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class TypedModules(BuildHookInterface):  # type: ignore[type-arg]  # its configuration is not used
    """Turn each module, such as d2ldrop_torch.py, into a package with a file py.typed.

    Type checkers look for py.typed in packages only (PEP 561). Editable installs use the modules.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add each module and an empty py.typed to the files of the wheel."""
        if version != "standard":
            return
        self.markers = TemporaryDirectory()
        for module in Path(self.root, "backends").glob("*.py"):
            marker = Path(self.markers.name, module.stem)
            marker.touch()
            build_data["force_include"][str(module)] = f"{module.stem}/__init__.py"
            build_data["force_include"][str(marker)] = f"{module.stem}/py.typed"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the temporary files."""
        if version == "standard":
            self.markers.cleanup()
