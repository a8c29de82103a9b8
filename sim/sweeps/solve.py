"""Cells solved by one compiled program for each shape class: one by one, or many in lanes on every device."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as Spread
from jaxtyping import Array, Bool, Int

from sim.sweeps.stepper import Course, Problem, ShapeClass, advance, begin, due, going, look_back

# 5 to 15 % less to compile than by default, and no slower in the loop of a cell.
_COMPILED_FAST = {"xla_backend_optimization_level": 1}


class Solved(NamedTuple):
    """What is kept of a run: its observations, time of collapse, the last time of the solver, and its evaluations."""

    observed: dict[str, Array]
    collapse: Array
    reached: Array
    evaluations: Array


class Occupancy(NamedTuple):
    """Attempts at a step that were wanted by a cell, and those that the lanes made; the difference is waste."""

    wanted: Int[Array, " device"]
    made: Int[Array, " device"]


@partial(jax.jit, static_argnames="shape", compiler_options=_COMPILED_FAST)
def solve_one(problem: Problem, *, shape: ShapeClass) -> Solved:
    """Solve one cell. Compiled once for each shape class and shape of the points."""

    def move(course: Course) -> Course:
        course, step = advance(shape, problem, course)
        return jax.lax.cond(
            due(shape, problem, course, step),
            lambda: look_back(shape, problem, course, step),
            lambda: course,
        )

    return _kept(jax.lax.while_loop(partial(going, shape, problem), move, begin(shape, problem)))


@partial(jax.jit, static_argnames=("shape", "lanes", "mesh"))
def solve_many(
    problems: Problem, counts: Int[Array, " device"], *, shape: ShapeClass, lanes: int, mesh: Mesh
) -> tuple[Solved, Occupancy]:
    """Solve a queue of cells on each device of the mesh, in one loop a device, none of which waits for another.

    A lane that has finished a cell takes the next one of its queue, so lanes stand idle at the end of it only.

    Arguments: problems with axes (device, queue) in front, counts the cells of each queue that are asked for: those
    beyond fill up the shape. Returns what `solve_one` does, with the same axes in front, and the occupancy.
    """
    spread = Spread(*mesh.axis_names)

    def on_device(problems: Problem, counts: Array) -> tuple[Solved, Occupancy]:
        own = jax.tree.map(lambda values: values[0], problems)
        solved = _run_queue(own, counts[0], shape, lanes)
        return jax.tree.map(lambda values: values[None], solved)

    return jax.shard_map(on_device, mesh=mesh, in_specs=(spread, spread), out_specs=spread, check_vma=False)(
        problems, counts
    )


def _run_queue(
    problems: Problem, count: Int[Array, ""], shape: ShapeClass, lanes: int
) -> tuple[Solved, Occupancy]:
    begun = jax.vmap(partial(begin, shape))(problems)
    size = len(problems.beta)
    first = jnp.arange(lanes)
    ended = begun

    def pick(tree, cells: Int[Array, " lane"]):
        return jax.tree.map(lambda values: values[jnp.minimum(cells, size - 1)], tree)

    def busy(state) -> Bool[Array, ""]:
        return jnp.any(state[1] < count)

    def move(state):
        courses, cells, following, ended, wanted, made = state
        mine = pick(problems, cells)
        active = (cells < count) & jax.vmap(partial(going, shape))(mine, courses)
        tried, steps = jax.vmap(partial(advance, shape))(mine, courses)
        looks = active & jax.vmap(partial(due, shape))(mine, tried, steps)
        seen = jax.lax.cond(
            jnp.any(looks),
            lambda: _where(looks, jax.vmap(partial(look_back, shape))(mine, tried, steps), tried),
            lambda: tried,
        )
        courses = _where(active, seen, courses)
        finished = (cells < count) & ~jax.vmap(partial(going, shape))(mine, courses)
        place = jnp.where(finished, cells, size)
        ended = jax.tree.map(lambda all_, new: all_.at[place].set(new, mode="drop"), ended, courses)
        next_cells = following + jnp.cumsum(finished) - 1
        cells = jnp.where(finished, jnp.minimum(next_cells, count), cells)
        courses = _where(finished & (cells < count), pick(begun, cells), courses)
        return (
            courses,
            cells,
            following + jnp.sum(finished),
            ended,
            wanted + jnp.sum(active),
            made + lanes,
        )

    zero = jnp.zeros((), int)
    cells = jnp.minimum(first, count)
    state = (pick(begun, cells), cells, zero + jnp.minimum(lanes, count), ended, zero, zero)
    *_, ended, wanted, made = jax.lax.while_loop(busy, move, state)
    return jax.vmap(_kept)(ended), Occupancy(wanted, made)


def _where(chosen: Bool[Array, " lane"], yes, no):
    def choose(new: Array, old: Array) -> Array:
        return jnp.where(chosen.reshape(chosen.shape + (1,) * (new.ndim - 1)), new, old)

    return jax.tree.map(choose, yes, no)


def _kept(course: Course) -> Solved:
    return Solved(course.observed, course.collapse, course.t, course.evaluations)
