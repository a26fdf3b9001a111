
// x, one of a pair of dimensions, turned by the angle of its dimension; `other` is the pair's other one, with its sign.
// The operations and roundings of Angles::apply.
template <typename T> __device__ T turned(T x, float other, T cos, T sin) {
    T along = narrow<T>(wide(x) * wide(cos));
    T across = narrow<T>(other * wide(sin));
    return narrow<T>(wide(along) + wide(across));
}

// Rotates a head in place.
template <typename T> __device__ void rotate(T *head, int i, int half, const T *cos, const T *sin) {
    T a = head[i], b = head[i + half];
    head[i] = turned(a, -wide(b), cos[i], sin[i]);
    head[i + half] = turned(b, wide(a), cos[i + half], sin[i + half]);
}

// One block a token. q [n, heads, 2 * half], k and v [n, kv_heads, 2 * half], cos and sin [n, 2 * half]; the first `count`
// of the n tokens go to rows[i] and columns[i] of keys and values [.., kv_heads, room, 2 * half].
template <typename T>
__device__ void store(T *q, T *k, const T *v, const T *cos, const T *sin, const long long *rows, const long long *columns,
                      T *keys, T *values, int count, int heads, int kv_heads, int half, int room) {
    long long token = blockIdx.x, dim = 2 * half;
    cos += token * dim;
    sin += token * dim;
    q += token * heads * dim;
    k += token * kv_heads * dim;
    v += token * kv_heads * dim;
    for (int at = threadIdx.x; at < heads * half; at += blockDim.x) rotate(q + at / half * dim, at % half, half, cos, sin);
    for (int at = threadIdx.x; at < kv_heads * half; at += blockDim.x) {
        int head = at / half, i = at % half;
        T *key = k + head * dim;
        rotate(key, i, half, cos, sin);
        if (token >= count) continue;
        long long to = ((rows[token] * kv_heads + head) * room + columns[token]) * dim;
        keys[to + i] = key[i];
        keys[to + i + half] = key[i + half];
        values[to + i] = v[head * dim + i];
        values[to + i + half] = v[head * dim + i + half];
    }
}

#define STORE(name, T)                                                                                                      \
    extern "C" __global__ void name(T *q, T *k, const T *v, const T *cos, const T *sin, const long long *rows,               \
                                    const long long *columns, T *keys, T *values, int count, int heads, int kv_heads,        \
                                    int half, int room) {                                                                    \
        store<T>(q, k, v, cos, sin, rows, columns, keys, values, count, heads, kv_heads, half, room);                        \
    }

STORE(store_float, float)
STORE(store_bf16, bf16)
