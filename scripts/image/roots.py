"""Folders with a Debian in them, for programs that are to find nothing else.

All of it happens in a mount namespace of its own: what is mounted here goes with the process, however it ends.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

# What a container gets where an image says nothing else.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Devices that every container has.
DEVICES = ["null", "zero", "full", "random", "urandom", "tty"]
# Tells programs where certificates and mirrors of packages are: a build on this machine needs the same.
FROM_OUTSIDE = re.compile(r"(CARGO_(HTTP|NET|REGISTR)\w*|SSL_CERT_(FILE|DIR)|(https?|no|all)_proxy)", re.IGNORECASE)
# A compiler for C comes with the Rust image, and some crates bring C.
WITH_COMPILER = ["build-essential", "pkg-config"]


class Failed(Exception):
    """What did not go as it should."""


def call(*command, **options):
    """Runs a program of this machine; what it prints is shown."""
    command = [str(word) for word in command]
    ended = subprocess.run(command, check=False, **options)
    if ended.returncode != 0:
        raise Failed(f"{' '.join(command)[:200]}: exit code {ended.returncode}")
    return ended


def output(*command):
    return call(*command, stdout=subprocess.PIPE, text=True).stdout.strip()


def sources(suite):
    """Where this machine has its Debian packages from: addresses, and the suites there."""
    wanted = "$(ORIGIN)|$(REPO_URI)|$(CODENAME)|$(COMPONENT)"
    found = []
    for line in output("apt-get", "indextargets", "--format", wanted, "Created-By: Packages").splitlines():
        origin, address, codename, component = line.split("|")
        if origin == "Debian" and component == "main" and codename.split("-")[0] == suite:
            found.append((address, codename))
    if mirror := os.environ.get("VELO_MIRROR"):
        found = [(mirror, suite), *((at, name) for at, name in found if name != suite)]
    if not any(codename == suite for _, codename in found):
        raise Failed(f"apt has no packages of {suite} here: name a mirror in VELO_MIRROR")
    return found


def base(cache, image):
    """A folder that stands for an image of Docker's library, and what programs see there besides."""
    match = re.fullmatch(r"debian:([a-z]+)-slim|rust:([0-9.]+)-([a-z]+)", image)
    if not match:
        raise Failed(f"{image} is none of the images that can be made here")
    suite, rust = match[1] or match[3], match[2]
    folder = cache / "roots" / (f"{suite}-compiler" if rust else suite)
    if not folder.exists():
        bootstrap(cache, suite, folder, WITH_COMPILER if rust else [])
    return folder, rust


def bootstrap(cache, suite, folder, packages):
    print(f"== debootstrap {folder.name}", flush=True)
    found = sources(suite)
    mirror = next(address for address, codename in found if codename == suite)
    making = folder.with_suffix(".making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    packed = cache / "packages"
    packed.mkdir(exist_ok=True)
    include = ["--include=" + ",".join(packages)] if packages else []
    call("debootstrap", "--variant=minbase", f"--cache-dir={packed}", *include, suite, making, mirror,
         stdout=subprocess.DEVNULL)
    lines = [f"deb {address} {codename} main\n" for address, codename in found]
    (making / "etc/apt/sources.list").write_text("".join(lines))
    making.rename(folder)


def toolchain(version):
    """Where this machine has that version of Rust."""
    home = Path(os.environ.get("RUSTUP_HOME") or Path.home() / ".rustup")
    found = [Path(output("rustc", "--print", "sysroot")), *sorted((home / "toolchains").glob("*"))]
    for path in found:
        told = output(path / "bin/rustc", "--version")
        if told.startswith((f"rustc {version}.", f"rustc {version} ")):
            return path.resolve()
    raise Failed(f"Rust {version} is not installed: rustup toolchain install {version}")


class Root:
    """A copy of a base that may be written to; the base stays as it is."""

    def __init__(self, work, cache, name, image):
        self.cache = cache
        self.env = {"PATH": PATH, "HOME": "/root"}
        lower, rust = base(cache, image)
        self.folder = work / name / "root"
        upper, scratch = work / name / "written", work / name / "scratch"
        for folder in (self.folder, upper, scratch):
            folder.mkdir(parents=True)
        layers = f"lowerdir={lower},upperdir={upper},workdir={scratch}"
        call("mount", "-t", "overlay", "-o", layers, "overlay", self.folder)
        self.fill()
        if rust:
            self.add_rust(rust)

    def inside(self, path):
        """A path as it is called inside."""
        return self.folder / str(path).lstrip("/")

    def mount(self, kind, path, *settings):
        self.inside(path).mkdir(parents=True, exist_ok=True)
        call("mount", "-t", kind, *settings, kind, self.inside(path))

    def bind(self, source, path, read_only=False):
        """Shows a file or folder of this machine inside."""
        target = self.inside(path)
        if Path(source).is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        call("mount", "--bind", source, target)
        if read_only:
            call("mount", "-o", "remount,bind,ro", target)

    def fill(self):
        self.mount("proc", "/proc")
        self.mount("tmpfs", "/dev", "-o", "mode=755")
        for device in DEVICES:
            self.bind(f"/dev/{device}", f"/dev/{device}")
        for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
            self.inside(f"/dev/{name}").symlink_to(f"/proc/self/fd/{number}")
        self.inside("/dev/fd").symlink_to("/proc/self/fd")
        self.mount("tmpfs", "/dev/shm")
        self.mount("devpts", "/dev/pts", "-o", "newinstance,ptmxmode=0666")
        self.inside("/dev/ptmx").symlink_to("pts/ptmx")
        for name in ("resolv.conf", "hosts"):
            self.bind(f"/etc/{name}", f"/etc/{name}", read_only=True)
        # No program that is installed starts a server.
        policy = self.inside("/usr/sbin/policy-rc.d")
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)

    def add_rust(self, version):
        """Rust as its image has it, out of what this machine has."""
        found, home = toolchain(version), "/usr/local/cargo"
        here = f"/usr/local/rustup/toolchains/{version}"
        self.bind(found, here, read_only=True)
        programs = self.inside(f"{home}/bin")
        programs.mkdir(parents=True)
        for program in (found / "bin").iterdir():
            (programs / program.name).symlink_to(f"{here}/bin/{program.name}")
        self.env |= {"CARGO_HOME": home, "RUSTUP_HOME": "/usr/local/rustup", "PATH": f"{home}/bin:{PATH}"}
        own = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
        for name in ("config.toml", "config"):
            if (own / name).exists():
                self.bind(own / name, f"{home}/{name}", read_only=True)
        # Cargo's lock comes with its registry: other builds of this machine use both.
        (own / "registry").mkdir(parents=True, exist_ok=True)
        (own / ".package-cache").touch()
        self.bind(own / ".package-cache", f"{home}/.package-cache")
        given = {name: value for name, value in os.environ.items() if FROM_OUTSIDE.fullmatch(name)}
        self.env |= given
        shown = []
        # A folder comes before what is in it.
        for path in sorted(Path(value) for value in given.values() if value.startswith("/")):
            if path.exists() and not any(path.is_relative_to(other) for other in shown):
                self.bind(path, path, read_only=True)
                shown.append(path)

    def keep(self, path):
        """Has a folder outlive this root, as a cache does."""
        own = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo") / "registry"
        kept = own if path == "/usr/local/cargo/registry" else self.cache / "kept" / path.strip("/").replace("/", "-")
        kept.mkdir(parents=True, exist_ok=True)
        self.bind(kept, path)

    def person(self, name):
        """The numbers of somebody inside: of the user, and of their group."""
        for line in self.inside("/etc/passwd").read_text().splitlines():
            fields = line.split(":")
            if name == fields[0]:
                return int(fields[2]), int(fields[3])
        raise Failed(f"there is no user {name}")

    def run(self, *command, env=None, user="root", folder="/", **options):
        """Runs a program inside, and waits for it."""
        as_user = ["--userspec", ":".join(map(str, self.person(user)))] if user != "root" else []
        # The folder is gone into inside: the first `sh` is there in every Debian.
        go = ["sh", "-c", 'cd "$0" && exec "$@"', folder]
        return call("chroot", *as_user, self.folder, *go, *command, env=self.env | (env or {}), **options)


def alone(root, command, user, env, confined):
    """Starts a program as a container does: as the first of its own processes, in a network of its own.

    `confined`: without any privilege, and what is not a volume cannot be written to.
    """
    user_id, group_id = root.person(user)
    strict = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"] if confined else []
    drop = ["setpriv", f"--reuid={user_id}", f"--regid={group_id}", "--init-groups", *strict]
    begin = 'ip link set lo up && mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
    ways = ["unshare", "--net", "--pid", "--mount", "--fork", "--kill-child"]
    return subprocess.Popen(
        [*ways, "sh", "-c", begin, str(root.folder), *drop, *command], env=root.env | env, stdin=subprocess.DEVNULL
    )


def first_process(started):
    """The process that [`alone`] started, as it is numbered here."""
    children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
    if len(children) != 1:
        raise Failed(f"the program ended with exit code {started.poll()}")
    return int(children[0])


def beside(process, root, command, user, env, **options):
    """Runs a program where another runs, as `docker exec` does; its exit code is for whoever asks."""
    user_id, group_id = root.person(user)
    enter = ["nsenter", f"--target={process}", "--net", "--pid", "--mount", "--root", "--wd"]
    who = [f"--setuid={user_id}", f"--setgid={group_id}"]
    return subprocess.run([*enter, *who, *command], env=root.env | env, check=False, **options)


def listens_at(process):
    """The TCP ports at which a program's network is listened at."""
    ports = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            if state == "0A":
                ports.add(int(local.rsplit(":", 1)[1], 16))
    return ports
