#!/usr/bin/env python3
"""Reads exports with the lines that docs/export.md shows, and compares ids and texts.

  export-readers.py FOLDER DATABASE_URL [R]

FOLDER has csv/tweets.csv, jsonl/tweets.jsonl and ids/tweets.txt of the same tweets, and expected.json: a list of
[id, id of the tweet replied to or "", text]. DATABASE_URL: a database with these tweets, all of April 2026. R: also read by Rscript.
Prints a line for each reader; the status is 1 when one of them differs.
"""
# packages: pandas>=2,<3 duckdb>=1.4,<2 duckdb-extension-postgres-scanner>=1.4,<2

import csv
import importlib.util
import io
import json
import os
import pathlib
import re
import subprocess
import sys

import duckdb
import pandas

REPLY = "referenced_tweets.replied_to.id"
document = (pathlib.Path(__file__).resolve().parent.parent / "docs/export.md").read_text(encoding="utf-8")
folder, database = pathlib.Path(sys.argv[1]), sys.argv[2]
expected = sorted(map(tuple, json.loads((folder / "expected.json").read_text(encoding="utf-8"))))
status = 0


def documented(language, word):
    """The only block of code in a language that has a word."""
    found = [b for b in re.findall(rf"```{language}\n(.*?)```", document, re.S) if word in b]
    assert len(found) == 1, f"{len(found)} blocks of {language} with {word}"
    return found[0]


def compare(reader, rows, wanted=expected):
    global status
    found = sorted(tuple("" if cell is None else cell for cell in row) for row in rows)
    if found == wanted:
        print(f"{reader}: {len(found)} tweets")
        return
    status = 1
    print(f"{reader}: differs")
    for row in sorted(set(map(str, found)) ^ set(map(str, wanted)))[:6]:
        print("   ", row[:300])


def read_with_pandas():
    names = {"json": json, "pandas": pandas}
    code = documented("python", "read_csv")
    for place, line in (("csv", "read_csv"), ("jsonl", "json.loads")):
        os.chdir(folder / place)
        exec(next(part for part in code.splitlines() if line in part), names)
    tweets, lines = names["tweets"], names["lines"]
    compare("pandas csv", tweets[["id", REPLY, "text"]].itertuples(index=False, name=None))
    compare("pandas jsonl", ((id,) for id in lines["data.id"]), [(id,) for id, _, _ in expected])
    os.chdir(folder / "ids")
    ids = pandas.read_csv("tweets.txt", header=None, dtype=str)
    compare("pandas ids", ((id,) for id in ids[0]), [(id,) for id, _, _ in expected])
    # Without the line some ids would be others: these tweets show a difference where there is one.
    os.chdir(folder / "csv")
    naive = pandas.read_csv("tweets.csv")[REPLY].dropna().map(int).astype(str)
    assert set(naive) != {reply for _, reply, _ in expected if reply}, "no id that pandas damages"


def read_with_duckdb():
    shown = documented("sql", "read_json")
    statements = [s for s in re.sub(r"--.*", "", shown).split(";") if s.strip()]
    os.chdir(folder / "csv")
    rows = duckdb.sql(statements[0])
    compare("DuckDB csv", rows.project(f'id, "{REPLY}", text').fetchall())
    os.chdir(folder / "jsonl")
    compare("DuckDB jsonl", ((row[0],) for row in duckdb.sql(statements[1]).fetchall()), [(i,) for i, _, _ in expected])
    os.chdir(folder / "csv")
    duckdb.sql(documented("sql", "'tweets.parquet'"))
    rows = duckdb.sql("SELECT * FROM 'tweets.parquet'")
    compare("Parquet of csv", rows.project(f'id, "{REPLY}", text').fetchall())
    # The extension comes from PyPI; INSTALL would fetch it from DuckDB's own server.
    package = pathlib.Path(importlib.util.find_spec("duckdb_extension_postgres_scanner").origin).parent
    (extension,) = package.glob("extensions/*/*.duckdb_extension")
    code = documented("sql", "postgres_query").replace("INSTALL postgres; LOAD postgres;", f"LOAD '{extension}';")
    assert str(extension) in code and "postgresql://analyst@localhost/tweets" in code
    duckdb.sql(code.replace("postgresql://analyst@localhost/tweets", database))
    rows = duckdb.sql("SELECT id::varchar, replied_to_id::varchar, text, typeof(id) FROM 'april.parquet'").fetchall()
    assert {row[3] for row in rows} == {"BIGINT"}, rows[0]
    compare("Parquet of PostgreSQL", (row[:3] for row in rows))


def read_with_r():
    code = next(line for line in documented("r", "read.csv").splitlines() if "read.csv" in line)
    code += f'\nwrite.csv(tweets[c("id", "{REPLY}", "text")], row.names = FALSE, na = "")'
    done = subprocess.run(
        ["Rscript", "-e", code], cwd=folder / "csv",
        env=os.environ | {"LC_ALL": "C.UTF-8"}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    rows = csv.reader(io.StringIO(done.stdout.decode(), newline=""))
    # R reads CR LF as LF, as docs/export.md says.
    compare("R csv", [tuple(row) for row in rows][1:], [(i, r, text.replace("\r\n", "\n")) for i, r, text in expected])


read_with_pandas()
read_with_duckdb()
if "R" in sys.argv[3:]:
    read_with_r()
sys.exit(status)
