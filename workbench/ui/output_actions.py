"""The actions of the output pane and its views."""

from workbench.ui.action import Action

OUTPUT: tuple[Action, ...] = ()
