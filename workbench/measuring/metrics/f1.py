"""F1, the harmonic mean of precision and recall, from counts of each label.

One convention for one label a row and for several, in a run's evaluations and in measurements: a
label that is neither expected nor given anywhere has no F1, and is no part of a mean over labels.
That is scikit-learn's `f1_score` over the labels that occur (its default where `labels` is None),
or over all of them with `zero_division=nan`; labels that do not occur count as 0 there only where
they are columns of an indicator matrix and `zero_division` is left as it is.
"""

from workbench.measuring.metrics.metric import divided
from workbench.measuring.statistics import Array


def micro_f1(hits: Array, both: Array) -> Array:
    """Over all labels together: (…, labels) each → (…). `hits`: how often a label was given and
    expected; `both`: how often it was given, and how often expected, added up."""
    return divided(2 * hits.sum(-1), both.sum(-1))


def macro_f1(hits: Array, both: Array) -> Array:
    """The mean of the F1 of each label that occurs: as `micro_f1`."""
    return divided(divided(2 * hits, both).sum(-1), (both > 0).sum(-1).astype(float))
