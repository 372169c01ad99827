"""The app's style sheet. Colours are a theme's variables; see `themes.OWN` for our own."""

INK = "".join(
    f".ink--{name} {{ {rule} }}\n"
    for name, rule in {
        "text": "",
        "quiet": "color: $quiet;",
        "strong": "text-style: bold;",
        "title": "color: $primary; text-style: bold;",
        "good": "color: $good;",
        "bad": "color: $bad;",
        "warn": "color: $warn;",
        "accent": "color: $primary;",
        "base": "color: $base; text-style: bold;",
        "tuned": "color: $tuned; text-style: bold;",
        "special": "color: $special;",
        "train": "color: $train;",
        "smooth": "color: $smooth;",
        "eval": "color: $eval;",
        "frame": "color: $frame;",
        "key": "color: $primary; text-style: bold;",
        "even": "color: $primary;",
        "odd": "color: $tuned;",
        "cursor": "background: $block-cursor-background; color: $block-cursor-foreground;",
        "cursor-blurred": "background: $block-cursor-blurred-background; "
        "color: $block-cursor-blurred-foreground;",
    }.items()
)

CSS = (
    INK
    + """
Screen { background: $background; color: $foreground; }
* { scrollbar-size: 1 1; scrollbar-color: $frame; scrollbar-background: $background;
    scrollbar-color-hover: $quiet; scrollbar-color-active: $quiet;
    scrollbar-background-hover: $background; scrollbar-background-active: $background;
    scrollbar-corner-color: $background; }
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
#row { height: 1fr; overflow-x: hidden; border-top: solid $frame; }
#row:focus { border-top: solid $primary; }
#answers, #figures { height: 1fr; overflow-x: hidden; }
.charted #figures { height: auto; }
#chart { height: 1fr; }
.label { height: 1; }
#prompt-status { height: 2; }
#system { height: 2fr; min-height: 1; }
#template { height: 5fr; min-height: 2; }
#completion { height: 1fr; min-height: 1; max-height: 3; }
Editor { border: none; border-left: wide $frame; background: $field; padding: 0 0 0 1; height: 1fr; }
Editor:focus { border: none; border-left: wide $primary; background: $field; }
.editor--variable { color: $special; text-style: bold; }
.editor--unknown { color: $bad; text-style: underline; }
.editor--statement { color: $quiet; }
Input { border: none; border-left: wide $frame; background: $field; height: 1; padding: 0 0 0 1; }
Input:focus { border: none; border-left: wide $primary; background: $field; }
Toast { background: $bar; padding: 0 1; max-width: 70; width: auto; }
Sheet { align: center middle; background: $background 60%; }
Sheet > #sheet { border: heavy $primary; background: $background; padding: 0 1;
    border-title-color: $primary; border-title-style: bold; border-subtitle-color: $quiet;
    width: 80%; max-width: 110; height: 80%; }
Sheet.small > #sheet { width: 68; max-width: 95%; height: auto; max-height: 95%; padding: 1 2; }
Sheet.whole > #sheet { width: 100%; max-width: 100%; height: 100%; }
Sheet .auto { height: auto; overflow: hidden; }
Sheet OptionList { border: none; background: $background; height: 1fr; padding: 0; }
Sheet.small OptionList { height: auto; max-height: 14; }
OptionList > .option-list--option-highlighted { background: $block-cursor-blurred-background; }
OptionList:focus > .option-list--option-highlighted { background: $block-cursor-background;
    color: $block-cursor-foreground; text-style: bold; }
"""
)
