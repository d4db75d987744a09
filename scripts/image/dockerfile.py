"""Reads a Dockerfile: what of it deploy/Dockerfile uses, and not a word more.

What is not known here is an error and never passed over, since a check that skips a line says nothing. The format:
https://docs.docker.com/reference/dockerfile/
"""

import fnmatch
import json
import re
import shlex
from dataclasses import dataclass, field


class Unknown(Exception):
    """Something that is not understood, with where it stands."""


@dataclass
class Health:
    """How it is told whether the program works: seconds, and a command."""

    interval: float = 30
    timeout: float = 30
    start_period: float = 0
    retries: int = 3
    command: list = field(default_factory=list)


@dataclass
class Stage:
    """An image: where it begins, what is done to it in this order, and how it is run."""

    base: str
    name: str
    steps: list = field(default_factory=list)
    env: dict = field(default_factory=dict)
    volumes: list = field(default_factory=list)
    ports: list = field(default_factory=list)
    user: str = "root"
    folder: str = "/"
    stop_signal: str = "SIGTERM"
    entrypoint: list = field(default_factory=list)
    command: list = field(default_factory=list)
    health: Health = None


@dataclass
class Run:
    """A line for the shell, with folders that outlive it."""

    line: str
    caches: list
    user: str
    folder: str
    env: dict


@dataclass
class Copy:
    """Files from the context, or from a stage."""

    source: str
    target: str
    stage: str
    folder: str


def parse(text):
    """The stages of a Dockerfile."""
    stages = []
    for number, word, rest in instructions(text):
        try:
            if word == "FROM":
                stages.append(begin(rest))
            elif not stages:
                raise Unknown(f"{word} before FROM")
            elif word not in INSTRUCTIONS:
                raise Unknown(word)
            else:
                INSTRUCTIONS[word](stages[-1], rest)
        except (Unknown, ValueError) as error:
            raise Unknown(f"line {number}: {error}") from None
    if not stages:
        raise Unknown("no FROM")
    return stages


def instructions(text):
    """Each instruction with its line: joined where lines end in a backslash, without comments."""
    parts, start = [], 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#"):
            # Before the first instruction some comments change how the rest is read.
            if re.match(r"#\s*(syntax|escape|check)\s*=", line):
                raise Unknown(f"line {number}: {line}")
            continue
        if not line.strip():
            continue
        start = start or number
        goes_on = line.rstrip().endswith("\\")
        parts.append(line.rstrip().removesuffix("\\").strip())
        if not goes_on:
            word, _, rest = " ".join(parts).partition(" ")
            if "<<" in rest:
                raise Unknown(f"line {start}: a here-document")
            yield start, word.upper(), rest.strip()
            parts, start = [], 0
    if parts:
        raise Unknown(f"line {start}: it does not end")


def begin(rest):
    match = re.fullmatch(r"(\S+)(?:\s+AS\s+(\S+))?", rest, re.IGNORECASE)
    if not match or "$" in rest or rest.startswith("--"):
        raise Unknown(f"FROM {rest}")
    return Stage(base=match[1], name=match[2] or "")


def options(rest):
    """What stands before the rest as `--name=value`."""
    found = []
    while match := re.match(r"--([a-z-]+)=(\S+)\s+", rest):
        found.append((match[1], match[2]))
        rest = rest[match.end() :]
    if rest.startswith("--"):
        raise Unknown(rest)
    return found, rest


def words(rest):
    """The words of an exec form. What is given as a line for a shell is not needed."""
    found = json.loads(rest)
    if not isinstance(found, list) or not found or not all(isinstance(word, str) for word in found):
        raise Unknown(rest)
    return found


def plain(rest):
    """A single word in which nothing is to be filled in."""
    if not re.fullmatch(r"[^\s$\"'\\]+", rest):
        raise Unknown(rest)
    return rest


def run(stage, rest):
    given, line = options(rest)
    caches = []
    for name, value in given:
        mount = dict(part.split("=", 1) for part in value.split(","))
        if name != "mount" or set(mount) != {"type", "target"} or mount["type"] != "cache":
            raise Unknown(f"--{name}={value}")
        caches.append(mount["target"])
    if line.startswith("["):
        raise Unknown(line)
    stage.steps.append(Run(line, caches, stage.user, stage.folder, dict(stage.env)))


def copy(stage, rest):
    given, rest = options(rest)
    origin = dict(given).pop("from", "")
    if any(name != "from" for name, _ in given):
        raise Unknown(str(given))
    source, target = (plain(word) for word in rest.split())
    stage.steps.append(Copy(source, target, origin, stage.folder))


def env(stage, rest):
    for word in shlex.split(rest):
        name, equals, value = word.partition("=")
        if not equals or "$" in value:
            raise Unknown(word)
        stage.env[name] = value


def workdir(stage, rest):
    folder = plain(rest)
    if not folder.startswith("/"):
        raise Unknown(rest)
    stage.folder = folder


def expose(stage, rest):
    stage.ports += [int(port) for port in rest.split()]


def seconds(text):
    match = re.fullmatch(r"(\d+)(s|m)", text)
    if not match:
        raise Unknown(text)
    return int(match[1]) * {"s": 1, "m": 60}[match[2]]


def healthcheck(stage, rest):
    given, rest = options(rest)
    health = Health()
    for name, value in given:
        if name == "retries":
            health.retries = int(value)
        elif name in ("interval", "timeout", "start-period"):
            setattr(health, name.replace("-", "_"), seconds(value))
        else:
            raise Unknown(f"--{name}")
    word, _, command = rest.partition(" ")
    if word != "CMD":
        raise Unknown(rest)
    health.command = words(command)
    stage.health = health


INSTRUCTIONS = {
    "RUN": run,
    "COPY": copy,
    "ENV": env,
    "WORKDIR": workdir,
    "EXPOSE": expose,
    "HEALTHCHECK": healthcheck,
    "VOLUME": lambda stage, rest: stage.volumes.extend(words(rest)),
    "USER": lambda stage, rest: setattr(stage, "user", plain(rest)),
    "STOPSIGNAL": lambda stage, rest: setattr(stage, "stop_signal", plain(rest)),
    "ENTRYPOINT": lambda stage, rest: setattr(stage, "entrypoint", words(rest)),
    "CMD": lambda stage, rest: setattr(stage, "command", words(rest)),
}


class Ignored:
    """What a .dockerignore keeps out of the context."""

    def __init__(self, text):
        self.patterns = []
        for line in text.splitlines():
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            if line.startswith("!") or re.search(r"[\[\]\\?]", line):
                raise Unknown(f".dockerignore: {line}")
            self.patterns.append(line.strip("/").split("/"))

    def __contains__(self, path):
        """Whether a path below the context, or a folder that it is in, is named."""
        parts = path.split("/")
        return any(
            matches(pattern, parts[: end + 1]) for end in range(len(parts)) for pattern in self.patterns
        )


def matches(pattern, parts):
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(matches(pattern[1:], parts[skip:]) for skip in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], pattern[0]) and matches(pattern[1:], parts[1:])
