// Grids and GPTQ's column loop, operation by operation what grid/kernel.rs (its AVX2 form) and gptq/tile.rs do, so that
// equal weights get equal grids and codes on both devices. MANTISSA_*, FIFTH_* and EXPONENT_OFFSET come from power.rs.

typedef unsigned char u8;
typedef unsigned int u32;
typedef long long i64;

#define WARP 32
// Weights that are summed side by side, as in grid/kernel.rs.
#define LANES 16
// The smallest normal number, as f32::MIN_POSITIVE.
#define MIN_POSITIVE 1.17549435e-38f
#define INFINITE __int_as_float(0x7f800000)

// x^2.4 of x >= 0; see power.rs.
__device__ float power_2_4(float x) {
    u32 bits = __float_as_uint(x);
    u32 twelfths = 12u * (bits >> 23) + 1u;
    u32 quotient = twelfths / 5u;
    u32 remainder = twelfths - 5u * quotient;
    int field = min(max((int)quotient - EXPONENT_OFFSET, 0), 255);
    float m = __uint_as_float((bits & 0x007fffffu) | 0x3f800000u);
    float p = __fmaf_rn(MANTISSA_5, m, MANTISSA_4);
    p = __fmaf_rn(p, m, MANTISSA_3);
    p = __fmaf_rn(p, m, MANTISSA_2);
    p = __fmaf_rn(p, m, MANTISSA_1);
    p = __fmaf_rn(p, m, MANTISSA_0);
    float fifth = remainder == 0 ? FIFTH_0
                : remainder == 1 ? FIFTH_1
                : remainder == 2 ? FIFTH_2
                : remainder == 3 ? FIFTH_3
                                 : FIFTH_4;
    return __fmul_rn(__fmul_rn(p, fifth), __uint_as_float((u32)field << 23));
}

struct Grid {
    float scale, zero;
};

// The grid over [low, high]; see Grid::over in grid/mod.rs.
__device__ Grid grid_over(float low, float high, float max_code) {
    Grid grid;
    grid.scale = fmaxf(__fdiv_rn(__fsub_rn(high, low), max_code), MIN_POSITIVE);
    grid.zero = rintf(__fdiv_rn(-low, grid.scale));
    return grid;
}

__device__ float shrunk(int step) {
    return (float)(1.0 - (double)step / 100.0);
}

// Minimum, maximum, sum and count over a block, known to all its threads afterwards.
struct Range {
    float low, high;
    double sum;
    int count;
};

__device__ Range join(Range a, Range b) {
    a.low = fminf(a.low, b.low);
    a.high = fmaxf(a.high, b.high);
    a.sum += b.sum;
    a.count += b.count;
    return a;
}

__device__ Range over_block(Range own) {
    __shared__ Range parts[WARP];
    for (int offset = WARP / 2; offset > 0; offset /= 2) {
        Range other;
        other.low = __shfl_down_sync(~0u, own.low, offset);
        other.high = __shfl_down_sync(~0u, own.high, offset);
        other.sum = __shfl_down_sync(~0u, own.sum, offset);
        other.count = __shfl_down_sync(~0u, own.count, offset);
        own = join(own, other);
    }
    __syncthreads();
    if (threadIdx.x % WARP == 0) parts[threadIdx.x / WARP] = own;
    __syncthreads();
    Range all = parts[0];
    for (int i = 1; i < blockDim.x / WARP; i++) all = join(all, parts[i]);
    return all;
}

// One block a row: the grid of n weights of it, outliers replaced by the mean of the others. `steps` ranges are compared,
// 1 for the full one. Shared memory: n floats, rounded up to LANES.
extern "C" __global__ void find_grids(const float *weights, i64 stride, int n, const u8 *outliers, i64 outlier_stride,
                                      float max_code, int steps, float *scales, float *zeros, i64 grid_stride) {
    extern __shared__ float values[];
    __shared__ float errors[128];
    const float *row = weights + blockIdx.x * stride;
    const u8 *marks = outliers ? outliers + blockIdx.x * outlier_stride : 0;
    int padded = (n + LANES - 1) / LANES * LANES;

    Range range = {0.0f, 0.0f, 0.0, 0};
    for (int i = threadIdx.x; i < padded; i += blockDim.x) {
        float value = i < n ? row[i] : 0.0f;
        if (i < n && marks && marks[i]) {
            range.count++;
            value = 0.0f;
        }
        range.sum += (double)value;
        values[i] = value;
    }
    if (marks) {
        range = over_block(range);
        float mean = range.count == n ? 0.0f : (float)(range.sum / (double)(n - range.count));
        for (int i = threadIdx.x; i < n; i += blockDim.x)
            if (marks[i]) values[i] = mean;
    }
    __syncthreads();
    range.low = range.high = 0.0f;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        range.low = fminf(range.low, values[i]);
        range.high = fmaxf(range.high, values[i]);
    }
    range = over_block(range);
    float low = range.low, high = range.high;
    if (low == 0.0f && high == 0.0f) {
        low = -1.0f;
        high = 1.0f;
    }

    int lane = threadIdx.x % LANES;
    u32 half_warp = 0xffffu << (threadIdx.x % WARP / LANES * LANES);
    if (steps > 1) {
        for (int step = threadIdx.x / LANES; step < steps; step += blockDim.x / LANES) {
            float share = shrunk(step);
            Grid grid = grid_over(__fmul_rn(share, low), __fmul_rn(share, high), max_code);
            float sum = 0.0f;
            for (int i = lane; i < padded; i += LANES) {
                float weight = values[i];
                float code = rintf(__fdiv_rn(weight, grid.scale)) + grid.zero;
                code = fminf(fmaxf(code, 0.0f), max_code);
                float error = __fmaf_rn(grid.scale, code - grid.zero, -weight);
                sum = __fadd_rn(sum, power_2_4(fabsf(error)));
            }
            for (int offset = LANES / 2; offset > 0; offset /= 2)
                sum = __fadd_rn(sum, __shfl_down_sync(half_warp, sum, offset, LANES));
            if (lane == 0) errors[step] = sum;
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        Grid best = grid_over(low, high, max_code);
        float best_error = INFINITE;
        for (int step = 0; step < (steps > 1 ? steps : 0); step++) {
            if (errors[step] < best_error) {
                float share = shrunk(step);
                best = grid_over(__fmul_rn(share, low), __fmul_rn(share, high), max_code);
                best_error = errors[step];
            }
        }
        scales[blockIdx.x * grid_stride] = best.scale;
        zeros[blockIdx.x * grid_stride] = best.zero;
    }
}

#define ROWS 32
// One more, so that threads that write down a column meet different banks.
#define PITCH (ROWS + 1)

// GPTQ's loop over `len` columns; a block has ROWS rows and several warps, which share the columns right of the current
// one. An outlier gets code 0, passes no error on and keeps the weight it has when its turn comes; `errors` are negated.
// Shared memory: len * (len + 2 * PITCH) floats.
extern "C" __global__ void sweep(float *weights, i64 stride, int rows, int len, const float *upper, i64 upper_stride,
                                 const float *scales, const float *zeros, i64 grid_stride, const u8 *outliers,
                                 i64 outlier_stride, float max_code, u8 *codes, i64 code_stride, float *errors,
                                 i64 error_stride) {
    extern __shared__ float values[];
    float *u = values;
    float *w = u + len * len;
    float *e = w + len * PITCH;
    int first = blockIdx.x * ROWS;
    int count = min(ROWS, rows - first);
    for (int i = threadIdx.x; i < len * len; i += blockDim.x) u[i] = upper[i / len * upper_stride + i % len];
    for (int i = threadIdx.x; i < ROWS * len; i += blockDim.x) {
        int row = i / len, column = i % len;
        w[column * PITCH + row] = row < count ? weights[(first + row) * stride + column] : 0.0f;
    }
    __syncthreads();

    int row = threadIdx.x % ROWS, warp = threadIdx.x / ROWS, warps = blockDim.x / ROWS;
    bool exists = row < count;
    float scale = exists ? scales[(first + row) * grid_stride] : 1.0f;
    float zero = exists ? zeros[(first + row) * grid_stride] : 0.0f;
    const u8 *marks = outliers && exists ? outliers + (first + row) * outlier_stride : 0;
    for (int i = 0; i < len; i++) {
        // Every warp computes the same, which is faster than to wait for one that does.
        float weight = w[i * PITCH + row];
        float level = rintf(__fdiv_rn(weight, scale)) + zero;
        level = fminf(fmaxf(level, 0.0f), max_code);
        float error = __fdiv_rn(__fsub_rn(weight, __fmul_rn(scale, level - zero)), u[i * len + i]);
        if (marks && marks[i]) level = error = 0.0f;
        if (warp == i % warps) {
            e[i * PITCH + row] = error;
            if (exists) codes[(first + row) * code_stride + i] = (u8)level;
        }
        for (int j = i + 1 + (warp - (i + 1) % warps + warps) % warps; j < len; j += warps)
            w[j * PITCH + row] = __fmaf_rn(-error, u[i * len + j], w[j * PITCH + row]);
        __syncthreads();
    }
    for (int i = threadIdx.x; i < count * len; i += blockDim.x) {
        int row = i / len, column = i % len;
        weights[(first + row) * stride + column] = w[column * PITCH + row];
        errors[(first + row) * error_stride + column] = -e[column * PITCH + row];
    }
}
