"""A dataset, its sides and what its rows are."""

from typing import Annotated

from msgspec import Meta

from workbench.settings.base import (
    DataFormat,
    ProblemKind,
    Section,
    Seed,
    TextRows,
)


class DatasetSettings(Section):
    source: Annotated[
        str,
        Meta(min_length=1, description="A starter, a file, a folder, a glob of files or a hub id."),
    ] = "film-reviews"
    name: Annotated[str, Meta(description="Configuration of a hub dataset.")] = ""
    split: Annotated[str, Meta(min_length=1, description="The split to look at and train on.")] = (
        "train"
    )
    evaluation_split: Annotated[
        str,
        Meta(
            description="The split to measure on; empty: the source's own validation or test "
            "split, else rows held out by content."
        ),
    ] = ""
    evaluation_share: Annotated[
        float,
        Meta(ge=0, lt=1, description="Share of the rows to hold out where there is no such split."),
    ] = 0.05
    evaluation_count: Annotated[
        int, Meta(ge=0, description="Rows to hold out instead of a share; 0: as the share says.")
    ] = 0
    stratify_by: Annotated[
        str, Meta(description="A column each of whose values is held out in the same share.")
    ] = ""
    group_by: Annotated[
        str, Meta(description="A column whose equal values all stay on one side.")
    ] = ""
    split_seed: Annotated[Seed, Meta(description="Another number holds out others.")] = 0
    text_rows: Annotated[
        TextRows,
        Meta(
            description="What a row of a text file is. lines: a line; passages: whole paragraphs "
            "of about 2,000 characters, for books; auto: passages where lines are broken at a "
            "width, blank lines stand between them, or the book is Project Gutenberg's, whose "
            "header and licence are left out."
        ),
    ] = "auto"
    where: Annotated[
        str, Meta(description="Rows to use, such as: rating > 1 and label = 'positive'.")
    ] = ""
    leave_out: Annotated[
        list[ProblemKind], Meta(description="Kinds of problems whose rows are not used.")
    ] = []
    leave_out_rows: Annotated[
        list[str],
        Meta(description="Single rows that are not used: number, colon, a hash of the content."),
    ] = []
    format: Annotated[
        DataFormat, Meta(description="What a row is; auto: recognised by columns and values.")
    ] = "auto"
    mapping: Annotated[
        dict[str, str], Meta(description="Column for each role of the format; empty: recognised.")
    ] = {}
