"""What a library for tables or charts would cost at start-up, beside drawing them ourselves.

    pip install textual-fastdatatable textual-plot plotext && python -m benchmarks.imports

Each is imported in a fresh process after Textual; the figure is the time it adds (the median of
nine), and the resident memory it adds. Libraries that are not installed are named and left out.
"""

import subprocess
import sys
from statistics import median

CODE = """
import sys, time, psutil
from textual.app import App
from textual.widgets import Static
from textual.scroll_view import ScrollView
me = psutil.Process()
before, begun = me.memory_info().rss, time.perf_counter()
import {module}
print(time.perf_counter() - begun, me.memory_info().rss - before)
"""
MODULES = {
    "workbench.ui.widgets.table": "our table",
    "workbench.ui.widgets.chart": "our chart",
    "textual.widgets._data_table": "Textual's DataTable",
    "textual_fastdatatable": "textual-fastdatatable",
    "textual_plot": "textual-plot",
    "plotext": "plotext",
}


def main() -> None:
    for module, label in MODULES.items():
        times, sizes = [], []
        for _ in range(9):
            done = subprocess.run(
                [sys.executable, "-c", CODE.format(module=module)],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                break
            seconds, size = map(float, done.stdout.split())
            times.append(seconds)
            sizes.append(size)
        if times:
            print(
                f"{label:22} {median(times) * 1000:5.0f} ms  {median(sizes) / 1e6:5.1f} MB "
                f"({module})"
            )
        else:
            print(f"{label:22} not installed")


if __name__ == "__main__":
    main()
