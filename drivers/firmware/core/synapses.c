/* A sum fits 32 bits: 4096 inputs of 4095 over weights of 127 are less than 2^31, and a synapse has
 * one delay, so that of what a source did in several steps it adds one at a time. */
#include "synapses.h"

#include "bytes.h"

#if MAX_INPUTS > 4096 || MAX_NEURONS > 4096
#error "a sum over so many would not fit 32 bits"
#endif

void synapses_clear(const struct projection *to, int32_t *sums)
{
    for (uint32_t j = 0; j < to->post; j++)
        sums[j] = 0;
}

/* Sources are added many at a time: sums of a few targets stay in registers meanwhile. */
#define MANY 64u
#define LANES 0x00FF00FFu

typedef uint32_t __attribute__((may_alias)) word_of_weights;

static const int8_t *rows[MANY];
static int32_t row_times[MANY];
static uint32_t count;
static int is_begun; /* whether the sums hold some already */

/* Four weights, plus 128 each: no sign, so that two sums share a word. */
static inline uint32_t load(const int8_t *at, int is_aligned)
{
    uint32_t word = is_aligned ? *(const word_of_weights *)at : get32((const uint8_t *)at);

    return word ^ 0x80808080u;
}

static inline void spread(int32_t *sums, uint32_t even, uint32_t odd)
{
    int32_t bias = 128 * (int32_t)count;

    sums[0] += (int32_t)(even & 0xFFFF) - bias;
    sums[1] += (int32_t)(odd & 0xFFFF) - bias;
    sums[2] += (int32_t)(even >> 16) - bias;
    sums[3] += (int32_t)(odd >> 16) - bias;
}

/* Add an event of each row to targets from the first on, eight at a time; how many those were. */
static inline uint32_t add_events(uint32_t post, int32_t *sums, int is_aligned)
{
    uint32_t j = 0;

    for (; j + 8 <= post; j += 8) {
        uint32_t even = 0, odd = 0, even4 = 0, odd4 = 0;
        for (uint32_t k = 0; k < count; k++) {
            uint32_t word = load(rows[k] + j, is_aligned), word4 = load(rows[k] + j + 4, is_aligned);
            even += word & LANES;
            odd += word >> 8 & LANES;
            even4 += word4 & LANES;
            odd4 += word4 >> 8 & LANES;
        }
        spread(sums + j, even, odd);
        spread(sums + j + 4, even4, odd4);
    }
    return j;
}

static uint32_t add_times(uint32_t post, int32_t *sums)
{
    uint32_t j = 0;

    for (; j + 4 <= post; j += 4) {
        int32_t a = sums[j], b = sums[j + 1], c = sums[j + 2], d = sums[j + 3];
        for (uint32_t k = 0; k < count; k++) {
            const int8_t *row = rows[k] + j;
            int32_t times = row_times[k];
            a += times * row[0];
            b += times * row[1];
            c += times * row[2];
            d += times * row[3];
        }
        sums[j] = a;
        sums[j + 1] = b;
        sums[j + 2] = c;
        sums[j + 3] = d;
    }
    return j;
}

static void add_rest(uint32_t first, uint32_t post, int32_t *sums)
{
    for (uint32_t j = first; j < post; j++)
        for (uint32_t k = 0; k < count; k++)
            sums[j] += row_times[k] * rows[k][j];
}

static void flush(const struct projection *to, int32_t *sums, int are_events)
{
    int is_aligned = to->post % 4 == 0 && (uintptr_t)to->weights % 4 == 0;

    if (count == 0)
        return;
    if (!is_begun)
        synapses_clear(to, sums);
    is_begun = 1;
    uint32_t done = !are_events  ? add_times(to->post, sums)
                    : is_aligned ? add_events(to->post, sums, 1)
                                 : add_events(to->post, sums, 0);

    add_rest(done, to->post, sums);
    count = 0;
}

void synapses_add(const struct projection *to, uint32_t from, int32_t times, int32_t *sums)
{
    rows[count] = to->weights + from * to->post;
    row_times[count++] = times;
    if (count == MANY)
        flush(to, sums, 0);
}

int synapses_end(const struct projection *to, int32_t *sums)
{
    flush(to, sums, 0);
    int was_begun = is_begun;
    is_begun = 0;
    return was_begun;
}

void synapses_add_each(const struct projection *to, uint32_t from, const int32_t *times,
                       int32_t *sums)
{
    if (!is_begun)
        synapses_clear(to, sums);
    is_begun = 1;
    const uint32_t post = to->post; /* which the compiler would read again after each sum */
    const int8_t *weights = to->weights + from * post;
    const uint8_t *delays = to->delays + from * post;

    for (uint32_t j = 0; j < post; j++)
        sums[j] += times[delays[j]] * weights[j];
}

void synapses_add_bits(const struct projection *to, const uint8_t *bits, int32_t *sums)
{
    for (uint32_t first = 0; first < to->pre; first += 8)
        for (uint32_t byte = bits[first / 8], i = first; byte != 0; byte >>= 1, i++)
            if (byte & 1) {
                rows[count] = to->weights + i * to->post;
                row_times[count++] = 1;
                if (count == MANY)
                    flush(to, sums, 1);
            }
    flush(to, sums, 1);
}
