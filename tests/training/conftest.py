"""For every test of a run: what the libraries hold is not searched for garbage at each run."""

import gc

import pytest


@pytest.fixture(scope="package", autouse=True)
def libraries_are_no_garbage() -> None:
    """A Trainer collects garbage three times a run, for which all objects of torch and transformers
    are walked over: more than half of a tiny run's time."""
    import peft  # noqa: F401
    import transformers.trainer  # noqa: F401

    gc.collect()
    gc.freeze()
