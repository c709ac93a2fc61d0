"""Checks the files of this folder: `cargo xtask check` runs this program.

compose.yaml must follow the Compose specification. Each service must be pinned to a version, run without root on a
read-only file system, have no capability, and receive only settings that the program knows. hadolint checks the
Dockerfile, and shellcheck the scripts.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import yaml
from compose_spec import PyCompose

HERE = Path(__file__).resolve().parent
# Variables of the program that are not settings.
BESIDE_SETTINGS = {"TENANTRY_CONFIG"}
OWN_IMAGES = ("tenantry:", "tenantry-secrets:")
VARIABLE = re.compile(r"\$\{(\w+)(?::?-([^}]*))?\}")


def interpolated(value):
    """Returns the value with the defaults of all variables."""
    if isinstance(value, str):
        return VARIABLE.sub(lambda found: found[2] or "", value).replace("$$", "$")
    if isinstance(value, list):
        return [interpolated(item) for item in value]
    if isinstance(value, dict):
        return {key: interpolated(item) for key, item in value.items()}
    return value


def known_settings():
    """Returns every setting of the program. A test compares .env.example with the code."""
    lines = (HERE.parent / ".env.example").read_text().splitlines()
    found = (re.fullmatch(r"# ([A-Z0-9_]+)=.*", line) for line in lines)
    return {setting[1] for setting in found if setting}


def mistakes_of_service(name, service, settings):
    def said(condition, mistake):
        return [] if condition else [f"{name}: {mistake}"]

    image, user = service.get("image", ""), str(service.get("user", ""))
    _, _, tag = image.partition(":")
    environment = service.get("environment") or {}
    is_ours = image.startswith(OWN_IMAGES)
    runs_once = service.get("restart") == "no"
    bound = [str(port) for port in service.get("ports", [])]
    unknown = set(environment) - settings - BESIDE_SETTINGS if is_ours else set()
    mounts = [str(volume) for volume in service.get("volumes", [])]
    return [
        *said(re.search(r"\d", tag) and tag != "latest", f"its image is not pinned to a version: {image}"),
        *said(re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), f"it runs as {user or 'the user of its image'}"),
        *said(service.get("read_only") is True, "its file system can be written"),
        *said(service.get("cap_drop") == ["ALL"], "it keeps capabilities"),
        *said("cap_add" not in service and not service.get("privileged"), "it is given capabilities"),
        *said("no-new-privileges:true" in service.get("security_opt", []), "its programs may gain privileges"),
        *said("mem_limit" in service and "pids_limit" in service, "it has no limits"),
        *said(service.get("restart") in ("no", "unless-stopped"), "it has no restart policy"),
        *said(runs_once or "healthcheck" in service, "it has no health check"),
        *said(all(port.startswith("127.0.0.1:") for port in bound), f"it is open to the network: {bound}"),
        *said(not unknown, f"it receives settings that the program does not know: {sorted(unknown)}"),
        *said("docker.sock" not in " ".join(mounts), "it can control the container engine"),
        *said(
            all(m.endswith(":ro") for m in mounts if m.startswith("./") or ":/secrets" in m and name != "secrets"),
            f"a mount that it only reads is not read-only: {mounts}",
        ),
    ]


def mistakes_of_compose():
    written = yaml.safe_load((HERE / "compose.yaml").read_text())
    composed = interpolated({key: value for key, value in written.items() if not key.startswith("x-")})
    PyCompose.from_json(json.dumps(composed)).validate()
    services, settings = composed["services"], known_settings()
    mistakes = []
    for name, service in services.items():
        mistakes += mistakes_of_service(name, service, settings)
        for awaited in service.get("depends_on", {}):
            mistakes += [] if awaited in services else [f"{name}: it depends on {awaited}, which does not exist"]
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            is_there = (HERE / source).exists() if source.startswith("./") else source in composed["volumes"]
            mistakes += [] if is_there else [f"{name}: {source} does not exist"]
    wanted = {"secrets", "postgres", "redis", "minio", "bucket", "mailpit", "migrate", "api", "worker"}
    missing = wanted - set(services)
    return mistakes + ([f"missing: {sorted(missing)}"] if missing else [])


def mistakes_of_sources():
    tools = Path(sys.executable).parent
    scripts = [str(script) for script in sorted(HERE.glob("**/*.sh"))]
    mistakes = []
    for command in (["hadolint", str(HERE / "Dockerfile")], ["shellcheck", *scripts]):
        done = subprocess.run([tools / command[0], *command[1:]], capture_output=True, text=True, check=False)
        mistakes += [done.stdout + done.stderr] if done.returncode else []
    return mistakes


def main():
    try:
        mistakes = mistakes_of_compose()
    except (ValueError, TypeError, yaml.YAMLError) as error:
        mistakes = [f"compose.yaml is not valid: {error}"]
    mistakes += mistakes_of_sources()
    for mistake in mistakes:
        print(f"deploy: {mistake}", file=sys.stderr)
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
