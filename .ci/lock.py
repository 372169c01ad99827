"""Writes requirements.lock from what pip would install for the project and its tools.

    make lock

Local version tags (torch's +cpu) are left out, so that the lock serves every machine.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

HEADER = "# Exact versions of everything; written by `make lock` from pyproject.toml.\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as room:
        report = Path(room) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed"]
        command += ["--quiet", "--report", str(report), ".[dev]"]
        subprocess.run(command, check=True)
        packages = [one["metadata"] for one in json.loads(report.read_text())["install"]]
    named = {one["name"].lower().replace("_", "-"): one["version"] for one in packages}
    pins = [
        f"{name}=={version.partition('+')[0]}\n"
        for name, version in sorted(named.items())
        if name != "workbench"
    ]
    Path("requirements.lock").write_text(HEADER + "".join(pins), encoding="utf-8")
    print(f"requirements.lock: {len(pins)} packages", file=sys.stderr)


if __name__ == "__main__":
    main()
