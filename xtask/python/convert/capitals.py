"""Capital letters other than A to Z in the texts of a CountVectorizer or TfidfVectorizer.

Owns the spellings that the graph counts as one word. The graph's operators convert only A to Z to
lower case, so the graph has the other spellings of each word in its vocabulary. Must not know
texts.
"""

import functools
import itertools
import sys

# Maximum number of n-grams of a vectorizer. More n-grams would make the graph large and slow to
# load.
_MOST = 200_000


def register(wrap):
    """Registers converters that extend those of skl2onnx."""
    wrap("SklearnCountVectorizer", _with_capitals)
    wrap("SklearnTfidfVectorizer", _with_capitals)


def are_all_known(part):
    """Returns True if the graph has every spelling of every word. Otherwise, it has each word in
    lower case, capitalized and in capitals.
    """
    spellings = functools.partial(_count, full=True)
    return sum(map(spellings, part.vocabulary_)) <= max(_MOST, 2 * len(part.vocabulary_))


def needs(part):
    """Returns True if the vectorizer converts letters other than A to Z to lower case."""
    return part.lowercase and any(not word.isascii() for word in part.vocabulary_)


def _with_capitals(convert, scope, operator, container):
    before = len(container.nodes)
    convert(scope, operator, container)
    part = operator.raw_operator
    if not needs(part):
        return
    full = are_all_known(part)
    for node in container.nodes[before:]:
        if node.op_type == "TfIdfVectorizer":
            _extend({one.name: one for one in node.attribute}, full)


def _extend(attributes, full):
    """Adds the spellings of each n-gram, with the index of the n-gram in the output."""
    pool = [one.decode("utf-8") for one in attributes["pool_strings"].strings]
    starts, places = list(attributes["ngram_counts"].ints), list(attributes["ngram_indexes"].ints)
    weights = list(attributes["weights"].floats) if "weights" in attributes else None
    strings, counts, new_places, new_weights, which = [], [], [], [], 0
    for length, (start, end) in enumerate(zip(starts, [*starts[1:], len(pool)]), 1):
        counts.append(len(strings))
        for begin in range(start, end, length):
            words = pool[begin : begin + length]
            for spelling in itertools.product(*(_spellings(word, full) for word in words)):
                strings += spelling
                new_places.append(places[which])
                new_weights.append(weights[which] if weights else 1.0)
            which += 1
    attributes["pool_strings"].strings[:] = [one.encode("utf-8") for one in strings]
    attributes["ngram_counts"].ints[:] = counts
    attributes["ngram_indexes"].ints[:] = new_places
    if weights:
        attributes["weights"].floats[:] = new_weights


def _spellings(word, full):
    """Returns the spellings of a word after A to Z were converted to lower case."""
    if word.isascii():
        return [word]
    if full:
        return ["".join(letters) for letters in itertools.product(*map(_letters, word))]
    capitals = [_letters(letter)[-1] for letter in word]
    return list(dict.fromkeys([word, capitals[0] + word[1:], "".join(capitals)]))


def _count(entry, full):
    found = 1
    for letter in entry:
        found *= len(_letters(letter))
    return found


@functools.cache
def _letters(letter):
    """Returns a letter and the capital letters whose lower case it is. The usual capital is the
    last item.
    """
    if letter.isascii():
        return (letter,)
    common = [one for one in {letter.title(), letter.upper()} if len(one) == 1]
    found = dict.fromkeys([letter, *_capitals().get(letter, ()), *common])
    return tuple(found)


@functools.cache
def _capitals():
    """Returns the capital letters of Unicode whose lower case is one letter, by this letter. ASCII
    is left out.
    """
    found = {}
    for code in range(128, sys.maxunicode):
        lower = chr(code).lower()
        if len(lower) == 1 and lower != chr(code):
            found.setdefault(lower, []).append(chr(code))
    return found
