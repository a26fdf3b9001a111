"""Tests of install_libtorch.py: small wheels made here, no network. Run by `make test`."""

import errno
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
import zipfile
from pathlib import Path
from unittest import mock

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import install_libtorch as it  # noqa: E402
from libtorch_wheels import WHEELS, Wheel  # noqa: E402

FILE_NAME = "tacq_fake-1.0-cp311-cp311-manylinux_2_28_x86_64.whl"
CONTENTS = {
    "torch/include/torch/csrc/api/include/torch/torch.h": b"// header\n",
    "torch/include/torch/headeronly/version.h": b"#define TORCH_VERSION_MAJOR 2\n"
    b"#define TORCH_VERSION_MINOR 11\n#define TORCH_VERSION_PATCH 0\n",
    "torch/lib/libtorch_cpu.so": bytes(range(256)) * 4096,
    "torch/lib/libc10.so": b"c10",
    "torch/lib/libtorch_python.so": b"not kept",
    "tacq_fake-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tacq-fake\nVersion: 1.0\n",
    "tacq_fake-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nTag: cp311-cp311-manylinux_2_28_x86_64\n",
    "tacq_fake-1.0.dist-info/RECORD": b"",
}

# Runs an installation in a process of its own, which can be killed; each download is counted and takes a while.
CHILD = textwrap.dedent(
    """
    import shutil, sys, time
    from pathlib import Path
    here, root, archive, count, secs = sys.argv[1:]
    sys.path.insert(0, here)
    sys.dont_write_bytecode = True
    import install_libtorch as it
    from test_install_libtorch import fake_wheel
    def download(wheel, into):
        with open(count, "a") as log:
            log.write("download\\n")
        time.sleep(float(secs))
        return Path(shutil.copy(archive, into))
    it.download = download
    it.check_pip = lambda python: None
    it.WHEELS = {"cpu": (fake_wheel(Path(archive)),)}
    it.install("cpu", Path(root))
    """
)


def make_archive(folder):
    path = Path(folder) / FILE_NAME
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in CONTENTS.items():
            archive.writestr(name, data)
    return path


def fake_wheel(archive, sha256=None):
    sha256 = sha256 or hashlib.sha256(archive.read_bytes()).hexdigest()
    keep = ("torch/include/", "torch/lib/libtorch_cpu.so", "torch/lib/libc10.so")
    return Wheel("tacq-fake", "1.0", "manylinux_2_28_x86_64", sha256, archive.stat().st_size, keep)


class Sandbox(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        self.root = self.folder / "libtorch"
        self.index = self.folder / "index"
        self.index.mkdir()
        self.archive = make_archive(self.index)
        environment = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.index), "PIP_CONFIG_FILE": os.devnull}
        environment["PIP_QUIET"] = "1"
        self.patch(mock.patch.dict(os.environ, environment))
        self.patch(mock.patch.object(it, "say"))
        self.use(fake_wheel(self.archive))

    def patch(self, patcher):
        patcher.start()
        self.addCleanup(patcher.stop)

    def use(self, wheel, variant="cpu"):
        self.patch(mock.patch.dict(it.WHEELS, {variant: (wheel,)}))

    def final(self, variant="cpu"):
        return self.root / "{}-{}".format(it.VERSION, variant)

    def assert_clean(self):
        """A whole installation, and nothing beside it."""
        self.assertTrue(it.is_installed(self.final(), "cpu"))
        self.assertEqual(sorted(os.listdir(self.root)), [self.final().name, "current", "lock"])

    def start_child(self, secs):
        count = self.folder / "count"
        arguments = [str(HERE), str(self.root), str(self.archive), str(count), str(secs)]
        return subprocess.Popen([sys.executable, "-c", CHILD] + arguments, stdout=subprocess.DEVNULL)

    def downloads(self):
        return len((self.folder / "count").read_text().splitlines())


class Install(Sandbox):
    def test_installs_through_pip_and_keeps_only_what_is_needed(self):
        it.install("cpu", self.root)
        self.assert_clean()
        libraries = sorted(os.listdir(self.root / "current" / "lib"))
        self.assertEqual(libraries, ["libc10.so", "libtorch.so", "libtorch_cpu.so"])
        self.assertEqual((self.root / "current" / "build-version").read_text(), it.VERSION + "\n")
        self.assertEqual(os.readlink(self.root / "current"), self.final().name)

    def test_a_second_call_downloads_nothing(self):
        it.install("cpu", self.root)
        with mock.patch.object(it, "download", side_effect=AssertionError("downloaded")):
            it.install("cpu", self.root)

    def test_other_pins_or_a_damaged_library_are_replaced(self):
        it.install("cpu", self.root)
        stamp = self.final() / it.STAMP
        stamp.write_text(stamp.read_text().replace('"1.0"', '"0.9"'))
        self.assertFalse(it.is_installed(self.final(), "cpu"))
        it.install("cpu", self.root)
        (self.final() / "lib" / "libc10.so").write_bytes(b"")
        it.install("cpu", self.root)
        self.assert_clean()

    def test_the_cuda_build_stands_for_the_cpu_build(self):
        self.use(fake_wheel(self.archive), "cuda")
        it.install("cuda", self.root)
        it.install("cpu", self.root)
        self.assertEqual(os.readlink(self.root / "current"), self.final("cuda").name)
        self.assertFalse(self.final().exists())

    def test_a_kill_at_any_moment_breaks_nothing(self):
        picks = random.Random(7)
        for _ in range(6):
            child = self.start_child(0.1)
            time.sleep(picks.uniform(0.05, 0.6))
            child.kill()
            child.wait()
            if self.final().exists():
                self.assertTrue(it.is_installed(self.final(), "cpu"))
        it.install("cpu", self.root)
        self.assert_clean()

    def test_two_calls_together_download_once(self):
        children = [self.start_child(0.5), self.start_child(0.5)]
        self.assertEqual([child.wait() for child in children], [0, 0])
        self.assertEqual(self.downloads(), 1)
        self.assert_clean()


class Failures(Sandbox):
    def failure(self, variant="cpu"):
        with self.assertRaises(it.InstallError) as caught:
            it.install(variant, self.root)
        self.assertEqual(sorted(os.listdir(self.root)), ["lock"], "something half-written stayed")
        return str(caught.exception)

    def test_a_wrong_hash_is_refused(self):
        self.use(fake_wheel(self.archive, sha256="0" * 64))
        self.assertIn("is not the pinned file", self.failure())

    def test_a_missing_wheel_is_named(self):
        self.archive.unlink()
        self.assertIn("does not have tacq-fake 1.0", self.failure())

    def test_no_network_is_one_sentence(self):
        environment = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_FIND_LINKS": ""}
        with mock.patch.dict(os.environ, environment):
            del os.environ["PIP_NO_INDEX"]
            self.assertIn("the package index cannot be reached", self.failure())

    def test_a_missing_compiler_is_named_before_any_download(self):
        with mock.patch.dict(os.environ, {"CC": "no-such-compiler"}):
            with mock.patch.object(it, "download", side_effect=AssertionError("downloaded")):
                self.assertIn("no C compiler `no-such-compiler`", self.failure())

    def test_too_little_disk_space_is_said_before_any_download(self):
        with mock.patch.object(it.shutil, "disk_usage", return_value=mock.Mock(free=10**6)):
            self.assertIn("0.5 GB of disk space are needed", self.failure())

    def test_a_disk_that_fills_up_leaves_nothing(self):
        full = OSError(errno.ENOSPC, "No space left on device")
        with mock.patch.object(it, "unpack", side_effect=full), self.assertRaises(OSError):
            it.install("cpu", self.root)
        self.assertEqual(os.listdir(self.root), ["lock"])

    def test_python_without_pip_is_told_what_to_install(self):
        with self.assertRaisesRegex(it.InstallError, "python3-pip"):
            it.check_pip("false")

    def test_other_hosts_are_told_to_set_libtorch(self):
        for host in [("Linux", "aarch64", "glibc"), ("Darwin", "arm64", ""), ("Linux", "x86_64", "musl")]:
            with self.assertRaisesRegex(it.InstallError, "set LIBTORCH to the folder"):
                it.check_host(*host)
        it.check_host("Linux", "x86_64", "glibc")


class OwnLibtorch(Sandbox):
    def test_a_whole_one_is_accepted_and_a_partial_one_refused(self):
        it.install("cpu", self.root)
        it.check_own(self.final())
        (self.final() / "lib" / "libc10.so").unlink()
        with self.assertRaisesRegex(it.InstallError, "has no lib/libc10.so"):
            it.check_own(self.final())

    def test_another_version_is_refused(self):
        it.install("cpu", self.root)
        header = self.final() / "include/torch/headeronly/version.h"
        header.write_text(header.read_text().replace("MINOR 11", "MINOR 9"))
        with self.assertRaisesRegex(it.InstallError, "is version 2.9.0, but 2.11.0 is needed"):
            it.check_own(self.final())

    def test_a_relative_path_is_refused(self):
        with self.assertRaisesRegex(it.InstallError, "absolute"):
            it.check_own(Path("libtorch"))


class Pins(unittest.TestCase):
    def test_every_wheel_is_pinned_by_version_and_hash(self):
        for variant, wheels in WHEELS.items():
            self.assertEqual(len({wheel.name for wheel in wheels}), len(wheels), variant)
            for wheel in wheels:
                self.assertRegex(wheel.sha256, "^[0-9a-f]{64}$")
                self.assertRegex(wheel.version, r"^[0-9.]+$")
                self.assertTrue(wheel.keep)
        json.dumps(it.expected_stamp("cuda"))


if __name__ == "__main__":
    unittest.main()
