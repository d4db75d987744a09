"""Installs the Debian package, runs what its unit would run, and takes it off again.

There is no systemd in a root: who runs the program, in which folders and with which settings is read from the unit
that was installed. Its sandbox is what `systemd-analyze` is asked about in scripts/check-deploy.
"""

import json
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import roots
from roots import Failed

UNIT = "/lib/systemd/system/velo-relay.service"
SETTINGS = "/etc/velo/velo-relay.env"
PROGRAM = "/usr/bin/velo-relay"
# How long it may take until it answers: a first start makes the database's tables.
PATIENCE = 120


def check(work, cache, repository, program):
    """The life of a package on a machine."""
    print(f"== deploy/deb {program}", flush=True)
    deb = roots.output(repository / "deploy/deb", program, work)
    root = roots.Root(work, cache, "package", "debian:bookworm-slim")
    shutil.copy(deb, root.inside("/velo-relay.deb"))
    root.keep("/var/cache/apt/archives")
    print("== dpkg -i", flush=True)
    root.run("dpkg", "-i", "/velo-relay.deb")
    told = root.run(PROGRAM, "--version", stdout=subprocess.PIPE, text=True).stdout.strip()
    print(f"--version: {told}", flush=True)
    version = re.search(r'^version = "(.+)"', (repository / "Cargo.toml").read_text(), re.MULTILINE)[1]
    if version not in told:
        raise Failed(f"it is not version {version}")
    set_up_database(root, repository)
    first = live(root)
    kept = Unit(root).folders(root)
    for how in ("remove", "purge"):
        take_off(root, how, kept)
    print("== dpkg -i again", flush=True)
    root.run("dpkg", "-i", "/velo-relay.deb")
    second = live(root)
    if first != second:
        raise Failed(f"after a purge it is another device: {first}, {second}")
    root.run("pg_ctlcluster", *cluster(root), "stop")


def apt(root, *command):
    """Runs apt-get. What it tells of its work is of interest where it fails."""
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    with tempfile.TemporaryFile("w+") as told:
        try:
            root.run("apt-get", "-qq", "--no-install-recommends", *command, env=quiet, stdout=told, stderr=told)
        except Failed:
            told.seek(0)
            print(told.read())
            raise


def cluster(root):
    """Version and name of the database server that Debian made."""
    return next(str(path.relative_to(root.inside("/etc/postgresql"))).split("/")
                for path in root.inside("/etc/postgresql").glob("*/*"))


def set_up_database(root, repository):
    """As docs/operations.md says it is done."""
    print("== PostgreSQL", flush=True)
    apt(root, "update")
    apt(root, "install", "postgresql")
    # Reached through its socket alone: the machine's own ports are others'.
    root.run("pg_ctlcluster", *cluster(root), "start", "-o", "-c listen_addresses=")
    guide = (repository / "docs/operations.md").read_text().split("## Starting")[1].split("```")[1]
    lines = [line for line in guide.splitlines() if line.startswith("sudo -u postgres ")]
    if not lines:
        raise Failed("docs/operations.md no longer tells how the database is made")
    for line in lines:
        print(line, flush=True)
        root.run("runuser", "-u", "postgres", "--", *shlex.split(line)[3:])


class Unit:
    """What a unit says of how its program is run."""

    def __init__(self, root):
        self.said = {}
        text = root.inside(UNIT).read_text().replace("\\\n", " ")
        for line in text.splitlines():
            name, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                self.said.setdefault(name, []).append(value)
        self.env = dict(pair.split("=", 1) for pair in self.said["Environment"])
        for path in self.said["EnvironmentFile"]:
            self.env |= settings(root.inside(path).read_text())

    def one(self, name):
        (value,) = self.said[name]
        return value

    def command(self):
        words = []
        for word in shlex.split(self.one("ExecStart")):
            # A variable that is a word of its own is as many words as it has.
            words += self.env.get(word[1:], "").split() if word.startswith("$") else [word]
        return words

    def make_folders(self, root):
        for name in self.one("StateDirectory").split():
            owner = ["--owner", self.one("User"), "--group", self.one("Group")]
            root.run("install", "--directory", *owner, "--mode", self.one("StateDirectoryMode"), f"/var/lib/{name}")

    def folders(self, root):
        return [root.inside(f"/var/lib/{name}") for name in self.one("StateDirectory").split()]


def settings(text):
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def live(root):
    """Starts what the unit starts, asks it, stops it. Returns which device it is."""
    unit = Unit(root)
    unit.make_folders(root)
    user, command = unit.one("User"), unit.command()
    print(f"== ExecStart: {' '.join(command)}, as {user}", flush=True)
    masked = ["sh", "-c", f'umask {unit.one("UMask")} && exec "$@"', "sh"]
    started = roots.alone(root, [*masked, *command], user, unit.env, confined=True)
    try:
        wait_ready(started, root, user, unit.env)
        process = roots.first_process(started)
        print(f"TCP ports that are listened at: {sorted(roots.listens_at(process))}")
        status = json.loads(own(process, root, user, unit.env, "--json", "status"))
        print(f"status: it is device {status['device']}")
        own(process, root, user, unit.env, "token", "list")
        print("== SIGTERM", flush=True)
        roots.call("kill", "-s", "TERM", process)
        if (code := started.wait(int(unit.one("TimeoutStopSec")))) != 0:
            raise Failed(f"exit code {code} after SIGTERM")
        print("exit code 0", flush=True)
    finally:
        started.kill()
        started.wait()
    closed(root, unit)
    return status["device"]


def own(process, root, user, env, *args):
    said = roots.beside(process, root, [PROGRAM, *args], user, env, stdout=subprocess.PIPE, text=True)
    if said.returncode != 0:
        raise Failed(f"velo-relay {' '.join(args)}: exit code {said.returncode}: {said.stdout}")
    return said.stdout


def wait_ready(started, root, user, env):
    """Waits until it says that its database answers."""
    host, _, port = env["VELO_HTTP"].rpartition(":")
    request = f"exec 3<>/dev/tcp/{host}/{port} && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3"
    until, said = time.monotonic() + PATIENCE, None
    while time.monotonic() < until and started.poll() is None:
        try:
            process = roots.first_process(started)
            said = roots.beside(process, root, ["bash", "-c", request], user, env, capture_output=True, text=True)
            if " 200 " in said.stdout.partition("\n")[0]:
                answer = json.loads(said.stdout.partition("\n\n")[2])
                print(f"/readyz: {answer}", flush=True)
                if not answer["database"]:
                    raise Failed("it runs without the database")
                return
        except FileNotFoundError:
            pass
        time.sleep(0.2)
    raise Failed(f"it does not become ready: exit code {started.poll()}, {said}")


def closed(root, unit):
    """Nobody else can read what it keeps."""
    held = 0
    for folder in unit.folders(root):
        for path in [folder, *folder.rglob("*")]:
            if path.lstat().st_mode & 0o077:
                raise Failed(f"others can get at {path}")
            held += path.is_file()
    print(f"{held} files, for {unit.one('User')} alone")


def take_off(root, how, kept):
    """Takes the package off as apt does, and looks at what stays: these folders do in any case."""
    print(f"== apt-get {how}", flush=True)
    apt(root, how, "--yes", "velo-relay")
    for path, stays in ((PROGRAM, False), (UNIT, False), (SETTINGS, how == "remove")):
        if root.inside(path).exists() != stays:
            raise Failed(f"{path} {'is gone' if stays else 'is still there'} after {how}")
        print(f"{path} {'stays' if stays else 'is gone'}")
    for folder in kept:
        if not any(folder.rglob("*")):
            raise Failed(f"the data in {folder} is gone after {how}")
        print(f"/{folder.relative_to(root.folder)} stays")
    root.person("velo-relay")
    print("user velo-relay stays", flush=True)
