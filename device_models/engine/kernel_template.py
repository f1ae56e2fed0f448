"""The source of a kernel but for what differs between neuron models, which is marked `<SO>`."""

TEMPLATE = """
import numba
import numpy as np

WEYL = np.uint64(0x9E3779B97F4A7C15)
ONE, LOW = np.uint64(1), np.uint64(65535)
UNIT = 2.0**-53

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
def uniform(word):
    return np.float64(np.int64(word >> np.uint64(11))) * UNIT


@part
def timestep(t, dt):
    return np.int64((t + 1e-3 * dt) / dt)


@part
def clip(x, low, high):
    x = low if x < low else x
    return high if x > high else x


@part
def gather(arriving, n, weights, place, dense, at, columns, bounds, where, counts):
    for j in range(n):
        arriving[j] = 0
    if not dense:
        for e in range(where.size):
            i = at + np.int64(where[e])
            c = <REAL>(counts[e])
            for k in range(bounds[i], bounds[i + 1]):
                arriving[columns[place + k]] += c * weights[place + k]
    elif n >= 64:
        broad(arriving, n, weights, place, where, counts)
    else:
        narrow(arriving, n, weights, place, where, counts)


@part
def broad(arriving, n, weights, place, where, counts):
    e, number = 0, where.size
    while e + 4 <= number:
        i = place + np.int64(where[e]) * n
        r0 = weights[i : i + n]
        i = place + np.int64(where[e + 1]) * n
        r1 = weights[i : i + n]
        i = place + np.int64(where[e + 2]) * n
        r2 = weights[i : i + n]
        i = place + np.int64(where[e + 3]) * n
        r3 = weights[i : i + n]
        c0, c1, c2, c3 = counts[e], counts[e + 1], counts[e + 2], counts[e + 3]
        if c0 == 1 and c1 == 1 and c2 == 1 and c3 == 1:
            for j in range(n):
                arriving[j] = (((arriving[j] + r0[j]) + r1[j]) + r2[j]) + r3[j]
        else:
            for j in range(n):
                x = arriving[j] + <REAL>(c0) * r0[j]
                x = x + <REAL>(c1) * r1[j]
                x = x + <REAL>(c2) * r2[j]
                arriving[j] = x + <REAL>(c3) * r3[j]
        e += 4
    while e < number:
        i = place + np.int64(where[e]) * n
        row = weights[i : i + n]
        c = <REAL>(counts[e])
        for j in range(n):
            arriving[j] += c * row[j]
        e += 1


# Rows of few synapses: eight sums at a time stay in the processor while all events pass.
@part
def narrow(arriving, n, weights, place, where, counts):
    j = 0
    while j + 8 <= n:
        a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = <REAL>(0)
        for e in range(where.size):
            i = np.uint64(place + np.int64(where[e]) * n + j)
            c = <REAL>(counts[e])
            a0 += c * weights[i]
            a1 += c * weights[i + ONE]
            a2 += c * weights[i + np.uint64(2)]
            a3 += c * weights[i + np.uint64(3)]
            a4 += c * weights[i + np.uint64(4)]
            a5 += c * weights[i + np.uint64(5)]
            a6 += c * weights[i + np.uint64(6)]
            a7 += c * weights[i + np.uint64(7)]
        arriving[j], arriving[j + 1], arriving[j + 2], arriving[j + 3] = a0, a1, a2, a3
        arriving[j + 4], arriving[j + 5], arriving[j + 6], arriving[j + 7] = a4, a5, a6, a7
        j += 8
    while j < n:
        a0 = <REAL>(0)
        for e in range(where.size):
            a0 += <REAL>(counts[e]) * weights[np.uint64(place + np.int64(where[e]) * n + j)]
        arriving[j] = a0
        j += 1


@part
def read(membrane, table, step, b, o, n, out, converter, channels, key):
    own, scale, shift = membrane[o : o + n], channels[0, o : o + n], channels[1, o : o + n]
    noise, codes, unit, low = converter[0], converter[1], converter[2], converter[3]
    for j in range(n):
        out[j] = np.float32(<REAL>(own[j]) * <REAL>(scale[j])) + shift[j]
    if noise != 0:
        row = mixed(mixed(key, step), b)
        for k in range(n >> 2):
            word = mixed(row, k)
            out[4 * k] += table[word & LOW] * noise
            out[4 * k + 1] += table[(word >> np.uint64(16)) & LOW] * noise
            out[4 * k + 2] += table[(word >> np.uint64(32)) & LOW] * noise
            out[4 * k + 3] += table[word >> np.uint64(48)] * noise
        word = mixed(row, n >> 2)
        for j in range(n & ~3, n):
            out[j] += table[word & LOW] * noise
            word = word >> np.uint64(16)
    if codes != 0:
        for j in range(n):
            out[j] = min(max(np.rint(out[j]), np.float32(0)), codes)
    if unit != 1 or low != 0:
        for j in range(n):
            out[j] = out[j] * unit + low


@part
def sample(membrane, late, t, begun, b, sizes, table, samples, samples_at, converter, channels,
           channel_keys, batch):
    for r in range(samples_at.shape[0]):
        layer, every, after = samples_at[r, 0], samples_at[r, 1], samples_at[r, 2]
        at = samples_at[r, 3]
        if after == late and (t + 1) % every == 0 and (t + 1) // every <= samples_at[r, 4]:
            o, n = sizes[layer], sizes[layer + 1] - sizes[layer]
            i = at + (((t + 1) // every - 1) * batch + b) * n
            read(membrane, table, begun + t, b, o, n, samples[i : i + n], converter, channels,
                 channel_keys[r])


@numba.njit(**options)
def function(<ARGUMENTS>):
    layers, depth = sizes.size - 1, sent_number.shape[1]
    batch = sent_number.shape[0]
    noisy, lossy, spurious = chance[0] != 0, chance[1] != 0, chance[2] != 0
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
            for layer in range(layers):
                o, end, kind = sizes[layer], sizes[layer + 1], kinds[layer]
                who, number = fired[o:end], 0
                <TESTS>
                number_fired[layer] = number
                <FIRED>
                goes, sent = who, number
                if lossy:
                    goes, sent = kept, 0
                    loss = mixed(mixed(keys[layer + 1, 1], step), b)
                    for k in range(number):
                        goes[sent] = who[k]
                        sent += uniform(mixed(loss, who[k])) >= chance[1]
                if spurious:
                    true, left, k = goes, sent, 0
                    goes, sent = passed, 0
                    extra = mixed(mixed(keys[layer + 1, 2], step), b)
                    for p in range(end - o):
                        go = k < left and true[k] == p
                        k += go
                        if go or uniform(mixed(extra, p)) < chance[2]:
                            goes[sent] = p
                            sent += 1
                s = sources[layer + 1]
                if s >= 0:
                    where = sent_where[b, slot, places[s] : places[s] + sent]
                    many = sent_counts[b, slot, places[s] : places[s] + sent]
                    for k in range(sent):
                        where[k] = goes[k]
                        many[k] = 1
                    sent_number[b, slot, s] = sent
                if layer == layers - 1:
                    for k in range(sent):
                        counts[b, goes[k]] += 1
                if raster_at[layer] >= 0:
                    i = raster_at[layer] + (t * batch + b) * (end - o)
                    for k in range(sent):
                        raster[i + goes[k]] = 1
            sample(x_<MEMBRANE>, 0, t, begun, b, sizes, table, samples, samples_at, converter,
                   channels, channel_keys, batch)
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
                                if uniform(mixed(loss, channel + (each << 32))) >= chance[1]:
                                    left += np.float32(1)
                        if left != 0:
                            sent_where[b, slot, places[s] + sent] = channel
                            sent_counts[b, slot, places[s] + sent] = left
                            sent += 1
                sent_number[b, slot, s] = sent
            for path in range(paths.shape[0]):
                s, layer, delay = paths[path, 0], paths[path, 1], paths[path, 2]
                dense, place, at = paths[path, 3], paths[path, 4], paths[path, 5]
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
            sample(x_<MEMBRANE>, 1, t, begun, b, sizes, table, samples, samples_at, converter,
                   channels, channel_keys, batch)
"""
