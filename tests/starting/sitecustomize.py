"""In a `workbench` that is started with this folder on its path, hosts are forked."""

import os
import sys

if "WORKBENCH_TESTS_FORKS" in os.environ:
    sys.executable = os.path.join(os.path.dirname(os.path.abspath(__file__)), "python")
