"""Themes: a TOML file each, from the program's folder and from the person's own.

A theme names Textual's colours, and in `[variables]` those of this program (`OWN`).
"""

import os
import tomllib
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from textual.color import Color, ColorParseError
from textual.theme import Theme

DEFAULT, SIXTEEN = "workbench", "terminal-16"

# What this program adds, and where a theme that does not name it takes it from.
OWN = {
    "quiet": "foreground",
    "good": "success",
    "bad": "error",
    "warn": "warning",
    "base": "secondary",
    "tuned": "accent",
    "special": "warning",
    "train": "primary",
    "smooth": "foreground",
    "eval": "accent",
    "frame": "foreground",
    "field": "surface",
    "bar": "panel",
}
COLOURS = {field.name for field in fields(Theme)} - {
    "name",
    "dark",
    "ansi",
    "variables",
    "luminosity_spread",
    "text_alpha",
}


class ThemeError(Exception):
    """A theme's file that cannot be used; the text is one sentence for the person."""


def read(path: Path) -> Theme:
    """The theme in a file.

    Raises:
        ThemeError: naming the file, the key and what was expected.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ThemeError(f"{path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ThemeError(f"{path} is not valid TOML: {error}.") from None
    variables = document.pop("variables", {})
    if not isinstance(variables, dict):
        raise ThemeError(f"{path}: variables: expected a table.")
    check(path, document, variables)
    complete(document, variables)
    dark = document.get("dark", True)
    if document.get("ansi"):
        variables.setdefault("ansi-background", "ansi_black" if dark else "ansi_white")
        variables.setdefault("ansi-foreground", "ansi_white" if dark else "ansi_black")
    return Theme(**{"name": path.stem, **document}, variables=variables)


def complete(colours: dict[str, Any], variables: dict[str, Any]) -> None:
    """Add what the program draws with and the theme does not name."""
    primary = colours["primary"]
    for key, source in OWN.items():
        variables.setdefault(key, colours.get(source, primary))
    dark = colours.get("dark", True)
    background = colours.get("background", "#121212" if dark else "#efefef")
    foreground = colours.get("foreground", "#e0e0e0" if dark else "#1f1f1f")
    variables.setdefault("block-cursor-background", primary)
    variables.setdefault("block-cursor-foreground", background)
    variables.setdefault("block-cursor-blurred-background", colours.get("panel", background))
    variables.setdefault("block-cursor-blurred-foreground", foreground)


def check(path: Path, document: dict[str, Any], variables: dict[str, Any]) -> None:
    """Raises:
    ThemeError: naming the key that is wrong and what was expected.
    """
    for key, value in document.items():
        if key in ("dark", "ansi"):
            if not isinstance(value, bool):
                raise ThemeError(f"{path}: {key}: expected true or false; it is {value!r}.")
        elif key == "name":
            if not isinstance(value, str) or not value:
                raise ThemeError(f"{path}: name: expected a name; it is {value!r}.")
        elif key in COLOURS:
            check_colour(path, key, value)
        else:
            known = ", ".join(sorted(COLOURS | {"name", "dark", "ansi", "variables"}))
            raise ThemeError(f"{path}: {key}: there is no such key; known are {known}.")
    if "primary" not in document:
        raise ThemeError(f"{path}: primary: a theme needs this colour.")
    for key, value in variables.items():
        if key in OWN:
            check_colour(path, f"variables.{key}", value)
        elif not isinstance(value, str):
            raise ThemeError(f"{path}: variables.{key}: expected text; it is {value!r}.")


def check_colour(path: Path, key: str, value: object) -> None:
    try:
        if not isinstance(value, str):
            raise ColorParseError("")
        Color.parse(value)
    except ColorParseError:
        raise ThemeError(
            f'{path}: {key}: expected a colour such as "#88c0d0" or "ansi_blue"; it is {value!r}.'
        ) from None


def read_folders(folders: list[Path]) -> tuple[list[Theme], list[str]]:
    """The themes of the folders, a later folder's in place of an earlier one's; and what failed."""
    themes: dict[str, Theme] = {}
    problems: list[str] = []
    for folder in folders:
        for path in sorted(folder.glob("*.toml")) if folder.is_dir() else []:
            try:
                theme = read(path)
            except ThemeError as error:
                problems.append(str(error))
            else:
                themes[theme.name] = theme
    return list(themes.values()), problems


def first(wanted: str, folders: list[Path]) -> Theme:
    """The theme to begin with, found with as little reading as can be.

    `wanted` where it is there; else what suits the terminal, else the program's own.
    """
    usual = SIXTEEN if few_colours() else DEFAULT
    for name in dict.fromkeys(filter(None, (wanted, usual, DEFAULT))):
        for folder in reversed(folders):
            path = folder / f"{name}.toml"
            with suppress(ThemeError):
                if path.is_file() and (theme := read(path)).name == name:
                    return theme
        if name == wanted:
            for theme in read_folders(folders)[0]:
                if theme.name == wanted:
                    return theme
    return fallback()


def fallback() -> Theme:
    """A theme for where there is no file at all."""
    colours = {"primary": "#7aa2c8", "foreground": "#d5d8dc", "background": "#16191d"}
    variables: dict[str, Any] = {}
    complete(colours, variables)
    return Theme(
        name=DEFAULT,
        primary=colours["primary"],
        foreground=colours["foreground"],
        background=colours["background"],
        variables=variables,
    )


def few_colours() -> bool:
    """Whether the terminal says that it has fewer than 256 colours."""
    term = os.environ.get("TERM", "").lower()
    if os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return False
    many = ("256", "direct", "kitty", "alacritty", "ghostty", "wezterm", "foot", "contour")
    return not any(word in term for word in many)
