"""The search for good settings: which runs to make, and what they say. Knows nothing of how a run
is made."""
