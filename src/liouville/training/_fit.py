import math
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

from liouville.errors import LiouvilleError, TrainingError
from liouville.numerics import devices
from liouville.numerics.parameters import learned_leaves, split
from liouville.objectives import AbstractTerm, Objective
from liouville.runs.interruption import graceful_interruption
from liouville.training._checkpoint import restore_state, save_state
from liouville.training._devices import on_all_devices
from liouville.training._log import MetricsFile, Row
from liouville.training._progress import ProgressBar
from liouville.training._state import Stepper, TrainState, initial_state

Path_ = TypeVar("Path_", bound=eqx.Module)
Reason = Literal["finished", "early", "interrupted"]


@dataclass(frozen=True, eq=False)
class Fit(Generic[Path_]):
    """What training returns.

    Attributes:
        path: the trained path: the averaged parameters, at the best validation if there was one.
        history: one row a logged step: `step`, `loss`, every term, `gradient`, and `validation`
            where it was computed.
        reason: `finished` all steps, stopped `early` on the validation term, or `interrupted`.
        step: the number of steps done.
    """

    path: Path_
    history: list[Row]
    reason: Reason
    step: int


def fit(
    path: Path_,
    objective: Objective | AbstractTerm,
    *,
    steps: int,
    optimizer: optax.GradientTransformation | float = 1e-2,
    seed: int = 0,
    average: float = 0.99,
    validation: AbstractTerm | Objective | None = None,
    patience: int | None = None,
    tolerance: float = 0.0,
    stop: Callable[[int, float], bool] | None = None,
    validate_every: int = 100,
    chunk: int = 50,
    log_every: int = 10,
    checkpoint: Path | None = None,
    checkpoint_every: int = 500,
    metrics: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
    on_chunk: Callable[[int], None] | None = None,
) -> Fit[Path_]:
    r"""Minimises an objective over the learned arrays of a path.

    Steps are compiled in chunks: one call of the device does `chunk` of them, and the metrics are
    read once a chunk. Step `i` depends on (seed, i) and the state alone, so a run that is resumed
    from a checkpoint equals the uninterrupted one bit for bit (on one machine).

    All devices that JAX knows share the work, those of one process or, after
    `jax.distributed.initialize`, of several. Each process must call this alike; the first one
    alone reads and writes files, and what differs between their starts is as it has it. The
    numbers do not depend on how many devices there are, up to rounding.

    Args:
        path: the path to start from, or anything else that the terms know, such as a
            `liouville.processes.PointProcess`.
        objective: what to minimise, or a single term.
        steps: the number of steps.
        optimizer: an Optax transformation, or a learning rate for Adam with a cosine decay to a
            hundredth and gradients clipped to norm 100.
        seed: of all random numbers.
        average: what the moving average of the parameters keeps of itself at a step; 0 for none.
        validation: a term or objective computed at the start and every `validate_every` steps at
            the averaged parameters, with the same random numbers each time; the path of its minimum
            is returned, which may be the start. If terms depend on different parts of the path,
            each part is that of their own minimum; see `Objective.groups`.
        patience: validations without progress after which training stops; `None` for never.
        tolerance: progress is a validation below the best one by more than this share of it. The
            random numbers are common to both, so even a small change is told from noise.
        stop: asked after every validation with the number of steps done and its value; training
            ends early if it says so.
        validate_every: steps between validations; a multiple of `chunk`.
        chunk: steps a compiled call.
        log_every: steps between rows of the history.
        checkpoint: file for checkpoints, also written on SIGINT, SIGTERM and at the end. A signal
            during the last steps acts afterwards.
        checkpoint_every: steps between checkpoints; a multiple of `chunk`.
        metrics: JSONL file for the rows of the history.
        resume: go on from `checkpoint` if that file exists.
        progress: show a progress bar; by default on a terminal and in a notebook.
        on_chunk: called after each chunk with the number of steps done.

    Returns:
        The trained path, the history and why training ended.

    Raises:
        TrainingError: if a loss or gradient is not finite: it names the step and the term. The
            last good state is in the checkpoint.
        LiouvilleError: if `resume` finds a checkpoint of another model.
    """
    objective = objective if isinstance(objective, Objective) else objective * 1.0
    check_schedule(chunk, {"validate_every": validate_every, "checkpoint_every": checkpoint_every})
    if not isinstance(optimizer, optax.GradientTransformation):
        optimizer = default_optimizer(optimizer, steps)
    if not learned_leaves(path):
        raise LiouvilleError("the path has nothing to learn: all its arrays are fixed")
    is_kept = checkpoint is not None
    if not devices.is_first():
        checkpoint, metrics, progress = None, None, False
    groups = validation.groups if isinstance(validation, Objective) else ()
    state = initial_state(path, optimizer, max(len(groups), 1))
    if resume and checkpoint is not None and checkpoint.exists():
        state, _ = restore_state(checkpoint, state)
    state, rest, objective, validation = on_all_devices(
        (state, split(path)[1], objective, validation)
    )
    begin = int(state.step)
    if begin < 0:
        raise LiouvilleError(f"{checkpoint} is at step {begin}; fit again, with --force")
    stepper = Stepper(rest, objective, devices.copied(jr.key(seed)), average, optimizer, chunk)
    bar = ProgressBar(steps, may_end_early=patience is not None, shown=progress)
    file = None if metrics is None else MetricsFile(metrics, begin)
    history: list[Row] = []

    def save(state: TrainState) -> None:
        if file is not None:
            file.sync()
        if checkpoint is not None:
            save_state(checkpoint, state)

    def reason_to_stop(
        state: TrainState, step: int, is_interrupted: bool, is_enough: bool
    ) -> Reason | None:
        if patience is not None and int(state.waited) >= patience:
            return "early"
        if step >= steps:
            return "finished"
        if is_interrupted:
            return "interrupted"
        return "early" if is_enough else None

    try:
        with graceful_interruption() as interrupted, devices.everywhere():
            if validation is not None and begin == 0:
                state, _ = _validate(stepper, state, validation, tolerance)
            step, reason = begin, reason_to_stop(state, begin, False, False)
            while reason is None:
                # Up to the next whole chunk, also when a run resumes in the middle of one.
                goal = min(steps, (step // chunk + 1) * chunk)
                # The first chunk is compiled, which may take long and has nothing to lose.
                interrupted.is_patient = is_kept and step > begin
                state, values = stepper.run(state, devices.copied(jnp.asarray(goal)))
                done = int(state.step) - step
                rows = _rows(objective, np.asarray(values)[:done], step, log_every)
                step += done
                is_enough = False
                failed, due = bool(state.failed), step % validate_every == 0 or step >= steps
                if validation is not None and due and not failed:
                    state, value = _validate(stepper, state, validation, tolerance)
                    rows[-1]["validation"] = value
                    is_enough = stop is not None and stop(step, value)
                history += rows
                if file is not None:
                    file.append(rows)
                if failed:
                    save(eqx.tree_at(lambda s: s.failed, state, jnp.zeros((), bool)))
                    raise _failure(stepper, state, np.asarray(values)[done])
                bar.update(step, rows[-1])
                is_interrupted = devices.any_of(interrupted.is_set())
                reason = reason_to_stop(state, step, is_interrupted, is_enough)
                if reason is not None or step % checkpoint_every == 0:
                    save(state)
                if on_chunk is not None:
                    on_chunk(step)
    finally:
        bar.close()
        if file is not None:
            file.close()
    if interrupted.is_set() and reason != "interrupted":
        signal.raise_signal(interrupted.number)  # it came during the last steps
    found = state.best if np.isfinite(np.asarray(state.best_validation)).all() else state.average
    return Fit(devices.at_home(eqx.combine(found, rest)), history, reason, step)


def check_schedule(chunk: int, every: Mapping[str, int]) -> None:
    """Refuses numbers of steps by name that are not positive or no multiple of a chunk.

    What happens every so many steps falls between two compiled calls, of `chunk` steps each.
    """
    for name, value in {**every, "chunk": chunk}.items():
        if value < 1:
            raise LiouvilleError(f"{name} is {value}; give a positive number")
        if value % max(chunk, 1):
            raise LiouvilleError(
                f"{name} is {value}, which is no multiple of chunk {chunk}; change one of them"
            )


def default_optimizer(
    rate: float, steps: int, weight_decay: float = 0.0
) -> optax.GradientTransformation:
    """Adam with a cosine decay from `rate` to a hundredth of it in `steps`, and clipped gradients.

    A `weight_decay` pulls every learned number toward zero, decoupled from the gradient
    (Loshchilov and Hutter, ICLR 2019).
    """
    schedule = optax.cosine_decay_schedule(rate, max(steps, 1), alpha=0.01)
    adam = (
        optax.adamw(schedule, weight_decay=weight_decay) if weight_decay else optax.adam(schedule)
    )
    return optax.chain(optax.clip_by_global_norm(100.0), adam)


def _rows(objective: Objective, values: np.ndarray, begin: int, every: int) -> list[Row]:
    """The rows of the steps of a chunk that are logged; the last step always is."""
    names = ["loss", *(term.name for term in objective.terms), "gradient"]
    last = len(values) - 1
    logged = [i for i in range(len(values)) if (begin + i + 1) % every == 0 or i == last]
    return [
        {"step": begin + i + 1, **{name: float(v) for name, v in zip(names, values[i])}}
        for i in logged
    ]


def _validate(
    stepper: Stepper, state: TrainState, term: AbstractTerm | Objective, tolerance: float
) -> tuple[TrainState, float]:
    """Keeps the best so far: of every part that is judged by itself, or of the whole."""
    values, before = stepper.validate(state, term), state.best_validation
    is_first = ~jnp.isfinite(before)
    is_progress = bool(jnp.any(is_first | (before - values > tolerance * jnp.abs(before))))
    waited = jnp.where(is_progress, 0, state.waited + 1)
    groups = (term.groups if isinstance(term, Objective) else ()) or ((),)
    best = state.best
    for parts, is_better in zip(groups, (values < before).tolist(), strict=True):
        if not is_better:
            continue
        # Copies, because the buffers of the state are donated and may not share memory.
        if not parts:
            best = jax.tree.map(jnp.copy, state.average)
        for part in parts:
            better = jax.tree.map(jnp.copy, getattr(state.average, part))
            best = eqx.tree_at(lambda b, p=part: getattr(b, p), best, better)
    replaced = (best, jnp.minimum(values, before), waited)
    state = eqx.tree_at(lambda s: (s.best, s.best_validation, s.waited), state, replaced)
    return state, float(values.sum())


def _failure(stepper: Stepper, state: TrainState, metrics: np.ndarray) -> TrainingError:
    """Names the step and the term that was not finite, from the last good state."""
    step = int(state.step)
    terms = stepper.objective.terms
    key = jr.fold_in(stepper.key, state.step)
    for i, (term, value) in enumerate(zip(terms, metrics[1:])):
        where = "" if math.isfinite(value) else "value"
        if not where:
            slope = eqx.filter_grad(
                lambda learned, t=term, n=i: t(
                    eqx.combine(learned, stepper.rest), key=jr.fold_in(key, n)
                )
            )
            gradient = eqx.filter_jit(slope)(state.learned)
            bad = [n for n, g in learned_leaves(gradient).items() if not jnp.isfinite(g).all()]
            where = f"gradient with respect to {bad[0]}" if bad else ""
        if where:
            return TrainingError(
                f"training stopped at step {step + 1}: the {where} of the term {term.name!r} is "
                "not finite; the last good state was kept: lower the learning rate or look at "
                "the data of that term",
                step=step + 1,
                term=term.name,
            )
    return TrainingError(
        f"training stopped at step {step + 1}: the weighted sum of the terms is not finite; the "
        "last good state was kept: look at the weights",
        step=step + 1,
        term="loss",
    )
