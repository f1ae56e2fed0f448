"""The source of a kernel but for what differs between neuron models, which is marked `<SO>`."""

TEMPLATE = """
import numba
import numpy as np

WEYL = np.uint64(0x9E3779B97F4A7C15)
ONE = np.uint64(1)
UNIT = 2.0**-53


@numba.njit(error_model="numpy", nogil=True)
def mixed(seed, number):
    x = (np.uint64(number) + ONE) * WEYL + seed
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@numba.njit(error_model="numpy", nogil=True)
def uniform(word):
    return np.float64(np.int64(word >> np.uint64(11))) * UNIT


@numba.njit(error_model="numpy", nogil=True)
def timestep(t, dt):
    return np.int64((t + 1e-3 * dt) / dt)


@numba.njit(error_model="numpy", nogil=True)
def clip(x, low, high):
    x = low if x < low else x
    return high if x > high else x


@numba.njit(error_model="numpy", nogil=True)
def gather(arriving, n, weights, place, dense, at, columns, bounds, where, counts, start, number):
    for j in range(n):
        arriving[j] = 0
    e = 0
    if dense:
        while e + 4 <= number:
            f = start + e
            i = place + np.int64(where[f]) * n
            r0 = weights[i : i + n]
            i = place + np.int64(where[f + 1]) * n
            r1 = weights[i : i + n]
            i = place + np.int64(where[f + 2]) * n
            r2 = weights[i : i + n]
            i = place + np.int64(where[f + 3]) * n
            r3 = weights[i : i + n]
            c0, c1, c2, c3 = counts[f], counts[f + 1], counts[f + 2], counts[f + 3]
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
            i = place + np.int64(where[start + e]) * n
            row = weights[i : i + n]
            c = <REAL>(counts[start + e])
            for j in range(n):
                arriving[j] += c * row[j]
            e += 1
    else:
        while e < number:
            i = at + np.int64(where[start + e])
            c = <REAL>(counts[start + e])
            for k in range(bounds[i], bounds[i + 1]):
                arriving[columns[place + k]] += c * weights[place + k]
            e += 1


@numba.njit(error_model="numpy", nogil=True)
def read(membrane, table, step, b, o, n, out, converter, channels, key):
    scale, shift = channels[0, o : o + n], channels[1, o : o + n]
    noise, codes, unit, low = converter[0], converter[1], converter[2], converter[3]
    row = mixed(mixed(key, step), b)
    word = row
    for j in range(n):
        value = np.float32(<REAL>(membrane[o + j]) * <REAL>(scale[j])) + shift[j]
        if noise != 0:
            if j & 3 == 0:
                word = mixed(row, j >> 2)
            value = value + table[word & np.uint64(65535)] * noise
            word = word >> np.uint64(16)
        if codes != 0:
            value = np.rint(value)
            value = min(max(value, np.float32(0)), codes)
        if unit != 1:
            value = value * unit
        if low != 0:
            value = value + low
        out[j] = value


@numba.njit(error_model="numpy", nogil=True)
def sample(membrane, late, t, begun, b, sizes, table, shown, shown_at, converter, channels,
           channel_keys, batch):
    for r in range(shown_at.shape[0]):
        layer, every, after, at = shown_at[r, 0], shown_at[r, 1], shown_at[r, 2], shown_at[r, 3]
        if after == late and (t + 1) % every == 0 and (t + 1) // every <= shown_at[r, 4]:
            o, n = sizes[layer], sizes[layer + 1] - sizes[layer]
            i = at + (((t + 1) // every - 1) * batch + b) * n
            read(membrane, table, begun + t, b, o, n, shown[i : i + n], converter, channels,
                 channel_keys[r])


@numba.njit(error_model="numpy", nogil=True, cache=<CACHE>)
def kernel(<ARGUMENTS>):
    layers, depth = sizes.size - 1, sent_number.shape[1]
    batch = sent_number.shape[0]
    widest = 0
    for layer in range(layers):
        widest = max(widest, sizes[layer + 1] - sizes[layer])
    arriving = np.empty(widest, <REAL>)
    fired = np.empty(sizes[layers], np.int32)
    number_fired = np.empty(layers, np.int64)
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
                    for k in range((end - o + 3) >> 2):
                        word = mixed(row, k)
                        for p in range(o + 4 * k, min(o + 4 * k + 4, end)):
                            <DISTURB>
                            word = word >> np.uint64(16)
            for layer in range(layers):
                o, end, kind = sizes[layer], sizes[layer + 1], kinds[layer]
                number, sent = 0, 0
                s = sources[layer + 1]
                loss = mixed(mixed(keys[layer + 1, 1], step), b)
                extra = mixed(mixed(keys[layer + 1, 2], step), b)
                for p in range(o, end):
                    <TESTS>
                    goes = fires
                    if fires:
                        fired[o + number] = p
                        number += 1
                        <FIRED>
                        if lossy:
                            goes = uniform(mixed(loss, p - o)) >= chance[1]
                    if spurious and not goes:
                        goes = uniform(mixed(extra, p - o)) < chance[2]
                    if goes:
                        if s >= 0:
                            sent_where[b, slot, places[s] + sent] = p - o
                            sent_counts[b, slot, places[s] + sent] = 1
                        sent += 1
                        if layer == layers - 1:
                            counts[b, p - o] += 1
                        if raster_at[layer] >= 0:
                            raster[raster_at[layer] + (t * batch + b) * (end - o) + p - o] = 1
                number_fired[layer] = number
                if s >= 0:
                    sent_number[b, slot, s] = sent
            sample(x_<MEMBRANE>, 0, t, begun, b, sizes, table, shown, shown_at, converter,
                   channels, channel_keys, batch)
            s = sources[0]
            if s >= 0:
                sent = 0
                if spikes_bounds.size > t * batch + b + 1:
                    loss = mixed(mixed(keys[0, 1], step), b)
                    for e in range(spikes_bounds[t * batch + b], spikes_bounds[t * batch + b + 1]):
                        channel, many = np.int64(spikes_channels[e]), spikes_counts[e]
                        if lossy:
                            many = np.float32(0)
                            for each in range(np.int64(spikes_counts[e])):
                                if uniform(mixed(loss, channel + (each << 32))) >= chance[1]:
                                    many += np.float32(1)
                        if many != 0:
                            sent_where[b, slot, places[s] + sent] = channel
                            sent_counts[b, slot, places[s] + sent] = many
                            sent += 1
                sent_number[b, slot, s] = sent
            for path in range(paths.shape[0]):
                s, layer, delay = paths[path, 0], paths[path, 1], paths[path, 2]
                dense, place, at = paths[path, 3], paths[path, 4], paths[path, 5]
                turn = (step - delay) % depth
                number = sent_number[b, turn, s]
                if number > 0:
                    o, n = sizes[layer], sizes[layer + 1] - sizes[layer]
                    <RECEIVE>
            for layer in range(layers):
                o, kind = sizes[layer], kinds[layer]
                for k in range(number_fired[layer]):
                    p = fired[o + k]
                    <RESETS>
            sample(x_<MEMBRANE>, 1, t, begun, b, sizes, table, shown, shown_at, converter,
                   channels, channel_keys, batch)
"""
