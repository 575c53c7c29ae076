"""The porting answer: which recipes fit a call, what they compute on the very call, and which of them holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness import runner
from harness.casefile import CaseFile, Recipe
from harness.casefile.expressions import ExpressionError
from harness.errors import HarnessError
from harness.model import AGREEMENT, Case, Lane, Side, Signature, Target, Trial, Verdict
from harness.outcome import Open, Outcome
from harness.porting import match
from harness.protocol import Argument, Failure, Request, Step

# Verdicts that show that a recipe does not hold; all others leave it open.
DIFFERENT = frozenset(
    {Verdict.VALUE, Verdict.SHAPE, Verdict.DTYPE}
    | {Verdict.REJECTED_BY_SUBJECT, Verdict.REJECTED_BY_REFERENCE, Verdict.REJECTED_BY_BOTH}
)
LARGEST = 2**27  # elements of a tensor; the largest that a document prints has 79 million
GROWTH = 6  # how often an input that the call itself refuses is doubled, where no input is given


@dataclass(frozen=True)
class World:
    """What an answer is looked for with.

    Attributes:
        files: the case files whose recipes may apply.
        open_backend: gives a target's backend.
        obstacle: why a target cannot run here; ``None`` if it can.
        reference: the first side's target.
        subject: the second side's.
    """

    files: Sequence[CaseFile]
    open_backend: Open
    obstacle: Callable[[Target], str | None]
    reference: Target
    subject: Target

    def target(self, framework: str) -> Target:
        """The target of a framework."""
        return next(each for each in (self.reference, self.subject) if each.framework == framework)


@dataclass(frozen=True)
class Attempt:
    """One recipe on the very call.

    Attributes:
        case: both sides, the given one as it was given.
        outcome: what the comparison showed; ``None`` where it could not be made.
        obstacle: why not.
        sized: names of the input's extents that the answer's code depends on.
    """

    recipe: Recipe
    case: Case
    outcome: Outcome | None
    obstacle: str
    sized: tuple[str, ...]

    @property
    def works(self) -> bool:
        """Whether both sides gave the same, in every lane that was run."""
        return self.outcome is not None and self.outcome.verdict in AGREEMENT


@dataclass(frozen=True)
class Answer:
    """What is known of a call.

    Attributes:
        given: the call's framework.
        attempts: every recipe that fits, in the order of the case file.
        why: in words, where there is no equivalent.
        refused: whether the call's own framework refuses it.
    """

    call: Step
    given: str
    attempts: tuple[Attempt, ...]
    why: str = ""
    refused: bool = False

    @property
    def best(self) -> Attempt | None:
        """The first recipe that holds; if none could be tried, the first that is no mere statement of a document."""
        holding = next((each for each in self.attempts if each.works), None)
        untried = (each for each in self.attempts if each.outcome is None and not each.recipe.documented)
        return holding or next(untried, None)

    @property
    def equivalent(self) -> bool | None:
        """``True`` if one holds, ``False`` if there is none, ``None`` if none is known or none could be tried."""
        if any(each.works for each in self.attempts):
            return True
        judged = [each.outcome.verdict for each in self.attempts if each.outcome is not None]
        failed = bool(judged) and len(judged) == len(self.attempts) and all(verdict in DIFFERENT for verdict in judged)
        return False if self.refused or failed else None


def find(call: Step, shape: tuple[int, ...] | None, world: World) -> Answer:
    """Look for the other side's code.

    Args:
        call: one call of either side's layer, arguments as given.
        shape: of the input; ``None`` to verify with one of the case file's size.
        world: recipes and targets.

    Raises:
        HarnessError: the call or the shape does not fit the layer's signature.
    """
    given = call.call.partition(".")[0]
    wanted = {world.reference.framework, world.subject.framework}
    recipes = [
        each
        for file in world.files
        for each in file.recipes
        if _is_of(each, call, given) and wanted <= each.family.sides.keys()
    ]
    if not recipes:
        return Answer(call, given, (), why=_unknown(call, given, world.files))
    signature = _signature(call, given, recipes[0], world)
    arguments = match.arguments(call, signature)
    plain = match.bare(call)
    required = {each.name: None for each in signature if each.default is None}
    defaults = match.arguments(Step(call.call, required), signature)
    sizes, refusal = _sizes(plain, shape, arguments, recipes[0], world)
    if refusal is not None:
        how = f"{refusal.type}: {' '.join(refusal.message.split())}"
        verb, refused = ("cannot run", False) if refusal.unsupported else ("itself refuses", True)
        return Answer(call, given, (), f"{given} {verb} it at {refusal.phase.value}: {how}", refused=refused)
    attempts = []
    for recipe in recipes:
        row = {**sizes, **match.bind(recipe, arguments)}
        names = _names(recipe, row)
        if names is not None and match.fits(recipe, arguments, names, defaults):
            attempts.append(_attempt(plain, recipe, row, world))
    why = "" if attempts else f"no recipe of the case file fits these arguments ({len(recipes)} were looked at)"
    answer = Answer(call, given, tuple(attempts), why)
    if answer.best or why:
        return answer
    failed = answer.equivalent is False
    return replace(answer, why=f"every recipe that fits was tried, and {'none holds' if failed else 'proves nothing'}")


def _is_of(recipe: Recipe, call: Step, given: str) -> bool:
    spec = recipe.family.sides.get(given)
    return recipe.given == given and spec is not None and spec.calls[spec.layer] == call.call


def _unknown(call: Step, given: str, files: Sequence[CaseFile]) -> str:
    sides = [recipe.family.sides[given] for file in files for recipe in file.recipes if recipe.given == given]
    covered = sorted({side.calls[side.layer] for side in sides})
    return f"no case file has a recipe for {call.call}; there are some for {', '.join(covered) or 'nothing'}"


def _signature(call: Step, given: str, recipe: Recipe, world: World) -> Sequence[Argument]:
    """The installed signature, or else the documented one."""
    target = world.target(given)
    if world.obstacle(target) is None:
        try:
            return world.open_backend(target).signature(call.call, "constructor")
        except LookupError as error:
            raise HarnessError(str(error.args[0])) from None
    file = next(file for file in world.files if recipe in file.recipes)
    for family in file.families:
        stated = family.stated.signature
        if family.stated.side == given and isinstance(stated, Signature) and stated.complete and stated.of != "call":
            return stated.parameters
    raise HarnessError(f"{target} cannot run here ({world.obstacle(target)}), and no document states its signature")


def _sizes(
    call: Step, shape: tuple[int, ...] | None, arguments: Mapping[str, Any], recipe: Recipe, world: World
) -> tuple[match.Names, Failure | None]:
    """The names of the input's extents, and why the call's own framework refuses the call, if it does."""
    bound, target = match.bind(recipe, arguments), world.target(recipe.given)
    free = match.free_names(recipe, bound)
    if shape is not None:
        sizes = match.input_names(recipe, shape)
        _check_channels(sizes, bound, recipe)
        growing = [sizes]
    else:
        first = {name: recipe.family.fixed[name] for name in free if name in recipe.family.fixed}
        growing = [
            {name: value if name == free[0] else value * 2**step for name, value in first.items()}
            for step in range(GROWTH)
        ]
    failure = None
    _check_extents(call, {**growing[0], **bound}, recipe)
    for sizes in growing:
        failure = _refusal(call, {**sizes, **bound}, recipe, world, target)
        if failure is None:
            return sizes, None
    return growing[0], failure


def _check_extents(call: Step, row: match.Names, recipe: Recipe) -> None:
    """Refuse what makes no tensor, or one that no machine should be asked for; the rest is for the framework to say."""
    try:
        case = recipe.family.case(row)
    except (ExpressionError, KeyError):
        return  # this recipe does not fit, which is no fault of the call
    for shape in (*case.inputs.values(), *(parameter.shape for parameter in case.state)):
        if any(type(extent) is not int for extent in shape):
            raise HarnessError(f"{call}: it makes a tensor of the shape {shape}; expected whole numbers")
        if math.prod(shape) > LARGEST:
            raise HarnessError(f"{call}: it makes a tensor of the shape {shape}, more than {LARGEST} elements")


def _check_channels(sizes: match.Names, bound: match.Names, recipe: Recipe) -> None:
    for name, extent in sizes.items():
        if name in bound and bound[name] != extent:
            raise HarnessError(f"--input says {extent} for '{name}' of {recipe.family.layer}, the call {bound[name]}")


def _refusal(call: Step, row: match.Names, recipe: Recipe, world: World, target: Target) -> Failure | None:
    if world.obstacle(target) is not None:
        return None
    # A negative extent is for the framework to refuse, which it does when it builds the layer.
    shapes = [tuple(max(extent, 0) for extent in shape) for shape in match.shapes(recipe, row)]
    request = Request((call,), 0, tuple(np.ones(shape, np.float32) for shape in shapes), None)
    return world.open_backend(target).observe(request).failure


def _names(recipe: Recipe, row: match.Names) -> match.Names | None:
    try:
        return recipe.family.names(row)
    except (ExpressionError, KeyError):
        return None


def _attempt(call: Step, recipe: Recipe, row: match.Names, world: World) -> Attempt:
    try:
        case = recipe.family.case(row)
    except ExpressionError as error:
        raise HarnessError(f"the recipe '{recipe.name}' cannot be written for this call: {error.problem}") from None
    other = next(name for name in case.sides if name != recipe.given)
    answer = case.sides[other]
    tidy = tuple(_tidied(step, world, other) for step in answer.steps)
    case = replace(case, sides={recipe.given: Side((call,), 0), other: replace(answer, steps=tidy)}, lanes=tuple(Lane))
    sized = tuple(each for each in match.free_names(recipe, match.bind_names(recipe)) if each in match.reached(recipe))
    reason = world.obstacle(world.reference) or world.obstacle(world.subject)
    if reason:
        return Attempt(recipe, case, None, reason, sized)
    trial = Trial(case, "float32", world.reference, world.subject)
    return Attempt(recipe, case, runner.run(trial, world.open_backend), "", sized)


def _tidied(step: Step, world: World, framework: str) -> Step:
    """The step as a person writes it: what has to be given by position, and no more than differs from the defaults."""
    target = world.target(framework)
    if world.obstacle(target) is not None or not step.call.rpartition(".")[2][:1].isupper():
        return step
    try:
        signature = world.open_backend(target).signature(step.call, "constructor")
    except LookupError:
        return step
    return match.tidy(step, signature)
