"""`workbench doctor`: says what this machine has, what is missing, and what to do about it.

Knows what is enough for the workbench; `machine` knows how to look.
"""

import re
import sys
from typing import TYPE_CHECKING

import msgspec

from workbench import machine
from workbench.machine import Machine

if TYPE_CHECKING:
    from rich.table import Table

GIB = 1024**3
ROOM = 2 * GIB  # bytes of disk that the starters, tables and a run take


class Finding(msgspec.Struct, frozen=True):
    """Something that is missing or in the way, and what to do."""

    essential: bool  # the workbench cannot do its work so
    problem: str
    remedy: str


class Report(msgspec.Struct, frozen=True):
    machine: Machine
    findings: list[Finding]

    @property
    def healthy(self) -> bool:
        """Whether nothing essential is missing."""
        return not any(one.essential for one in self.findings)


def examine(found: Machine) -> list[Finding]:
    """What is missing, the essential first."""
    findings = [*missing_software(found), *missing_room(found), *hardware(found)]
    findings += [*at_the_terminal(found), *missing_starters(found)]
    return sorted(findings, key=lambda one: not one.essential)


def missing_software(found: Machine) -> list[Finding]:
    findings = []
    if tuple(map(int, re.findall(r"\d+", found.python)[:2])) < (3, 11):
        findings.append(
            Finding(True, f"Python {found.python} is too old.", "Install Python 3.11 or later.")
        )
    install = "In a checkout: make run; else: pip install --upgrade"
    for one in found.libraries:
        if not one.ok:
            state = f"{one.installed} is installed" if one.installed else "it is not installed"
            findings.append(
                Finding(
                    True,
                    f"{one.name} {one.wanted} is needed, and {state}.",
                    f"{install} '{one.name}{one.wanted}'",
                )
            )
    differ = [
        f"{one.name} {one.installed} (lock: {one.pinned})"
        for one in found.libraries
        if one.ok and one.pinned and one.installed.partition("+")[0] != one.pinned
    ]
    if differ:
        findings.append(
            Finding(
                False,
                f"Not the tested versions: {', '.join(differ)}.",
                "Install those of the lock: make setup",
            )
        )
    if found.torch.error:
        findings.append(
            Finding(
                True,
                f"torch cannot be used: {found.torch.error}.",
                "Install it again: pip install --force-reinstall torch==2.13.0",
            )
        )
    return findings


def missing_room(found: Machine) -> list[Finding]:
    findings = []
    for what, folder, writable, free, remedy in (
        (
            "cache",
            found.cache,
            found.cache_writable,
            found.cache_free,
            "Set WORKBENCH_CACHE to a folder with room.",
        ),
        (
            "work folder",
            found.folder,
            found.folder_writable,
            found.folder_free,
            "Start the workbench in a folder with room: runs are written there.",
        ),
    ):
        if not writable:
            findings.append(Finding(True, f"The {what} {folder} cannot be written.", remedy))
        elif free < ROOM:
            findings.append(
                Finding(free < ROOM / 20, f"The {what} {folder} has {size(free)} left.", remedy)
            )
    return findings


def hardware(found: Machine) -> list[Finding]:
    findings = []
    if found.gpus and not found.torch.gpu_usable and not found.torch.error:
        built = found.torch.built_for_cuda
        problem = "torch cannot use the GPU" + (
            f" (it is built for CUDA {built}; the driver is {found.gpus[0].driver})."
            if built
            else ": it is the build for processors alone."
        )
        remedy = (
            "Update the driver, or look at CUDA_VISIBLE_DEVICES."
            if built
            else "Install the CUDA build of the same version of torch."
        )
        findings.append(Finding(False, problem, remedy))
    if found.memory_free < 2 * GIB:
        findings.append(
            Finding(
                False,
                f"Only {size(found.memory_free)} of memory are free.",
                "End other programs; a fine-tune of the starter model takes about 2 GiB.",
            )
        )
    return findings


def at_the_terminal(found: Machine) -> list[Finding]:
    seen, findings = found.terminal, []
    if not (seen.input and seen.output):
        return [
            Finding(
                False,
                "This is no terminal, so no screen can be opened here.",
                "Use workbench train, generate or eval; with ssh, add -t.",
            )
        ]
    if "utf" not in seen.encoding:
        findings.append(
            Finding(
                False,
                f"The terminal's encoding is {seen.encoding}, not UTF-8.",
                "Set the locale, such as: export LC_ALL=C.UTF-8",
            )
        )
    if seen.columns and (seen.columns < 80 or seen.lines < 24):
        findings.append(
            Finding(
                False,
                f"The terminal is {seen.columns} × {seen.lines}.",
                "Make it at least 80 × 24; all four panes show from 120 × 40.",
            )
        )
    if seen.colours == "none":
        findings.append(
            Finding(False, f"TERM={seen.term} has no colours.", "Set TERM=xterm-256color.")
        )
    return findings


def missing_starters(found: Machine) -> list[Finding]:
    missing = [one.name for one in found.starters if not one.present]
    if not missing:
        return []
    return [
        Finding(
            False,
            f"Not fetched yet: {', '.join(missing)}.",
            "Fetch them: workbench fetch (they also come by themselves when they are used).",
        )
    ]


def report() -> Report:
    """Look at the machine and judge it."""
    found = machine.look()
    return Report(found, examine(found))


def main(json: bool) -> int:
    """Print the report; returns 0, or 1 where something essential is missing."""
    result = report()
    if json:
        encoded = {"healthy": result.healthy, **msgspec.to_builtins(result)}
        sys.stdout.write(
            msgspec.json.format(msgspec.json.encode(encoded), indent=2).decode() + "\n"
        )
    else:
        show(result)
    return 0 if result.healthy else 1


def show(result: Report) -> None:
    """Draw the report as aligned tables."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160  # nobody's lines are folded in a file
    console.print(facts(result.machine))
    console.print()
    console.print(versions(result.machine))
    console.print()
    if not result.findings:
        console.print(Text("Nothing is missing.", "bold green"))
    for one in result.findings:
        sign, style = ("✗", "bold red") if one.essential else ("!", "bold yellow")
        console.print(Text.assemble((f"{sign} ", style), one.problem))
        console.print(Text(f"  {one.remedy}", "dim"))


def facts(found: Machine) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    seen, asked = found.terminal, found.torch
    native = "bfloat16 natively" if found.bfloat16 else "no bfloat16 instructions: float32"
    if seen.input and seen.output:
        marks = [f"TERM={seen.term}", f"{seen.columns} × {seen.lines}", f"colours: {seen.colours}"]
        marks += [seen.encoding, *(["tmux"] * seen.tmux), *(["ssh"] * seen.ssh)]
    else:
        marks = ["none: input and output are not both one"]
    gpus = [
        f"{one.name}, {size(one.memory)} ({size(one.memory_free)} free), driver {one.driver}"
        for one in found.gpus
    ]
    usable = "CUDA" if asked.gpu_usable else "MPS" if asked.mps else "the processor alone"
    rows = [
        ("workbench", f"{found.workbench}, Python {found.python} ({found.executable})"),
        ("system", found.system),
        ("processor", f"{found.processor}, {found.cores} cores, {native}"),
        ("memory", f"{size(found.memory)}, {size(found.memory_free)} free"),
        *(("GPU", one) for one in gpus or ["none"]),
        ("torch", asked.error or f"{asked.version}, computes on {usable}"),
        ("terminal", ", ".join(marks)),
        ("cache", f"{found.cache}, {size(found.cache_free)} free"),
        ("work folder", f"{found.folder}, {size(found.folder_free)} free"),
        ("hub", "off (HF_HUB_OFFLINE)" if found.hub == "off" else found.hub),
        *(
            (f"{'starter' if not i else ''}", f"{'✓' if one.present else '·'} {one.name}")
            for i, one in enumerate(found.starters)
        ),
    ]
    for name, value in rows:
        table.add_row(name, Text(value))
    return table


def versions(found: Machine) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("library", "installed", "wanted", "lock"):
        table.add_column(name, no_wrap=True)
    for one in found.libraries:
        style = "" if one.ok else "bold red"
        cells = (one.name, one.installed or "missing", one.wanted, one.pinned)
        table.add_row(*(Text(cell, style) for cell in cells))
    return table


def size(count: float) -> str:
    """Bytes in words."""
    return f"{count / GIB:.1f} GiB" if count >= GIB / 10 else f"{count / 1024**2:.0f} MiB"
