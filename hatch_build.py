"""Puts themes and sessions inside the package in a wheel; an editable install reads them here."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class InsideTheWheel(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "editable":  # copies would go stale while their originals are worked on
            build_data["force_include"] = {
                "themes": "workbench/themes",
                "sessions": "workbench/sessions",
            }
