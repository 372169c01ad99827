"""The app's style sheet. Colours are a theme's variables; see `themes.OWN` for our own."""

CSS = """
Screen { background: $background; color: $foreground; }
Sheet { align: center middle; background: $background 60%; }
* { scrollbar-size: 1 1; scrollbar-color: $frame; scrollbar-background: $background;
    scrollbar-color-hover: $quiet; scrollbar-color-active: $quiet;
    scrollbar-background-hover: $background; scrollbar-background-active: $background;
    scrollbar-corner-color: $background; }
TextArea .text-area--placeholder, Input > .input--placeholder { color: $quiet; }
TextArea:ansi .text-area--cursor { text-style: none; }
Bar { height: 1; }
#header, #footer { background: $bar; }
#tabs { display: none; }
.narrow #tabs { display: block; }
#panes { layout: grid; grid-size: 2 2; grid-columns: 1fr 1fr; grid-rows: 1fr 1fr; height: 1fr; }
Pane { border: round $frame; border-title-color: $quiet; border-subtitle-color: $quiet;
    padding: 0 1; overflow: hidden; }
Pane:focus-within { border: heavy $primary; border-title-color: $primary;
    border-title-style: bold; }
.single #panes { layout: vertical; }
.single Pane { display: none; height: 1fr; }
.single Pane.current { display: block; }
#rows { height: 1fr; min-height: 3; overflow-x: hidden; }
#info { height: 1; }
#row { height: 1fr; overflow-x: hidden; border-top: solid $frame; }
#row:focus { border-top: solid $primary; }
#answers, #figures { height: 1fr; overflow-x: hidden; }
.charted #figures { height: auto; }
#chart { height: 1fr; }
#wording { height: 1fr; overflow-x: hidden; scrollbar-gutter: auto; }
#prompt-status { height: 2; }
Toast { background: $bar; padding: 0 1; max-width: 70; width: auto; }
"""
