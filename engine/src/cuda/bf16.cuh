// Numbers in 16 bit, as libtorch rounds them.

struct bf16 {
    unsigned short bits;
};

__device__ float wide(float x) { return x; }
__device__ float wide(bf16 x) { return __uint_as_float((unsigned)x.bits << 16); }

template <typename T> __device__ T narrow(float x);
template <> __device__ float narrow<float>(float x) { return x; }
// To the nearest, halves to the even neighbour.
template <> __device__ bf16 narrow<bf16>(float x) {
    unsigned bits = __float_as_uint(x);
    bf16 result;
    result.bits = x != x ? 0x7fc0 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return result;
}
