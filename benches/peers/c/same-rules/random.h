// The pseudo-random numbers of the workloads, and the hash of their results.

static inline int64_t next(int64_t state)
{
    return (state * 1103515245 + 12345) & 0x7fffffff;
}

static inline int64_t hash_cells(int64_t address, int64_t count)
{
    int64_t hash = 0;
    for (int64_t times = count; times > 0; times--) {
        hash = 31 * hash + load(address);
        address++;
    }
    return hash;
}
