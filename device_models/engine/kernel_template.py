"""The source of a kernel but for what differs between neuron models, which is marked `<SO>`."""

TEMPLATE = """
import numba
import numpy as np

from device_models.generators import quantiles

WEYL = np.uint64(0x9E3779B97F4A7C15)
ONE = np.uint64(1)
# Of eight flags, one to a bit: which are set, in order, and how many.
FLAGS = np.arange(256)[:, np.newaxis] >> np.arange(8) & 1
PLACES = np.argsort(1 - FLAGS, axis=1, kind="stable").astype(np.int32)
MANY = FLAGS.sum(axis=1, dtype=np.uint64)
# A constant, which nothing that is stored can change, is looked up for several neurons at once.
TABLE = quantiles()  # <TABLE>

# Nothing is allocated, so that no references to arrays are counted; wrappers are for Python alone.
options = {"error_model": "numpy", "nogil": True, "_nrt": False, "no_cfunc_wrapper": True}
part = numba.njit(**options, no_cpython_wrapper=True)


@part
def mixed(seed, number):
    x = (np.uint64(number) + ONE) * WEYL + seed
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@part
def happens(word, most):
    return (word >> np.uint64(11)) < most


# Lists the places of those that are marked, eight at a time.
@part
def compact(marks, n, eights, which):
    for k in range(n, (n + 7) & ~7):
        marks[k] = 0
    number = np.uint64(0)
    for k in range((n + 7) >> 3):
        if eights[k] != 0:
            byte = (eights[k] * np.uint64(0x0102040810204080)) >> np.uint64(56)
            for i in range(8):
                which[number + np.uint64(i)] = np.int32(8 * k) + PLACES[byte, i]
            number += MANY[byte]
    return np.int64(number)


@part
def timestep(t, dt):
    return np.int64((t + 1e-3 * dt) / dt)


@part
def clip(x, low, high):
    x = low if x < low else x
    return high if x > high else x


@part
def gather(arriving, n, weights, place, dense, at, begin, columns, bounds, where, counts):
    for j in range(n):
        arriving[j] = 0
    if not dense:
        for e in range(where.size):
            i = at + np.int64(where[e])
            c = <REAL>(counts[e])
            for k in range(bounds[i], bounds[i + 1]):
                arriving[columns[begin + k]] += c * weights[place + k]
    else:
        add_rows(arriving, n, weights, place, where, counts)


# The e-th of some rows, and how often it counts; beyond the last, never.
@part
def take(weights, place, n, where, counts, e):
    k = min(e, where.size - 1)
    begin = place + np.int64(where[k]) * n
    return weights[begin : begin + n], <REAL>(counts[k] if e == k else 0)


# Eight rows in one go.
@part
def add_rows(arriving, n, weights, place, where, counts):
    for e in range(0, where.size, 8):
        r0, c0 = take(weights, place, n, where, counts, e)
        r1, c1 = take(weights, place, n, where, counts, e + 1)
        r2, c2 = take(weights, place, n, where, counts, e + 2)
        r3, c3 = take(weights, place, n, where, counts, e + 3)
        r4, c4 = take(weights, place, n, where, counts, e + 4)
        r5, c5 = take(weights, place, n, where, counts, e + 5)
        r6, c6 = take(weights, place, n, where, counts, e + 6)
        r7, c7 = take(weights, place, n, where, counts, e + 7)
        for j in range(n):
            x = arriving[j] + c0 * r0[j]
            x = x + c1 * r1[j]
            x = x + c2 * r2[j]
            x = x + c3 * r3[j]
            x = x + c4 * r4[j]
            x = x + c5 * r5[j]
            x = x + c6 * r6[j]
            arriving[j] = x + c7 * r7[j]


@part
def read(own, scale, shift, converter, row, words, draws, out):
    noise, codes, unit, low = converter[0], converter[1], converter[2], converter[3]
    n = out.size
    for j in range(n):
        out[j] = np.float32(<REAL>(own[j]) * <REAL>(scale[j])) + shift[j]
    if noise != 0:
        for k in range((n + 3) >> 2):
            words[k] = mixed(row, k)
        for j in range(n):
            out[j] += TABLE[draws[j]] * noise
    if codes != 0:
        for j in range(n):
            out[j] = min(max(np.rint(out[j]), np.float32(0)), codes)
    if unit != 1 or low != 0:
        for j in range(n):
            out[j] = out[j] * unit + low


@part
def sample(membrane, late, t, step, b, batch, sizes, samples, samples_at, converter, channels,
           channel_keys, words, draws, room):
    for r in range(samples_at.shape[0]):
        layer, every, after = samples_at[r, 0], samples_at[r, 1], samples_at[r, 2]
        at, number, reduction = samples_at[r, 3], samples_at[r, 4], samples_at[r, 5]
        turn, o, end = (t + 1) // every, sizes[layer], sizes[layer + 1]
        if after == late and turn * every == t + 1 and turn <= number:
            if reduction < 2 or turn == number:
                out, row = room[: end - o], mixed(mixed(channel_keys[r], step), b)
                read(membrane[o:end], channels[0, o:end], channels[1, o:end], converter, row,
                     words, draws, out)
                i = at + ((0 if reduction else turn - 1) * batch + b) * (end - o)
                kept = samples[i : i + end - o]
                for j in range(end - o):
                    kept[j] = out[j] if turn == 1 or reduction != 1 else kept[j] + out[j]
                if reduction == 1 and turn == number:
                    for j in range(end - o):
                        kept[j] /= np.float32(number)


@numba.njit(**options)
def function(<ARGUMENTS>):
    layers, depth = sizes.size - 1, sent_number.shape[1]
    batch = sent_number.shape[0]
    noisy, lossy, spurious = chance[0] != 0, chance[1] != 0, chance[2] != 0
    loses = np.uint64(np.ceil(chance[1] * 2.0**53))
    appears = np.uint64(np.ceil(chance[2] * 2.0**53))
    for b in range(first, last):
        <VIEWS>
        for t in range(past, past + steps):
            step = begun + t
            now = step * dt
            slot = step % depth
            for layer in range(layers):
                o, end, kind = sizes[layer], sizes[layer + 1], kinds[layer]
                if flows[layer] >= 0 and t - past < flow.shape[0]:
                    into = x_i_in[o:end]
                    arrived = flow[t - past, b, flows[layer] : flows[layer] + end - o]
                    for j in range(end - o):
                        into[j] = arrived[j]
                <UPDATES>
                if noisy:
                    row = mixed(mixed(keys[layer + 1, 0], step), b)
                    <DISTURB>
                <TESTS>
                who = fired[o : end + 8]
                number = number_fired[layer] = compact(marks, end - o, eights, who)
                <FIRED>
                goes, sent = who, number
                if lossy:
                    loss, lost = mixed(mixed(keys[layer + 1, 1], step), b), 0
                    for k in range(number):
                        gone = happens(mixed(loss, who[k]), loses)
                        marks[k] = gone
                        lost += gone
                    if lost > 0:
                        goes, sent = kept, 0
                        for k in range(number):
                            goes[sent] = who[k]
                            sent += 1 - marks[k]
                if spurious:
                    extra = mixed(mixed(keys[layer + 1, 2], step), b)
                    for p in range(end - o):
                        marks[p] = happens(mixed(extra, p), appears)
                    for k in range(sent):
                        marks[goes[k]] = 1
                    goes = passed
                    sent = compact(marks, end - o, eights, goes)
                if held[layer]:
                    for p in range(end - o):
                        marks[p] = 0
                    for k in range(sent):
                        marks[goes[k]] = 1
                    for p in range(end - o):
                        share = lines[o + p]
                        if share >= 0:
                            marks[p] = np.floor((step + 1) * share) > np.floor(step * share)
                    goes = passed
                    sent = compact(marks, end - o, eights, goes)
                s = sources[layer + 1]
                if s >= 0:
                    where = sent_where[b, slot, places[s] : places[s] + sent]
                    many = sent_counts[b, slot, places[s] : places[s] + sent]
                    for k in range(sent):
                        where[k] = goes[k]
                        many[k] = 1
                    sent_number[b, slot, s] = sent
                if counts_at[layer] >= 0:
                    i = counts_at[layer] + b * (end - o)
                    for k in range(sent):
                        counts[i + goes[k]] += 1
                if raster_at[layer] >= 0:
                    i = raster_at[layer] + (t * batch + b) * (end - o)
                    for k in range(sent):
                        raster[i + goes[k]] = 1
            sample(x_<MEMBRANE>, 0, t, step, b, batch, sizes, samples, samples_at, converter,
                   channels, channel_keys, words, draws, out)
            s = sources[0]
            if s >= 0:
                sent = 0
                if spikes_bounds.size > t * batch + b + 1:
                    loss = mixed(mixed(keys[0, 1], step), b)
                    for e in range(spikes_bounds[t * batch + b], spikes_bounds[t * batch + b + 1]):
                        channel, left = np.int64(spikes_channels[e]), spikes_counts[e]
                        if lossy:
                            left = np.float32(0)
                            for each in range(np.int64(spikes_counts[e])):
                                gone = happens(mixed(loss, channel + (each << 32)), loses)
                                left += np.float32(1 - gone)
                        if left != 0:
                            sent_where[b, slot, places[s] + sent] = channel
                            sent_counts[b, slot, places[s] + sent] = left
                            sent += 1
                sent_number[b, slot, s] = sent
            for path in range(paths.shape[0]):
                s, layer, delay = paths[path, 0], paths[path, 1], paths[path, 2]
                dense, place, at = paths[path, 3], paths[path, 4], paths[path, 5]
                begin = paths[path, 6]
                turn = (step - delay) % depth
                number = sent_number[b, turn, s]
                if number > 0:
                    o, end, n = sizes[layer], sizes[layer + 1], sizes[layer + 1] - sizes[layer]
                    where = sent_where[b, turn, places[s] : places[s] + number]
                    many = sent_counts[b, turn, places[s] : places[s] + number]
                    <RECEIVE>
            for layer in range(layers):
                o, end, kind = sizes[layer], sizes[layer + 1], kinds[layer]
                who, number = fired[o:end], number_fired[layer]
                <RESETS>
            sample(x_<MEMBRANE>, 1, t, step, b, batch, sizes, samples, samples_at, converter,
                   channels, channel_keys, words, draws, out)
"""
