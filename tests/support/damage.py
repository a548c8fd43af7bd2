"""Damage files for fuzz tests."""


def mutate(data, rng, within=(None,)):
    """Change some bytes, most of them not zero: those that say something; sometimes insert some, or cut the end off.

    `within` holds places that bound the bytes to change from above; each change draws one.
    """
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        end = min(rng.choice(within) or len(data), len(data))
        places = [rng.randrange(end) for _ in range(20)]
        place = next((place for place in places if data[place]), places[0])
        data[place] = rng.choice((0, 1, 255, data[place] ^ 1 << rng.randrange(8), rng.randrange(256)))
    if rng.random() < 0.1:
        start = rng.randrange(min(600, len(data)))
        data[start:start] = rng.randbytes(rng.randrange(40))
    return data[: rng.randrange(len(data))] if rng.random() < 0.1 else data
