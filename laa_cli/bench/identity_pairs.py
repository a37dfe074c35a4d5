"""Pairs of faces for 1:1 verification: two photos of one person, and as many of two persons, in folds that share no person."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import LaaError
from .persons import Persons

SEED = 0
MAX_FOLDS = 10  # as Labeled Faces in the Wild has it
MAX_PAIRS_EACH = 4  # genuine pairs of a person, so that nobody dominates; each has its own two photos
MIN_PERSONS_EACH = MAX_PAIRS_EACH + 1  # persons of a fold, so that every pair finds another person in it
SPARE_PHOTOS = 4  # of a person, for photos that cannot be used

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class GenuinePair:
    """Two photos of a person by their names: the reference stays as it is, the probe is reduced."""

    person: str
    reference: str
    probe: str


@dataclass(frozen=True)
class Pairs:
    """`genuine` pair i and impostor pair i have the same probe; the latter's reference is that of pair `impostors[i]`.

    `folds`: the number of the fold that pair i is in; a person's pairs, genuine and impostor, are all in one.
    """

    genuine: list[GenuinePair]
    folds: Ints
    impostors: Ints

    @property
    def persons(self) -> list[str]:
        """The person of each pair's probe."""
        return [pair.person for pair in self.genuine]

    @property
    def person_count(self) -> int:
        """How many persons there are."""
        return len(set(self.persons))

    @property
    def fold_count(self) -> int:
        """How many folds there are."""
        return int(self.folds.max()) + 1


def shuffle_persons(persons: Persons, seed: int = SEED) -> Persons:
    """Shuffles persons with two photos or more, and the photos that can be of use of each. LaaError where there are none."""
    generator = random.Random(seed)
    names = sorted(person for person, photos in persons.items() if len(photos) > 1)
    if not names:
        raise LaaError(f"no person has two photos among these faces ({len(persons)} have one): add photos of the same persons")
    generator.shuffle(names)
    keep = 2 * MAX_PAIRS_EACH + SPARE_PHOTOS
    return {name: generator.sample(sorted(persons[name]), len(persons[name]))[:keep] for name in names}


def draw_pairs(shuffled: Persons, limit: int, accept: Callable[[str], bool]) -> Pairs:
    """Draws up to `limit` genuine pairs, and as many impostor pairs. LaaError where there are too few persons.

    All persons have their first pair before any has the second. `accept` says of a photo whether it can be used; it is asked
    once for each.
    """
    photos = {person: filter(accept, names) for person, names in shuffled.items()}
    genuine: list[GenuinePair] = []
    for _ in range(MAX_PAIRS_EACH):
        for person in list(photos):
            if len(genuine) == limit:
                break
            if (pair := next_pair(person, photos[person])) is not None:
                genuine.append(pair)
            else:
                del photos[person]
    persons = [pair.person for pair in genuine]
    folds = assign_folds(persons)
    return Pairs(genuine, folds, draw_impostors(persons, folds))


def next_pair(person: str, photos: Iterator[str]) -> GenuinePair | None:
    """Takes a person's next two photos; None where there are no two."""
    reference, probe = next(photos, None), next(photos, None)
    return None if reference is None or probe is None else GenuinePair(person, reference, probe)


def assign_folds(persons: list[str]) -> Ints:
    """Deals the persons of (n,) pairs out to folds, (n,). LaaError where there are too few for two folds."""
    numbers = {person: number for number, person in enumerate(dict.fromkeys(persons))}
    count = min(MAX_FOLDS, len(numbers) // MIN_PERSONS_EACH)
    if count < 2:
        raise LaaError(
            f"{len(numbers)} persons have two different photos among the pairs: give {2 * MIN_PERSONS_EACH} or more "
            f"({MAX_FOLDS * MIN_PERSONS_EACH} for {MAX_FOLDS} folds), and no fewer --pairs"
        )
    return np.array([numbers[person] % count for person in persons])


def draw_impostors(persons: list[str], folds: Ints) -> Ints:
    """Chooses for each of (n,) pairs another one of its fold, and of another person; each is chosen once.

    In a circle where a person's pairs stand side by side, the pair that is as far away as the most pairs that a person has.
    """
    impostors = np.empty(len(persons), np.int64)
    for fold in range(int(folds.max()) + 1):
        circle = np.array(sorted(np.flatnonzero(folds == fold), key=lambda place: persons.index(persons[place])))
        step = max(np.unique([persons[place] for place in circle], return_counts=True)[1])
        impostors[circle] = np.roll(circle, -int(step))
    return impostors
