"""Which wheels libtorch is taken from, and what of each is kept.

The PyPI wheel of PyTorch carries the headers and libraries that `tch` builds on; the wheel of any CPython
version carries the same ones, so one is pinned for all hosts. `libtorch_cpu.so` of this (CUDA 13) build loads
only beside the CUDA runtime and CUPTI; the versions are those that the wheel's metadata asks for
(`cuda-toolkit==13.0.2` and its own requirements).
"""

from typing import NamedTuple, Tuple

VERSION = "2.11.0"


class Wheel(NamedTuple):
    """One pinned wheel."""

    name: str
    version: str
    # The platform tag to ask pip for: one of those in the file's name.
    platform: str
    sha256: str
    # Size of the download, in bytes.
    size: int
    # Members to keep: files, which go to lib/, and folders (with a slash at the end), which go to include/.
    keep: Tuple[str, ...]


def _torch(keep: Tuple[str, ...]) -> Wheel:
    sha256 = "7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a"
    return Wheel("torch", VERSION, "manylinux_2_28_x86_64", sha256, 530_604_548, keep)


_TORCH_CPU = ("torch/include/", "torch/lib/libtorch_cpu.so", "torch/lib/libc10.so", "torch/lib/libgomp.so.1")
_TORCH_CUDA = _TORCH_CPU + (
    "torch/lib/libtorch_cuda.so",
    "torch/lib/libc10_cuda.so",
    "torch/lib/libtorch_cuda_linalg.so",
    "torch/lib/libtorch_nvshmem.so",
    "torch/lib/libcaffe2_nvrtc.so",
)
_CU13 = "nvidia/cu13/lib/"
_CUDNN = "nvidia/cudnn/lib/"

# Needed to load libtorch_cpu.so.
_RUNTIME = (
    Wheel(
        "nvidia-cuda-runtime", "13.0.96", "manylinux2014_x86_64",
        "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548", 2_243_632,
        (_CU13 + "libcudart.so.13",),
    ),
    Wheel(
        "nvidia-cuda-cupti", "13.0.85", "manylinux_2_25_x86_64",
        "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8", 10_715_597,
        (_CU13 + "libcupti.so.13",),
    ),
)

# Needed, besides, to load libtorch_cuda.so and what it opens later (cuSOLVER, cuDNN's parts, NVRTC).
_CUDA = (
    Wheel(
        "nvidia-cublas", "13.1.0.3", "manylinux_2_27_x86_64",
        "ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171", 423_133_236,
        (_CU13 + "libcublas.so.13", _CU13 + "libcublasLt.so.13"),
    ),
    Wheel(
        "nvidia-cuda-nvrtc", "13.0.88", "manylinux2010_x86_64",
        "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575", 90_215_200,
        (_CU13 + "libnvrtc.so.13", _CU13 + "libnvrtc-builtins.so.13.0"),
    ),
    Wheel(
        "nvidia-cufft", "12.0.0.61", "manylinux2014_x86_64",
        "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3", 214_085_489,
        (_CU13 + "libcufft.so.12",),
    ),
    Wheel(
        "nvidia-cufile", "1.15.1.6", "manylinux2014_x86_64",
        "08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44", 1_223_672,
        (_CU13 + "libcufile.so.0",),
    ),
    Wheel(
        "nvidia-curand", "10.4.0.35", "manylinux_2_27_x86_64",
        "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc", 59_544_258,
        (_CU13 + "libcurand.so.10",),
    ),
    Wheel(
        "nvidia-cusolver", "12.0.4.66", "manylinux_2_27_x86_64",
        "0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112", 200_941_980,
        (_CU13 + "libcusolver.so.12",),
    ),
    Wheel(
        "nvidia-cusparse", "12.6.3.3", "manylinux2014_x86_64",
        "2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b", 145_942_937,
        (_CU13 + "libcusparse.so.12",),
    ),
    Wheel(
        "nvidia-nvjitlink", "13.0.88", "manylinux2010_x86_64",
        "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b", 40_713_933,
        (_CU13 + "libnvJitLink.so.13",),
    ),
    Wheel(
        "nvidia-cudnn-cu13", "9.19.0.56", "manylinux_2_27_x86_64",
        "d20e1734305e9d68889a96e3f35094d733ff1f83932ebe462753973e53a572bf", 366_066_321,
        tuple(
            _CUDNN + "libcudnn" + part + ".so.9"
            for part in (
                "", "_adv", "_cnn", "_engines_precompiled", "_engines_runtime_compiled", "_graph", "_heuristic",
                "_ops",
            )
        ),
    ),
    Wheel(
        "nvidia-cusparselt-cu13", "0.8.0", "manylinux2014_x86_64",
        "25e30a8a7323935d4ad0340b95a0b69926eee755767e8e0b1cf8dd85b197d3fd", 169_884_119,
        ("nvidia/cusparselt/lib/libcusparseLt.so.0",),
    ),
    Wheel(
        "nvidia-nccl-cu13", "2.28.9", "manylinux_2_18_x86_64",
        "e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42", 196_493_177,
        ("nvidia/nccl/lib/libnccl.so.2",),
    ),
    Wheel(
        "nvidia-nvshmem-cu13", "3.4.5", "manylinux2014_x86_64",
        "290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80", 60_412_546,
        ("nvidia/nvshmem/lib/libnvshmem_host.so.3",),
    ),
)

# Wheels by variant, the smaller ones first: they fail fast when there is no network.
WHEELS = {
    "cpu": _RUNTIME + (_torch(_TORCH_CPU),),
    "cuda": _RUNTIME + (_torch(_TORCH_CUDA),) + _CUDA,
}

# Disk space that an installation takes, in bytes, rounded up; the largest wheel comes on top while it is unpacked.
INSTALLED_BYTES = {"cpu": 520_000_000, "cuda": 3_700_000_000}
