"""Whether the background of events changes, or what changes was triggered."""

import warnings

import numpy as np

from liouville.data import Events
from liouville.processes import Excerpts, Nowhere, PointProcess
from liouville.tasks.events.background import (
    Separated,
    best_of,
    changes_of,
    price,
    separated,
)
from liouville.tasks.events.etas import EtasFit, fit_etas, without_triggering
from liouville.tasks.events.rhythm import Rhythms
from liouville.tasks.events.scores import nats_of
from liouville.tasks.events.units import EventUnits

# A difference of the shares of triggered events that is said, and one in nats that says nothing.
_SAID, _ALIKE = 0.1, 2.0
# Standard errors, and nats an event, by which validation refutes what training says.
_ERRORS, _REFUTED = 2.0, 0.02
# With so few events a law is soon fitted again, whatever the one before says of its triggering.
_FEW = 10_000


def told_apart(
    steady: EtasFit,
    training: Events,
    units: EventUnits,
    validation: Excerpts,
    most: int,
    rhythms: Rhythms = Rhythms(),  # noqa: B008 - a tuple
) -> tuple[EtasFit, int]:
    """The law from which to start, and how many knots its background has.

    With a constant background, whatever changes slowly looks as if events had triggered each other.
    Where a background in lines says more, or needs far fewer triggered events, or a law without any
    triggering is the likelier one, the law is fitted again from where hardly anything is triggered,
    beside a constant background and beside the lines. These are taken if they say more of the
    events of training, by the Bayesian information criterion, and not less of those of validation:
    by more than two standard errors and by some size, if they need far fewer triggered events, as
    lines know nothing of what comes, but triggering follows it; else by one. Where many events make
    it dear to fit again, and the triggering stays the same, the knots are those of the criterion
    or, by more than one standard error, those that validation prefers among all with which training
    says more.

    Args:
        steady: the law with a background that is constant; with rhythms it was `begun_anew`.
        training: the events that it was fitted to.
        units: of its model.
        validation: later events of the same sequence.
        most: past events that an event sees at most.
        rhythms: of the background.

    Warns:
        UserWarning: if a law in lines that is about as likely needs far fewer triggered events.
    """
    found = changes_of(training, steady.chance, steady.rates(training), rhythms)
    number = _knots_to_try(steady, training, units, rhythms, found)
    if number == 0:
        return _without_a_fit(steady, training, validation, found)
    # With rhythms it was begun so already.
    flat = steady if rhythms.periods else begun_anew(steady, training, units, most, rhythms)
    if number == 1:
        return flat, 1
    law = begun_anew(flat, training, units, most, rhythms, number)
    finer = best_of(changes_of(training, law.chance, law.rates(training), rhythms))
    if len(finer.levels) > number:
        number = len(finer.levels)
        law = begun_anew(law, training, units, most, rhythms, number)
    lost = _nats(law, validation) - _nats(flat, validation)
    gain, cost = law.log_likelihood - flat.log_likelihood, price(number, len(law.chance))
    is_refuted = _is_more(lost, 1.0)
    if flat.triggered - law.triggered >= _SAID:
        is_refuted = _is_more(lost, _ERRORS) and lost.mean() > _REFUTED
    is_taken = gain > cost and not is_refuted
    shares = (flat.triggered, law.triggered)
    _say(training, shares, number, gain, later=-lost.mean(), is_taken=is_taken)
    return (law, number) if is_taken else (flat, 1)


def _knots_to_try(
    steady: EtasFit, training: Events, units: EventUnits, rhythms: Rhythms, found: list[Separated]
) -> int:
    """With how many knots the law is to be fitted again, beside a constant one; 0 for not at all.

    Triggering that imitates a background does it so well that beside its form no line says more;
    but then a law without any triggering says more than it.
    """
    one, best = found[0], best_of(found)
    number, count = len(best.levels), len(best.chance)
    if count <= _FEW:
        quiet = best_of(changes_of(training, np.ones(count), rhythms=rhythms))
        if without_triggering(steady, training, units, quiet) > steady.log_likelihood:
            return max(number, len(quiet.levels))
    is_open = number > 1 and count <= _FEW
    return number if is_open or one.triggered - best.triggered > 0.5 * _SAID else 0


def _without_a_fit(
    steady: EtasFit, training: Events, validation: Excerpts, found: list[Separated]
) -> tuple[EtasFit, int]:
    """The law beside one of the backgrounds that were found, and its knots."""
    one, best = found[0], best_of(found)
    better = [f for f in found if f.log_likelihood - f.price > one.log_likelihood]
    tried = (best, *(f for f in (one, *better) if f is not best))
    laws = [steady.beside(f, training) for f in tried]
    nats = [_nats(law, validation) for law in laws]
    least = int(np.argmin([own.mean() for own in nats]))
    # What training says the most with, unless validation is against it by more than chance.
    place = least if _is_more(nats[0] - nats[least], 1.0) else 0
    taken = other = tried[place]
    knots = len(taken.levels)
    if knots == 1:
        alike = [f for f in found if f.log_likelihood - f.price >= one.log_likelihood - _ALIKE]
        other = min(alike, key=lambda f: f.triggered)
    gain, shares = other.log_likelihood - one.log_likelihood, (one.triggered, other.triggered)
    _say(training, shares, len(other.levels), gain, is_taken=knots > 1)
    return (steady if knots == 1 else laws[place]), knots


def begun_anew(
    law: EtasFit,
    training: Events,
    units: EventUnits,
    most: int,
    rhythms: Rhythms = Rhythms(),  # noqa: B008 - a tuple
    knots: int = 1,
) -> EtasFit:
    """The law fitted again from where hardly anything is triggered, beside such a background."""
    every = np.ones(int(training.counts.sum()))
    change = separated(training, every, rhythms=rhythms, knots=knots)
    return fit_etas(training, units, most, (law, change.rate()))


def _say(
    training: Events,
    shares: tuple[float, float],
    knots: int,
    gain: float,
    *,
    later: float | None = None,
    is_taken: bool = False,
) -> None:
    """Warns of a background in lines that needs far fewer triggered events than a constant one."""
    constant, lines = shares
    if constant - lines < _SAID:
        return
    chosen = f"the background stays constant; times.knots={knots} lets it change"
    if is_taken:
        chosen = "the background changes; times.knots=1 keeps it constant"
    more = "" if later is None else f", {later:+.2g} of validation"
    count = int(training.counts.sum())
    warnings.warn(
        f"the rate of {training.source} changes: {constant:.0%} of the events are triggered if "
        f"the background is constant, {lines:.0%} if it is a line with {knots} knots "
        f"({gain / count:+.2g} nats an event of training at a price of "
        f"{price(knots, count) / count:.2g}{more}): {chosen}",
        stacklevel=5,
    )


def _is_more(lost: np.ndarray, errors: float) -> bool:
    """Whether what excerpts lose is above zero by so many standard errors."""
    return bool(lost.sum() > errors * lost.std() * np.sqrt(len(lost)))


def _nats(law: EtasFit, excerpts: Excerpts) -> np.ndarray:
    """Of the times of each excerpt, scaled so that their mean is that per event."""
    process = PointProcess(law.law.times, Nowhere(), None)
    own = nats_of(process, excerpts)
    return own * len(own) / excerpts.number
