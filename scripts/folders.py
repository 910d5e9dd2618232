#!/usr/bin/env python3
"""The walls between the modules, and the graph of the folders.

  scripts/folders.py check    fails when a file imports a module that its own module may not see, when folders of a module
                              use each other in a circle, or when a file that belongs to no command names an exit status
  scripts/folders.py graph    prints which module imports which, and which folder of a service uses which

The imports are compared with the list below, the same as in Package.swift. The folders go by the names that files declare at
top level; a name that two folders declare counts for neither.
"""

import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
KIT = ROOT / "Sources" / "PipelineKit"

# Module: what it may import. Arrows point down; C modules and packages are listed, too.
ARROWS = {
    "Core": "CMalloc ArgumentParser Logging Yams",
    "Digests": "Core COpenSSL COpenSSLTLS CZlib",
    "HTTP": "Core CCurl",
    "TweetFormat": "Core Digests CSimdJSON",
    "Journal": "Core Digests TweetFormat Logging",
    "ObjectStore": "Core HTTP Digests CCurl",
    "XAPI": "Core Digests HTTP TweetFormat Logging Yams",
    "KafkaClient": "Core CRdKafka Logging",
    "Postgres": "Core CPostgres CSQLFiles",
    "Publishing": "Core TweetFormat Journal KafkaClient Logging",
    "Operations": "Core ArgumentParser Logging Hummingbird HummingbirdCore HTTPTypes NIOCore"
    " NIOHTTPTypes NIOPosix",
    "LogShipping": "Core Digests HTTP ArgumentParser Logging",
    "TweetProducer": "Core Digests HTTP TweetFormat Journal ObjectStore XAPI KafkaClient Publishing Operations LogShipping"
    " ArgumentParser Logging CCurl Yams",
    "TweetLoader": "Core Digests TweetFormat Journal KafkaClient Postgres Operations LogShipping CConsoleFiles ArgumentParser"
    " Logging",
    "TweetTimelines": "Core Digests HTTP TweetFormat Journal XAPI KafkaClient Postgres Publishing Operations LogShipping"
    " ArgumentParser Logging",
    "Sandbox": "Core TweetFormat Journal KafkaClient Postgres Operations TweetLoader ArgumentParser Logging Yams"
    " COpenSSLTLS CRdKafka CZlib Hummingbird HummingbirdCore HTTPTypes NIOCore NIOHTTPTypes",
    "tweet-producer": "TweetProducer",
    "tweet-loader": "TweetLoader",
    "tweet-timelines": "TweetTimelines",
    "sandbox": "Sandbox",
}
SYSTEM = {"Foundation", "FoundationEssentials", "Glibc", "Synchronization", "Dispatch"}
IMPORT = re.compile(r"^(?:@\w+ )?(?:public |package |internal |private )?import (?:struct |class |func |enum )?(\w+)", re.M)
NAME = re.compile(
    r"^(?:@\w+(?:\([^)]*\))? )*((?:[a-z]+(?:\([a-z]+\))? )*)(?:struct|class|enum|protocol|func|let|var|typealias|actor) (\w+)",
    re.M,
)

# Exit statuses exist only in commands; everything else throws errors with a disposition, which Core maps to a status.
STATUS = re.compile(r"\bFailure\(\.\w|\bExitStatus\b|\bas[?!]? Failure\b")
STATUS_FILES = {"Process/Disposition.swift", "Process/ExitStatus.swift", "Settings/Command.swift"}


def module_of(path):
    parts = path.relative_to(ROOT / "Sources").parts
    return parts[1] if parts[0] == "PipelineKit" else parts[0]


def sources():
    return sorted(path for path in (ROOT / "Sources").rglob("*.swift"))


def check():
    errors = []
    for path in sources():
        module = module_of(path)
        allowed = ARROWS.get(module)
        if allowed is None:
            errors.append(f"{path.relative_to(ROOT)}: module {module} has no entry in ARROWS of scripts/folders.py")
            continue
        for found in IMPORT.finditer(path.read_text()):
            name = found.group(1)
            if name not in SYSTEM and name not in allowed.split():
                line = path.read_text()[: found.start()].count("\n") + 1
                errors.append(f"{path.relative_to(ROOT)}:{line}: {module} must not import {name}")
        errors += statuses(path)
    for module in ARROWS:
        for first, second in cycles(folder_edges(module)):
            errors.append(f"{module}: circle between folders: {first} <-> {second}")
    print("\n".join(errors) if errors else f"{len(sources())} files, no import crosses a wall")
    return 1 if errors else 0


def statuses(path):
    """Where a file that belongs to no command names an exit status."""
    parts = path.relative_to(ROOT / "Sources").parts
    if "Commands" in parts or parts[0] == "Sandbox" or "/".join(parts[-2:]) in STATUS_FILES:
        return []
    return [
        f"{path.relative_to(ROOT)}:{number}: exit statuses exist only in commands: throw a DisposedError"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if STATUS.search(line.split("//")[0])
    ]


def without_comments(text):
    return re.sub(r'"(?:\\.|[^"\\\n])*"', '""', re.sub(r"//.*", "", text))


def folder_edges(module):
    """Which folder of a module uses names of which: {(from, to): names}."""
    root = KIT / module if (KIT / module).is_dir() else ROOT / "Sources" / module
    files = {path: without_comments(path.read_text()) for path in root.rglob("*.swift")}
    folder = {path: path.relative_to(root).parts[0] if path.parent != root else module for path in files}
    declared = collections.defaultdict(set)
    for path, text in files.items():
        for modifiers, name in NAME.findall(text):
            if "private" not in modifiers:
                declared[name].add(folder[path])
    edges = collections.defaultdict(set)
    for path, text in files.items():
        for word in set(re.findall(r"\b[A-Za-z_]\w*", text)):
            homes = declared.get(word, set())
            if len(homes) == 1 and folder[path] not in homes:
                edges[folder[path], next(iter(homes))].add(word)
    return edges


def cycles(edges):
    """The pairs of folders that use each other, in one step or several."""
    reach = {start: set() for edge in edges for start in edge}
    for start, end in edges:
        reach[start].add(end)
    changed = True
    while changed:
        changed = False
        for start in reach:
            more = set().union(*(reach[end] for end in reach[start])) - reach[start]
            if more:
                reach[start] |= more
                changed = True
    return sorted({tuple(sorted((a, b))) for a in reach for b in reach[a] if a != b and a in reach[b]})


def graph():
    imports = collections.defaultdict(set)
    for path in sources():
        for name in IMPORT.findall(path.read_text()):
            if name in ARROWS:
                imports[module_of(path)].add(name)
    print("Modules")
    for module in ARROWS:
        print(f"  {module:15} -> {' '.join(sorted(imports[module])) or '-'}")
    status = 0
    for service in ("TweetProducer", "TweetLoader"):
        edges = folder_edges(service)
        print(f"\nFolders of {service}")
        for (start, end), names in sorted(edges.items()):
            shown = sorted(names)
            print(f"  {start:12} -> {end:12} {', '.join(shown[:5])}{', …' if len(shown) > 5 else ''}")
        for first, second in cycles(edges):
            print(f"  cycle: {first} <-> {second}")
    return status


if __name__ == "__main__":
    actions = {"check": check, "graph": graph}
    if len(sys.argv) != 2 or sys.argv[1] not in actions:
        sys.exit(__doc__)
    sys.exit(actions[sys.argv[1]]())
