#!/usr/bin/env python3
"""The manual pages of the programs, made from their help and from the tables of docs/settings.md.

  scripts/man.py FOLDER PROGRAM…    writes PROGRAM.1, a page for each of its commands, and tweet-pipeline.yaml.5

A program describes itself with --experimental-dump-help. SOURCE_DATE_EPOCH is the date of the pages.
"""

import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What the programs share; the page of a program shows those of its own help.
STATUS = re.compile(r"(?:^|[,;·:] )(?=(?:0|1|2|6[459]|7[4578]) (?!or\b)[^\d\s])")
HIDDEN = ("help",)
PROGRAMS = "tweet-producer tweet-loader tweet-timelines".split()
FILES = {
    "tweet-producer": [
        ("/etc/tweet-pipeline/producer.env", "Settings of the service."),
        ("/etc/tweet-pipeline/streams.yaml", "Streams of this host, for `tweet-producer streams`."),
        ("/var/lib/tweet-pipeline/journal", "The journal: lines that Kafka has not acknowledged, and the archive."),
    ],
    "tweet-loader": [
        ("/etc/tweet-pipeline/loader.env", "Settings of the service."),
        ("/etc/tweet-pipeline/console.env", "Settings of `tweet-loader console`."),
    ],
    "tweet-timelines": [
        ("/etc/tweet-pipeline/timelines.env", "Settings of the service."),
        ("/etc/tweet-pipeline/timelines.key", "Key of the tokens in PostgreSQL."),
        ("/var/lib/tweet-pipeline/timelines", "The journal of the service."),
    ],
}


# -- roff ----------------------------------------------------------------------------------------------------------------


def escape(text):
    """Text as roff writes it: ASCII, in which - and \\ stand for themselves."""
    text = text.replace("…", "...").replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"[^\x00-\x7f]", lambda found: f"\\[u{ord(found.group()):04X}]", text)


def guard(line):
    """A line of text that roff does not take for a request."""
    return "\\&" + line if line[:1] in (".", "'") else line


def inline(text):
    """Words of a paragraph: `code` in bold, links as their text, lines that are not too long."""
    text = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", " ".join(text.split()))
    parts = re.split(r"`([^`]*)`", text)
    shown = "".join(f"\\fB{escape(part)}\\fP" if i % 2 else escape(part) for i, part in enumerate(parts))
    # A new line for each sentence: so roff knows where sentences end.
    lines = [line for sentence in re.split(r"(?<=[.!?]) (?=[A-Z\\])", shown) for line in wrapped(sentence)]
    return "\n".join(guard(line) for line in lines)


def wrapped(text):
    return textwrap.wrap(text, 78, break_long_words=False, break_on_hyphens=False)


def literal(lines):
    """Lines as they are."""
    return ".PP\n.RS 4\n.nf\n" + "\n".join(guard(escape(line)) for line in lines) + "\n.fi\n.RE"


def item(term, text):
    return f".TP\n{term}\n{inline(text) or chr(92) + '&'}"


def heading(level, text):
    return f'.{level} "{escape(text)}"'


def page(name, section, abstract, body):
    date = datetime.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), datetime.timezone.utc).date()
    head = [
        f'.TH {escape(name.upper())} {section} {date} "tweet\\-pipeline {version()}" "tweet\\-pipeline"',
        heading("SH", "NAME"),
        "\n".join(wrapped(f"{escape(name)} \\- {escape(abstract.rstrip('.'))}")),
    ]
    return "\n".join(head + [part for part in body if part]) + "\n"


def examples(text):
    return [heading("SH", "EXAMPLES"), text.shown(text.examples).removeprefix(".PP\n")] if text.examples else []


def see_also(pages):
    names = [f".BR {escape(name)} ({section}){',' if i + 1 < len(pages) else ''}" for i, (name, section) in enumerate(pages)]
    return "\n".join([heading("SH", "SEE ALSO")] + names)


def version():
    text = (ROOT / "Sources/PipelineKit/Core/Settings/Version.swift").read_text()
    return re.search(r'productVersion = "([^"]+)"', text).group(1)


# -- help ----------------------------------------------------------------------------------------------------------------


class Discussion:
    """A command's text: paragraphs, examples and exit statuses."""

    def __init__(self, command):
        self.blocks, self.examples, self.statuses = [], [], ""
        text = command.get("discussion", "")
        at, _, self.statuses = text.partition("Exit status: ")
        into = self.blocks
        for paragraph in re.split(r"\n\s*\n", at.rstrip()):
            lines = paragraph.split("\n")
            if lines[0].strip() in ("Example:", "Examples:"):
                into, lines = self.examples, lines[1:]
            self.add(into, lines)
            into = self.blocks

    def add(self, into, lines):
        if not any(line.strip() for line in lines):
            return
        run = [lines[0]]
        for line in lines[1:]:
            if line.startswith("  ") != run[0].startswith("  "):
                into.append(run)
                run = []
            run.append(line)
        into.append(run)

    @staticmethod
    def shown(blocks):
        out = []
        for lines in blocks:
            if lines[0].startswith("  "):
                margin = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
                out.append(literal([line[margin:] for line in lines]))
            else:
                out.append(".PP\n" + inline(" ".join(lines)))
        return "\n".join(out)

    def exit_status(self):
        """The statuses as a list; text that is none as a paragraph."""
        parts = [part for part in STATUS.split(self.statuses.strip().rstrip(".")) if part]
        out = []
        for part in parts:
            status, _, meaning = part.partition(" ")
            out.append(item(f".B {status}", meaning[:1].upper() + meaning[1:] + "."))
        return "\n".join(out)


def written(name):
    return ("-" if name["kind"] == "short" else "--") + name["name"]


def term(argument):
    """The first line of an option's entry."""
    value = escape(argument.get("valueName", ""))
    if argument["kind"] == "positional":
        return f".I {value}" + (" ..." if argument["isRepeating"] else "")
    names = ", ".join(f"\\fB{escape(written(name))}\\fP" for name in argument["names"])
    return names + (f" \\fI{value}\\fP" if argument["kind"] == "option" else "")


def entry(argument):
    text = argument.get("abstract", "")
    values = argument.get("completionKind", {}).get("list", {}).get("values", [])
    if values and not all(value in term(argument).replace("\\", "") + text for value in values):
        text += f" One of {', '.join(values)}."
    return item(term(argument), text)


def visible(command):
    arguments = [argument for argument in command.get("arguments", []) if argument["shouldDisplay"]]
    return [argument for argument in arguments if argument["kind"] == "positional" or names_of(argument) != {"version"}]


def names_of(argument):
    return {name["name"] for name in argument.get("names", []) if name["kind"] != "short"} or {argument["valueName"]}


def subcommands(command):
    return [sub for sub in command.get("subcommands", []) if sub["shouldDisplay"] and sub["commandName"] not in HIDDEN]


def synopsis(path, command):
    """How a command is called: what must be given, and `options` for the rest."""
    words = [f"\\fB{escape(' '.join(path))}\\fP", "[\\fIoptions\\fP]"]
    for argument in visible(command):
        if argument["kind"] == "positional":
            word = f"\\fI{escape(argument['valueName'])}\\fP" + (" ..." if argument["isRepeating"] else "")
            words.append(f"[{word}]" if argument["isOptional"] else word)
        elif argument["kind"] == "option" and not argument["isOptional"] and "defaultValue" not in argument:
            words.append(term(argument))
    return guard(" ".join(words))


def by_section(arguments):
    """Options under the headings of `--help`, in its order."""
    groups = {}
    for argument in arguments:
        groups.setdefault(argument.get("sectionTitle", ""), []).append(argument)
    return groups


def options(command, level):
    """All options of one command."""
    out = []
    for title, arguments in by_section(visible(command)).items():
        if title and level:
            out.append(heading(level, title))
        out += [entry(argument) for argument in arguments]
    return "\n".join(out)


# -- pages ---------------------------------------------------------------------------------------------------------------


def leaf_page(program, command):
    """A command without subcommands."""
    path = [program, command["commandName"]]
    text = Discussion(command)
    statuses = text.exit_status()
    return [
        heading("SH", "SYNOPSIS"), synopsis(path, command),
        heading("SH", "DESCRIPTION"), inline(command["abstract"]), text.shown(text.blocks),
        heading("SH", "OPTIONS"), options(command, "SS"),
        heading("SH", "EXIT STATUS") if statuses else "", statuses,
    ] + examples(text)


def group_page(program, command):
    """A command with subcommands: a section for each, and what all accept at the end."""
    subs = subcommands(command)
    text = Discussion(command)
    common = [one for one in visible(subs[0]) if one["kind"] != "positional" and all(one in visible(sub) for sub in subs)]
    common = common if len(subs) > 1 else []
    body = [heading("SH", "SYNOPSIS")]
    for i, sub in enumerate(subs):
        body += [".br" if i else "", synopsis([program, command["commandName"], sub["commandName"]], sub)]
    body += [heading("SH", "DESCRIPTION"), inline(command["abstract"]), text.shown(text.blocks)]
    body += [heading("SH", "COMMANDS")]
    for sub in subs:
        body.append(sub_section(command, sub, common))
    if common:
        body += [heading("SH", "OPTIONS OF ALL COMMANDS"), "\n".join(entry(argument) for argument in common)]
    statuses = text.exit_status()
    return body + [heading("SH", "EXIT STATUS") if statuses else "", statuses] + examples(text)


def sub_section(command, sub, common):
    """One subcommand on the page of its group."""
    own = dict(sub, arguments=[argument for argument in sub["arguments"] if argument not in common])
    text = Discussion(sub)
    out = [heading("SS", f"{command['commandName']} {sub['commandName']}"), inline(sub["abstract"])]
    out += [text.shown(text.blocks), text.shown(text.examples), options(own, None)]
    if text.statuses:
        out.append(".PP\nExit status:\n.RS 4\n" + text.exit_status() + "\n.RE")
    return "\n".join(part for part in out if part)


def program_page(program, command):
    text = Discussion(command)
    names = [item(f".BR {escape(program)}\\-{sub['commandName']} (1)", sub["abstract"]) for sub in subcommands(command)]
    return [
        heading("SH", "SYNOPSIS"), f".B {escape(program)}\n.I command\n[\\fIoptions\\fP] ...",
        heading("SH", "DESCRIPTION"), inline(command["abstract"]), text.shown(text.blocks),
        heading("SH", "COMMANDS"), "\n".join(names),
        heading("SH", "OPTIONS"), item("\\fB\\-\\-version\\fP", "Show the version, and those of the libraries in use."),
        item("\\fB\\-h\\fP, \\fB\\-\\-help\\fP", "Show help; every command has it."),
        heading("SH", "EXIT STATUS"), text.exit_status(),
        heading("SH", "ENVIRONMENT"), "Every setting is also an environment variable:\n.BR tweet\\-pipeline.yaml (5).",
        heading("SH", "FILES"), "\n".join(item(f".I {escape(path)}", what) for path, what in FILES[program]),
    ]


def program_pages(executable):
    dump = subprocess.run([executable, "--experimental-dump-help"], check=True, capture_output=True).stdout
    command = json.loads(dump)["command"]
    program = command["commandName"]
    others = [(name, 1) for name in PROGRAMS if name != program] + [("tweet-pipeline.yaml", 5)]
    subs = subcommands(command)
    all_pages = [(f"{program}-{sub['commandName']}", 1) for sub in subs]
    yield f"{program}.1", page(program, 1, lower(command), program_page(program, command) + [see_also(all_pages + others)])
    for sub in subs:
        name = f"{program}-{sub['commandName']}"
        body = group_page(program, sub) if subcommands(sub) else leaf_page(program, sub)
        yield f"{name}.1", page(name, 1, lower(sub), body + [see_also([(program, 1), ("tweet-pipeline.yaml", 5)])])


def lower(command):
    text = command["abstract"]
    return text[:1].lower() + text[1:]


def settings_page():
    """The settings, from the document that is made from their declarations."""
    body = [heading("SH", "DESCRIPTION")]
    text = re.sub(r"<!--.*?-->", "", (ROOT / "docs/settings.md").read_text(), flags=re.S)
    for block in re.split(r"\n\s*\n", text.split("\n", 1)[1].strip()):
        if block.startswith("## "):
            body.append(heading("SH", "SETTINGS OF " + block[3:].upper()))
        elif block.startswith("### "):
            body.append(heading("SS", block[4:]))
        elif block.startswith("|"):
            body += [setting(row) for row in block.split("\n")[2:]]
        else:
            body.append(("" if len(body) == 1 else ".PP\n") + inline(block))
    abstract = "settings of tweet-producer, tweet-loader and tweet-timelines"
    return page("tweet-pipeline.yaml", 5, abstract, body + [see_also([(name, 1) for name in PROGRAMS])])


def setting(row):
    """A row of a table: environment, flag, kind, default, meaning."""
    cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
    environment, flag, kind, default, meaning = cells
    names = ", ".join(name for name in (environment, flag) if name != "–").replace("`", "")
    facts = f" Value: {kind}." + (f" Default: {default}." if default else "")
    return item(f".B {escape(names)}", meaning + "." + facts)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tweet-pipeline.yaml.5").write_text(settings_page())
    for executable in sys.argv[2:]:
        for name, text in program_pages(executable):
            (folder / name).write_text(text)


if __name__ == "__main__":
    sys.exit(__doc__) if len(sys.argv) < 3 else main()
