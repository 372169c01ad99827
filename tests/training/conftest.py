"""For every test of a run: what the libraries hold is not searched for garbage at each run."""

import pytest

from tests.work import keep_libraries


@pytest.fixture(scope="package", autouse=True)
def libraries_are_no_garbage() -> None:
    keep_libraries()
