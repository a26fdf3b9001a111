#!/usr/bin/env python3
"""Installs the libtorch that tacq-engine links against: `make libtorch`, `make libtorch-cuda`.

    .libtorch/<version>-<variant>/{lib,include,build-version,installed.json}
    .libtorch/current -> <version>-<variant>

Needs Python 3.8 with pip and a C compiler, nothing else. Wheels come through `pip download`, so that the user's
index, proxy and certificates apply, with their sha256 pinned; each is deleted once unpacked. An installation is
built in a folder of its own and renamed into place: a kill leaves at worst a folder that the next call removes.
Calls that run together wait for each other. When LIBTORCH is set, that installation is checked and nothing is
downloaded.
"""

import argparse
import errno
import fcntl
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Dict, NoReturn

sys.dont_write_bytecode = True  # keeps the source tree clean
sys.path.insert(0, str(Path(__file__).resolve().parent))
from libtorch_wheels import INSTALLED_BYTES, VERSION, WHEELS, Wheel  # noqa: E402

# Raised when the same wheels are unpacked differently, so that older installations are replaced.
LAYOUT = 1
STAMP = "installed.json"
HEADER = "include/torch/csrc/api/include/torch/torch.h"
OWN_LIBTORCH = (
    "set LIBTORCH to the folder of a libtorch {v} that holds lib/libtorch_cpu.so and include/. "
    "An installed PyTorch {v} has one: LIBTORCH=$(python3 -c 'import os, torch; "
    "print(os.path.dirname(torch.__file__))')"
).format(v=VERSION)


class InstallError(Exception):
    """What went wrong and what to do about it, for the user."""


def say(message: str) -> None:
    print("libtorch: " + message, flush=True)


def check_host(system: str, machine: str, libc: str) -> None:
    """The pinned wheels are for x86-64 Linux with glibc."""
    if (system, machine) != ("Linux", "x86_64"):
        raise InstallError(
            "no pinned libtorch for {} on {}, only for Linux on x86_64; build it elsewhere or {}".format(
                system, machine, OWN_LIBTORCH
            )
        )
    if libc != "glibc":
        raise InstallError("the pinned libtorch needs glibc 2.28 or newer, found {}; {}".format(libc, OWN_LIBTORCH))


def check_own(folder: Path) -> None:
    """A LIBTORCH of the user's own must be what tch links against."""
    if not folder.is_absolute():
        raise InstallError("LIBTORCH={} must be an absolute path".format(folder))
    for needed in ("lib/libtorch_cpu.so", "lib/libc10.so", HEADER):
        if not (folder / needed).is_file():
            raise InstallError(
                "LIBTORCH={} has no {}; point it at a libtorch {}, or unset it to have one installed".format(
                    folder, needed, VERSION
                )
            )
    found = header_version(folder)
    if found != VERSION:
        raise InstallError("LIBTORCH={} is version {}, but {} is needed".format(folder, found, VERSION))


def header_version(folder: Path) -> str:
    """The version that libtorch's headers state."""
    for name in ("include/torch/headeronly/version.h", "include/torch/csrc/api/include/torch/version.h"):
        if (folder / name).is_file():
            text = (folder / name).read_text(encoding="utf-8", errors="replace")
            parts = dict(re.findall(r"#define TORCH_VERSION_(MAJOR|MINOR|PATCH) (\d+)", text))
            if len(parts) == 3:
                return "{MAJOR}.{MINOR}.{PATCH}".format(**parts)
    return "unknown"


def check_pip(python: str) -> None:
    """Makes sure that there is a pip to download with."""
    if subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode:
        raise InstallError(
            "{} has no pip, which downloads the wheels: install it (Debian and Ubuntu: `apt-get install "
            "python3-pip`), or {}".format(python, OWN_LIBTORCH)
        )


def download(wheel: Wheel, into: Path) -> Path:
    """Downloads one wheel with pip, which checks its sha256."""
    requirement = into / "requirement.txt"
    requirement.write_text("{}=={} --hash=sha256:{}\n".format(wheel.name, wheel.version, wheel.sha256))
    # fmt: off
    command = [
        sys.executable, "-m", "pip", "download", "--require-hashes", "--requirement", str(requirement),
        "--no-deps", "--only-binary=:all:", "--implementation", "cp", "--python-version", "3.11",
        "--platform", wheel.platform, "--dest", str(into),
        # No second copy in pip's cache: the wheel is half a gigabyte and used once.
        "--no-cache-dir", "--disable-pip-version-check", "--no-input",
    ]
    # fmt: on
    # pip downloads into TMPDIR first; /tmp may be small, and is often in memory.
    result = subprocess.run(command, env=dict(os.environ, TMPDIR=str(into)), stderr=subprocess.PIPE, text=True)
    if result.returncode:
        raise InstallError(explain_pip(wheel, result.stderr))
    found = sorted(into.glob("*.whl"))
    if len(found) != 1:
        raise InstallError("pip left {} wheels for {}".format(len(found), wheel.name))
    return found[0]


def explain_pip(wheel: Wheel, stderr: str) -> str:
    """One sentence for what pip said at length."""
    what = "{} {}".format(wheel.name, wheel.version)
    if "DO NOT MATCH THE HASHES" in stderr:
        return "{} from the package index is not the pinned file (sha256 {}); do not use it, check the index " \
            "and proxy that pip is set to\n{}".format(what, wheel.sha256, stderr.strip())
    if "No space left on device" in stderr:
        return disk_full()
    # pip calls an index that it cannot reach empty.
    if re.search(r"ConnectionError|Timeout|NameResolution|ProxyError|SSLError|from versions: none", stderr):
        return "the package index cannot be reached or does not have {}: check the network, PIP_INDEX_URL and " \
            "HTTPS_PROXY; or {}\n{}".format(what, OWN_LIBTORCH, last_line(stderr))
    return "pip could not download {}:\n{}".format(what, stderr.strip())


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""


def disk_full() -> str:
    return "the disk is full; make room where .libtorch lies and run the command again"


def unpack(wheel: Wheel, archive: Path, target: Path) -> None:
    """Copies the members that are kept: libraries to lib/, header folders to include/."""
    with zipfile.ZipFile(archive) as members:
        for keep in wheel.keep:
            if keep.endswith("/"):
                names = [n for n in members.namelist() if n.startswith(keep) and not n.endswith("/")]
                places = [(name, target / "include" / name[len(keep):]) for name in names]
            else:
                places = [(keep, target / "lib" / keep.rsplit("/", 1)[1])]
            if not places:
                raise InstallError("{} has no {}".format(archive.name, keep))
            for name, place in places:
                if ".." in place.parts:
                    raise InstallError("{} holds an unsafe path: {}".format(archive.name, name))
                place.parent.mkdir(parents=True, exist_ok=True)
                with members.open(name) as source, open(place, "wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)


def make_stub(folder: Path) -> None:
    """An empty libtorch.so for the linker: torch-sys names it, nothing in it is needed.

    The real one exists only to pull in every other library, the CUDA ones among them.
    """
    compiler = os.environ.get("CC", "cc")
    command = compiler.split() + ["-shared", "-nostdlib", "-Wl,-soname,libtorch.so", "-x", "c", "/dev/null"]
    try:
        result = subprocess.run(command + ["-o", str(folder / "libtorch.so")], stderr=subprocess.PIPE, text=True)
    except FileNotFoundError:
        raise InstallError(
            "no C compiler `{}`: install one (Debian and Ubuntu: `apt-get install g++`) or set CC".format(compiler)
        ) from None
    if result.returncode:
        raise InstallError("`{}` cannot build a shared library:\n{}".format(compiler, result.stderr.strip()))


def expected_stamp(variant: str) -> Dict[str, object]:
    """What an installation of this variant was made from."""
    wheels = {wheel.name: [wheel.version, wheel.sha256, list(wheel.keep)] for wheel in WHEELS[variant]}
    return {"layout": LAYOUT, "version": VERSION, "variant": variant, "wheels": wheels}


def libraries(folder: Path) -> Dict[str, int]:
    """Size of each library, by name."""
    return {path.name: path.stat().st_size for path in sorted((folder / "lib").iterdir())}


def is_installed(folder: Path, variant: str) -> bool:
    """Whether the folder is a whole installation from the wheels pinned now."""
    try:
        stamp = json.loads((folder / STAMP).read_text())
        sizes = stamp.pop("libraries")
        return stamp == expected_stamp(variant) and sizes == libraries(folder) and (folder / HEADER).is_file()
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def build(variant: str, work: Path) -> Path:
    """Makes a complete installation inside `work`."""
    target = work / "install"
    (target / "lib").mkdir(parents=True)
    make_stub(target / "lib")  # first: a missing compiler should not cost a download
    for wheel in WHEELS[variant]:
        say("{} {} ({:.0f} MB)".format(wheel.name, wheel.version, wheel.size / 1e6))
        into = Path(tempfile.mkdtemp(dir=work))
        unpack(wheel, download(wheel, into), target)
        shutil.rmtree(into)
    # torch-sys compares this file with the version that it was written for.
    (target / "build-version").write_text(VERSION + "\n")
    stamp = dict(expected_stamp(variant), libraries=libraries(target))
    (target / STAMP).write_text(json.dumps(stamp, indent=1) + "\n")
    return target


def point_current(root: Path, name: str) -> None:
    """Turns `current` to an installation, in one step."""
    link = root / ".current.new"
    if link.is_symlink():
        link.unlink()
    link.symlink_to(name)
    os.replace(link, root / "current")


def is_current(root: Path, folder: Path) -> bool:
    return os.path.realpath(root / "current") == os.path.realpath(folder)


def install(variant: str, root: Path) -> None:
    """Installs the variant under `root`, unless it is there, and makes it current.

    The CUDA build runs on CPU too, so where it is current it also stands for the CPU build.
    """
    root.mkdir(parents=True, exist_ok=True)
    final = root / "{}-{}".format(VERSION, variant)
    with open(root / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another installation into {}".format(root))
            fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in root.glob("tmp-*"):  # of calls that were killed: we hold the lock
            shutil.rmtree(leftover)
        larger = root / "{}-cuda".format(VERSION)
        if variant == "cpu" and is_current(root, larger) and is_installed(larger, "cuda"):
            say("{} with CUDA is ready in {}".format(VERSION, larger))
            return
        if not is_installed(final, variant):
            check_pip(sys.executable)
            need = INSTALLED_BYTES[variant] + 2 * max(wheel.size for wheel in WHEELS[variant])
            free = shutil.disk_usage(root).free
            if free < need:
                raise InstallError(
                    "{:.1f} GB of disk space are needed at {}, {:.1f} GB are free".format(need / 1e9, root, free / 1e9)
                )
            work = Path(tempfile.mkdtemp(prefix="tmp-", dir=root))
            try:
                made = build(variant, work)
                if final.exists():
                    final.rename(work / "old")
                made.rename(final)
            finally:
                shutil.rmtree(work, ignore_errors=True)
        point_current(root, final.name)
        say("{} is ready in {}".format(VERSION, final))


def fail(message: str) -> NoReturn:
    print("libtorch: error: " + message, file=sys.stderr)
    sys.exit(3)


def main() -> None:
    parser = argparse.ArgumentParser(description="Install libtorch {} for tacq-engine.".format(VERSION))
    parser.add_argument("variant", choices=sorted(WHEELS), nargs="?", default="cpu")
    default_root = Path(__file__).resolve().parent.parent / ".libtorch"
    parser.add_argument("--root", type=Path, default=default_root, help="folder to install into (%(default)s)")
    arguments = parser.parse_args()
    try:
        own = os.environ.get("LIBTORCH")
        if own:
            check_own(Path(own))
            say("using LIBTORCH={}".format(own))
        else:
            check_host(platform.system(), platform.machine(), platform.libc_ver()[0] or "an unknown C library")
            install(arguments.variant, arguments.root.resolve())
    except InstallError as error:
        fail(str(error))
    except OSError as error:
        fail(disk_full() if error.errno in (errno.ENOSPC, errno.EDQUOT) else str(error))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
