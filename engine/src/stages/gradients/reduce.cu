// Adds |g|, g * g or g to a sum: one pass, where libtorch would make two. `reduction` as in device.rs.
extern "C" __global__ void reduce_into(float *sum, const float *gradient, long long count, int reduction) {
    long long step = (long long)gridDim.x * blockDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count / 4; i += step) {
        float4 s = ((float4 *)sum)[i];
        float4 g = ((const float4 *)gradient)[i];
        if (reduction == 0) g = make_float4(fabsf(g.x), fabsf(g.y), fabsf(g.z), fabsf(g.w));
        if (reduction == 1) g = make_float4(g.x * g.x, g.y * g.y, g.z * g.z, g.w * g.w);
        ((float4 *)sum)[i] = make_float4(s.x + g.x, s.y + g.y, s.z + g.z, s.w + g.w);
    }
    // What is left over when four at a time are taken.
    long long i = count / 4 * 4 + (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) {
        float g = gradient[i];
        sum[i] += reduction == 0 ? fabsf(g) : reduction == 1 ? g * g : g;
    }
}
