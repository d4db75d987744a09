"""Does what a Dockerfile says, in roots instead of images."""

import json
import shutil
import subprocess
import time
from pathlib import Path

import dockerfile
import roots
from roots import Failed


def check(work, cache, repository):
    """Builds the stages, runs the last one, and returns the program that the image is made for."""
    folder = repository / "deploy"
    stages = dockerfile.parse((folder / "Dockerfile").read_text())
    ignored = dockerfile.Ignored((folder / "Dockerfile.dockerignore").read_text())
    made = {}
    for number, stage in enumerate(stages):
        name = stage.name or str(number)
        print(f"== FROM {stage.base} AS {name}", flush=True)
        root = roots.Root(work, cache, name, stage.base)
        for step in stage.steps:
            if isinstance(step, dockerfile.Run):
                run(root, step)
            elif step.stage:
                print(f"== COPY --from={step.stage} {step.source} {step.target}", flush=True)
                shutil.copy2(made[step.stage].inside(step.source), root.inside(step.target))
            else:
                print(f"== COPY {step.source} {step.target}", flush=True)
                copy(repository, ignored, root, step)
        made[name] = root
    live(work, root, stage)
    return Path(shutil.which(stage.entrypoint[0], path=inside_path(root)))


def inside_path(root):
    return ":".join(str(root.inside(part)) for part in root.env["PATH"].split(":"))


def run(root, step):
    print(f"== RUN {step.line}", flush=True)
    for path in step.caches:
        root.keep(path)
    root.run("mkdir", "-p", step.folder)
    root.run("/bin/sh", "-c", step.line, env=step.env, user=step.user, folder=step.folder)


def copy(repository, ignored, root, step):
    """Files of the context, with their times: Cargo builds anew what is newer than it was."""
    source = (repository / step.source).resolve()
    if source != repository:
        raise Failed(f"COPY {step.source}: only the whole context is copied here")
    target, count = root.inside(Path(step.folder) / step.target), 0

    def left_out(folder, names):
        nonlocal count
        below = Path(folder).relative_to(source)
        gone = {name for name in names if str(below / name) in ignored}
        count += len(names) - len(gone)
        return gone

    shutil.copytree(source, target, symlinks=True, ignore=left_out, dirs_exist_ok=True)
    print(f"{count} files and folders")


def live(work, root, stage):
    """Starts the image twice on the same volumes, as a container that is made anew."""
    for number, path in enumerate(stage.volumes):
        # A new volume begins with what the image has there.
        volume = work / f"volume{number}"
        roots.call("cp", "-a", root.inside(path), volume)
        root.bind(volume, path)
    # As deploy/compose.yaml runs it: nothing can be written but volumes and /tmp.
    root.mount("tmpfs", "/tmp", "-o", "mode=1777")
    roots.call("mount", "-o", "remount,ro", root.folder)
    first = once(root, stage, ["workspace", "create", "Workshop"])
    second = once(root, stage)
    if first != second:
        raise Failed(f"what a container had is not what the next one has: {first}, {second}")
    for path in stage.volumes:
        held = [item for item in root.inside(path).rglob("*") if item.is_file()]
        print(f"{path} holds {len(held)} files")
        if not held:
            raise Failed(f"{path} holds nothing")


def once(root, stage, first=None):
    """Starts it, waits until it is healthy, has it do something first, asks it, stops it. Returns what it is."""
    command = [*stage.entrypoint, *stage.command]
    print(f"== ENTRYPOINT and CMD: {' '.join(command)}, as {stage.user}", flush=True)
    started = roots.alone(root, command, stage.user, stage.env, confined=True)
    try:
        healthy(started, root, stage)
        process = roots.first_process(started)
        missing = set(stage.ports) - roots.listens_at(process)
        if missing:
            raise Failed(f"EXPOSE: nobody listens at {sorted(missing)}")
        print(f"EXPOSE: somebody listens at {stage.ports}")
        if first:
            ask(process, root, stage, first)
        status = ask(process, root, stage, ["status"])
        told = f"device {status['device']}, workspace {status['current']['id']}"
        print(f"status: {told}")
        print(f"== STOPSIGNAL {stage.stop_signal}", flush=True)
        roots.call("kill", "-s", stage.stop_signal.removeprefix("SIG"), process)
        if (code := started.wait(60)) != 0:
            raise Failed(f"exit code {code} after {stage.stop_signal}")
        print("exit code 0", flush=True)
        return told
    finally:
        started.kill()
        started.wait()


def healthy(started, root, stage):
    """Waits until HEALTHCHECK passes: as long as Docker would before it calls the container unhealthy."""
    health, said = stage.health, None
    until = time.monotonic() + health.start_period + health.retries * health.interval
    while time.monotonic() < until:
        if started.poll() is not None:
            raise Failed(f"the program ended with exit code {started.returncode}")
        try:
            process = roots.first_process(started)
            said = roots.beside(
                process, root, health.command, stage.user, stage.env, timeout=health.timeout, capture_output=True
            )
            if said.returncode == 0:
                print("HEALTHCHECK passes", flush=True)
                return
        except (Failed, subprocess.TimeoutExpired, FileNotFoundError):
            pass
        time.sleep(0.2)
    raise Failed(f"HEALTHCHECK does not pass: {said}")


def ask(process, root, stage, words):
    """Asks the program itself, as an operator would in the container."""
    command = [stage.entrypoint[0], "--json", *words]
    said = roots.beside(process, root, command, stage.user, stage.env, stdout=subprocess.PIPE, text=True)
    if said.returncode != 0:
        raise Failed(f"{' '.join(command)}: {said.stdout}")
    return json.loads(said.stdout)
