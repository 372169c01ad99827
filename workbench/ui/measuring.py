"""The actions on answers and measurements: the views of the output pane."""

from workbench.ui.wording import Wording


class Measuring(Wording):
    pass
