#!/usr/bin/env python3
"""Compares an export with what twarc-csv makes of the same lines, cell by cell.

  compare-twarc.py LINES CSV   LINES: lines of X, each tweet once; CSV: `--columns twarc --newlines escape` of the same tweets

Differences of form that docs/export.md names are no differences here: lists are compared
as JSON values, whole numbers whatever pandas made of them, and the __twarc columns not at all. Prints a line for each other
difference, then a summary.
"""
# packages: twarc-csv==0.7.2 pandas<3

import collections
import contextlib
import csv
import io
import json
import sys

import pandas as pd

from dataframe_converter import DEFAULT_TWEET_COLUMNS, DataFrameConverter

csv.field_size_limit(1 << 30)


def expected(path):
    """Rows of twarc-csv by id, each line alone, so that no other tweet changes the type of a column."""
    rows, failed = {}, 0
    for line in open(path, encoding="utf-8", newline="\n"):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                # twarc-csv leaves out a tweet with a column that it was not named before.
                plain = DataFrameConverter()
                tweets = [plain._format_tweet(tweet) for tweet in plain._flatten_objects([json.loads(line)])]
                extra = ",".join(c for c in pd.json_normalize(tweets).columns if c not in DEFAULT_TWEET_COLUMNS)
                frame = DataFrameConverter(extra_input_columns=extra).process([json.loads(line)])
            except Exception:
                failed += 1
                continue
        text = io.StringIO(frame.to_csv(index=False, columns=DEFAULT_TWEET_COLUMNS))
        for row in csv.DictReader(text):
            rows[row["id"]] = row
    return rows, failed


def value(cell):
    """A cell as a value: JSON for a list, a number without a needless fraction, else its text."""
    if cell[:1] == "[":
        try:
            return json.loads(cell)
        except ValueError:
            return cell
    if cell[-2:] == ".0" and cell[:-2].lstrip("-").isdigit():
        return cell[:-2]
    return cell


def main(lines, table):
    wanted, failed = expected(lines)
    with open(table, encoding="utf-8", newline="") as file:
        found = {row["id"]: row for row in csv.DictReader(file)}
    cells, different = 0, collections.Counter()
    for id, row in wanted.items():
        if id not in found:
            different["(row)"] += 1
            continue
        for column in DEFAULT_TWEET_COLUMNS:
            if column.startswith("__twarc"):
                continue
            cells += 1
            if value(row[column]) != value(found[id][column]):
                different[column] += 1
                if different[column] <= 3:
                    print(f"{id} {column}: {row[column][:300]!r} != {found[id][column][:300]!r}")
    for column, count in sorted(different.items()):
        print(f"{column}: {count}")
    print(f"{len(wanted)} tweets, {cells} cells, {sum(different.values())} differ; twarc-csv fails on {failed} lines")


if __name__ == "__main__":
    main(*sys.argv[1:])
