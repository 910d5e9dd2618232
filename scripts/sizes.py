#!/usr/bin/env python3
"""The sizes of files and functions.

  scripts/sizes.py check [FOLDER]    fails when a Swift file or a function of FOLDER/Sources or FOLDER/Tests is too long

A file has at most 300 lines, a function's body at most 30. Braces inside strings and comments do not count, so the lines are
those of the body between its braces. What is longer stands in ALLOWED with its reason; an entry that is no longer needed fails, too.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILE_LINES = 300
BODY_LINES = 30

# Reasons.
TABLE = "a table of members or figures, one line each"

# "path" or "path: function": the reason why it may be longer.
ALLOWED = {
    "Sources/Sandbox/Bench/ProducerBench.swift: run": TABLE,
    "Sources/Sandbox/X/Generator/TweetObject.swift: tweet": TABLE,
}

FUNCTION = re.compile(r"\b(?:func\s+([^\s(<]+)|(init)\b[?!]?\s*(?=[(<])|(deinit)\b|(subscript)\b)")
# What a declaration may begin with; anything else before `init` makes it a call.
BEFORE = re.compile(r"^\s*(?:@\w+(?:\((?:[^()]|\([^()]*\))*\))?\s*|[a-z]+(?:\([a-z]+\))?\s+)*$")


def blanked(text):
    """The text with comments and the contents of strings replaced by spaces, so that all positions stay."""
    out = list(text)

    def hide(start, end):
        for place in range(start, min(end, len(out))):
            if out[place] != "\n":
                out[place] = " "

    def string(place):
        """The end of the string that begins at `place`, with its code in \\(…) hidden, too."""
        hashes = 0
        while text.startswith("#", place + hashes):
            hashes += 1
        mark = '"""' if text.startswith('"""', place + hashes) else '"'
        close, escape = mark + "#" * hashes, "\\" + "#" * hashes
        at = place + hashes + len(mark)
        while at < len(text) and not text.startswith(close, at):
            if text.startswith(escape + "(", at):
                at = interpolation(at + len(escape) + 1)
            elif text.startswith(escape, at):
                at += len(escape) + 1
            else:
                at += 1
        return at + len(close)

    def interpolation(at):
        depth = 1
        while at < len(text) and depth:
            if text[at] == '"':
                at = string(at)
                continue
            depth += {"(": 1, ")": -1}.get(text[at], 0)
            at += 1
        return at

    place = 0
    while place < len(text):
        if text.startswith("//", place):
            end = text.find("\n", place)
            end = len(text) if end < 0 else end
        elif text.startswith("/*", place):
            depth, end = 1, place + 2
            while end < len(text) and depth:
                if text.startswith("/*", end):
                    depth, end = depth + 1, end + 2
                elif text.startswith("*/", end):
                    depth, end = depth - 1, end + 2
                else:
                    end += 1
        elif re.match(r'#*"', text[place : place + 8]):
            end = string(place)
        elif regex := re.compile(r"#/.*?/#", re.S).match(text, place):
            end = regex.end()
        else:
            place += 1
            continue
        hide(place, end)
        place = end
    return "".join(out)


def body(text, place):
    """The positions of the braces of the function whose parameters begin at or after `place`; none in a protocol."""
    depth = 0
    started = False
    while place < len(text):
        char = text[place]
        if char in "([":
            depth, started = depth + 1, True
        elif char in ")]":
            depth -= 1
        elif char == "{" and depth == 0:
            break
        elif depth == 0 and (char == "}" or started and char == "\n" and not continues(text, place)):
            return None
        place += 1
    start, braces = place, 0
    while place < len(text):
        braces += {"{": 1, "}": -1}.get(text[place], 0)
        if braces == 0:
            return start, place
        place += 1
    return None


def continues(text, place):
    """Whether a signature goes on behind a line's end."""
    return re.match(r"\s*(?:\{|->|async\b|throws\b|rethrows\b|where\b)", text[place:]) is not None


def functions(text):
    """(line, name, lines of the body) of each function."""
    plain = blanked(text)
    for found in FUNCTION.finditer(plain):
        before = plain[plain.rfind("\n", 0, found.start()) + 1 : found.start()]
        if not BEFORE.match(before):
            continue
        where = body(plain, found.end())
        if where:
            name = next(filter(None, found.groups()))
            lines = plain.count("\n", *where) - 1
            yield plain.count("\n", 0, found.start()) + 1, name, lines


def check(root):
    errors, used, count = [], set(), 0
    for path in sorted(path for top in ("Sources", "Tests") for path in (root / top).rglob("*.swift")):
        count += 1
        text, name = path.read_text(), str(path.relative_to(root))
        lines = text.count("\n")
        long = [(name, f"{name}: {lines} lines, at most {FILE_LINES}")] if lines > FILE_LINES else []
        for line, function, size in functions(text):
            if size > BODY_LINES:
                long.append((f"{name}: {function}", f"{name}:{line}: {function} has {size} lines, at most {BODY_LINES}"))
        for key, message in long:
            used.add(key)
            if key not in ALLOWED:
                errors.append(message)
    if root == ROOT:
        errors += [f"{key}: not too long (any more); remove it from ALLOWED" for key in ALLOWED if key not in used]
    print("\n".join(errors) if errors else f"{count} files, none too long, {len(ALLOWED)} exceptions")
    return 1 if errors else 0


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or sys.argv[1] != "check":
        sys.exit(__doc__)
    sys.exit(check(pathlib.Path(sys.argv[2]).resolve() if len(sys.argv) == 3 else ROOT))
