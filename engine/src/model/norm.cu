// Root-mean-square norm and its derivative in one launch each; the operations and roundings of norm.rs, but for the order
// in which a mean is summed.

#define WARP 32

// The sum over a block, known to all its threads afterwards.
__device__ float over_block(float x) {
    __shared__ float parts[WARP];
    for (int offset = WARP / 2; offset > 0; offset /= 2) x += __shfl_down_sync(~0u, x, offset);
    __syncthreads();
    if (threadIdx.x % WARP == 0) parts[threadIdx.x / WARP] = x;
    __syncthreads();
    float sum = 0.0f;
    for (int i = 0; i < blockDim.x / WARP; i++) sum += parts[i];
    return sum;
}

template <typename T> __device__ float scale_of(const T *x, int n, float eps) {
    float sum = 0.0f;
    for (int i = threadIdx.x; i < n; i += blockDim.x) sum += wide(x[i]) * wide(x[i]);
    return rsqrtf(over_block(sum) / n + eps);
}

template <typename T> __device__ void forward(const T *x, const T *weight, int n, float eps, T *out) {
    x += (long long)blockIdx.x * n;
    out += (long long)blockIdx.x * n;
    float scale = scale_of(x, n, eps);
    for (int i = threadIdx.x; i < n; i += blockDim.x)
        out[i] = narrow<T>(wide(narrow<T>(wide(x[i]) * scale)) * wide(weight[i]));
}

template <typename T>
__device__ void backward(const T *x, const T *weight, const T *d_out, int n, float eps, T *d_x) {
    x += (long long)blockIdx.x * n;
    d_out += (long long)blockIdx.x * n;
    d_x += (long long)blockIdx.x * n;
    float scale = scale_of(x, n, eps);
    float sum = 0.0f;
    for (int i = threadIdx.x; i < n; i += blockDim.x)
        sum += wide(d_out[i]) * wide(weight[i]) * (wide(x[i]) * scale);
    float mean = over_block(sum) / n;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        float normed = wide(x[i]) * scale;
        d_x[i] = narrow<T>((wide(d_out[i]) * wide(weight[i]) - normed * mean) * scale);
    }
}

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void forward_##T(const T *x, const T *weight, int n, float eps, T *out) {                    \
        forward<T>(x, weight, n, eps, out);                                                                            \
    }                                                                                                                  \
    extern "C" __global__ void backward_##T(const T *x, const T *weight, const T *d_out, int n, float eps, T *d_x) {   \
        backward<T>(x, weight, d_out, n, eps, d_x);                                                                    \
    }
KERNELS(float)
KERNELS(bf16)
