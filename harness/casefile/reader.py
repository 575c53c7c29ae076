"""From a parsed case file to checked families. Whatever is wrong becomes one error with its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.casefile.checks import stated, swept_parameters
from harness.casefile.expanded import check
from harness.casefile.expressions import (
    RESERVED,
    Expression,
    ExpressionError,
    compile_tree,
    expressions_in,
    is_name,
    plain,
    reached_by,
)
from harness.casefile.families import CaseFile, Document, Family, Recipe, Unchecked, derived, word
from harness.casefile.sides import Part, SideSpec, side_spec
from harness.casefile.source import Source, read
from harness.casefile.sweep import Exclusion, exclusion
from harness.errors import CaseFileError, did_you_mean
from harness.model import PARAMETER, Claim, Expectation, Lane, Tier, Tolerance

Tree = Mapping[str, Any]
SIDES = 2


def load(path: Path, frameworks: Iterable[str] | Mapping[str, Sequence[str]], *, expand: bool = True) -> CaseFile:
    """Read, check and expand one case file.

    Args:
        path: the YAML file.
        frameworks: names that may stand as sides; as a mapping, with each one's own ways to load a state.
        expand: whether to expand every family already, which finds the errors that show in some combination only.

    Raises:
        CaseFileError: anything that the file says wrong, with line and column; nothing is run on a guess.
    """
    names = sorted(frameworks)
    source = read(path, "cases", names)
    reader = _Reader(source, path, names, expand)
    reader.ways = dict(frameworks) if isinstance(frameworks, Mapping) else {}
    claims = reader.claims()
    families = tuple(reader.family(name) for name in source.data["families"])
    reader.check_claims(claims, families)
    recipes = tuple(reader.recipe(name, families) for name in source.data.get("recipes", {}))
    return CaseFile(path, reader.layer, reader.documents(), claims, families, reader.unchecked(), recipes)


@dataclass(frozen=True)
class _Names:
    """The names of a family: swept, fixed and derived, and all of them."""

    sweep: Tree
    fixed: Tree
    derive: Tree
    known: set[str]


class _Reader:
    """One pass over a parsed file, with the source at hand for errors."""

    def __init__(self, source: Source, path: Path, frameworks: Sequence[str], expand: bool) -> None:
        self.source, self.path, self.data, self.expand = source, path, source.data, expand
        self.layer = str(source.data["layer"])
        self.ways: Mapping[str, Sequence[str]] = {}
        self.frameworks = [name for name in frameworks if name in source.data]
        self._check_sides(frameworks)

    def _check_sides(self, frameworks: Sequence[str]) -> None:
        if len(self.frameworks) < SIDES:
            raise self.source.error([], "two sides are needed", f"frameworks: {', '.join(frameworks)}")
        for name, entry in self.data.get("state", {}).items():
            for key in entry:
                if key not in {"shape", "when", *self.frameworks}:
                    raise self.source.error(["state", name, key], "no such side", did_you_mean(key, self.frameworks))

    def documents(self) -> dict[str, Document]:
        """The documents by id."""
        return {
            str(id): Document(str(id), **{str(key): str(value) for key, value in entry.items()})
            for id, entry in self.data.get("documents", {}).items()
        }

    def claims(self) -> tuple[Claim, ...]:
        """The claims, each of a known document."""
        for id, entry in self.data.get("claims", {}).items():
            self._check_document(["claims", id], entry)
        return tuple(
            Claim(str(id), self.layer, str(entry["document"]), str(entry["where"]), str(entry["says"]))
            for id, entry in self.data.get("claims", {}).items()
        )

    def unchecked(self) -> tuple[Unchecked, ...]:
        """The statements that no trial can judge, each of a known document."""
        for index, entry in enumerate(self.data.get("unchecked", ())):
            self._check_document(["unchecked", index], entry)
        return tuple(
            Unchecked(**{str(key): str(value) for key, value in entry.items()})
            for entry in self.data.get("unchecked", ())
        )

    def _check_document(self, key: Sequence[str | int], entry: Tree) -> None:
        documents = self.data.get("documents", {})
        if entry["document"] not in documents:
            hint = did_you_mean(entry["document"], documents)
            raise self.source.error([*key, "document"], f"unknown document '{entry['document']}'", hint)

    def check_claims(self, claims: Sequence[Claim], families: Sequence[Family]) -> None:
        """Each claim is tested by a family."""
        tested = {claim for family in families for claim in family.claims}
        for claim in claims:
            if claim.id not in tested:
                hint = "name it under 'claims:' of the family that could refute it"
                raise self.source.error(["claims", claim.id], "no family tests this claim", hint)

    def family(self, name: str) -> Family:
        """One family, merged with the layer's part, checked, and expanded once."""
        key, entry = ["families", name], self.data["families"][name]
        self._check_reason(key, entry)
        if "recipe" not in entry:
            return self._build(key, entry)
        recipe = self._recipe_of(key, entry)
        own = {part: recipe[part] for part in ("derive", *self.frameworks) if part in recipe}
        return self._build(key, {"expect": "equal", **own, **entry}, recipe.get("when"))

    def recipe(self, name: str, families: Sequence[Family]) -> Recipe:
        """One recipe, with the families that verify it. Its pattern gives names, and so need not know all values."""
        key, entry = ["recipes", name], self.data["recipes"][name]
        given = str(entry.get("from", next(name for name in self.data if name in self.frameworks)))
        if given not in self.frameworks:
            raise self.source.error([*key, "from"], f"no side '{given}'", did_you_mean(given, self.frameworks))
        if entry.get("documented", "") not in {"", *self.data.get("claims", {})}:
            hint = did_you_mean(entry["documented"], self.data.get("claims", {}))
            raise self.source.error([*key, "documented"], f"unknown claim '{entry['documented']}'", hint)
        verifying = tuple(
            family.name for family in families if self.data["families"][family.name].get("recipe") == name
        )
        if not verifying:
            raise self.source.error(key, "no family verifies this recipe", f"add a family with 'recipe: {name}'")
        change = entry.get(given, {})
        if "before" in change or "then" in change:
            raise self.source.error([*key, given], "a pattern is a single call", "without 'before' and 'then'")
        family = self._build(key, {"expect": "equal", **entry}, given=given)
        when = self._compiled([*key, "when"], "=" + str(entry["when"]).lstrip("= ")) if "when" in entry else None
        return Recipe(str(name), str(entry["says"]), given, str(entry.get("documented", "")), when, family, verifying)

    def _recipe_of(self, key: Sequence[str], entry: Tree) -> Tree:
        recipes: Tree = self.data.get("recipes", {})
        if entry["recipe"] not in recipes:
            hint = did_you_mean(entry["recipe"], recipes)
            raise self.source.error([*key, "recipe"], f"unknown recipe '{entry['recipe']}'", hint)
        recipe: Tree = recipes[entry["recipe"]]
        return recipe

    def _build(self, key: Sequence[str], entry: Tree, domain: Any = None, given: str = "") -> Family:
        """A family of these entries; one without a sweep that a recipe is made of if its given side is named."""
        state = self._state(key, entry)
        says = stated(self.source, key, entry, self.frameworks, list(state))
        sweep = {**self._sweep([*key, "sweep"], entry.get("sweep", {})), **swept_parameters(says)}
        fixed = {str(k): plain(v) for k, v in {**self.data.get("values", {}), **entry.get("values", {})}.items()}
        fixed = {k: v for k, v in fixed.items() if k not in sweep}
        self._check_reserved(key, entry)
        derive = self._derive(key, entry)
        sides = {framework: self._side(key, framework, entry) for framework in self.frameworks}
        bound = _plain_names(sides[given]) if given else set()
        known = self._check_derived(self._derive_parts(key, derive), {*fixed, *sweep, *bound})
        names = _Names(sweep, fixed, derive, known)
        exclusions = self._exclusions(key, entry.get("exclude", ()), names)
        family = Family(
            name=str(key[1]),
            stem=self.path.stem,
            layer=self.layer,
            claims=tuple(map(str, entry.get("claims", ()))),
            tier=Tier(entry.get("tier", "default")),
            lanes=self._lanes(entry),
            dtypes=tuple(map(str, entry.get("dtypes", self.data.get("dtypes", ["float32"])))),
            expect=self._expectation(key, entry),
            align=bool(entry.get("align", True)),
            fixed=fixed,
            sweep=sweep,
            strength=entry.get("cover"),
            exclusions=(*exclusions, *self._outside(key, domain, names)),
            derive=derive,
            inputs=self._compiled(["inputs"], self.data["inputs"]),
            state=self._compiled(["state"], state),
            sides=sides,
            output_shape=self._compiled([*key, "output_shape"], entry.get("output_shape")),
            tolerances={str(k): Tolerance(**v) for k, v in self.data.get("tolerance", {}).items()},
            stated=says,
            derivatives=int(entry.get("derivatives", 1)),
            tensors=self._tensors(key, entry, state),
        )
        parts = self._parts(key, family)
        self._check_names(key, family, parts, known)
        if self.expand and not given:
            self._check_expansion(key, family, parts)
        return family

    def _outside(self, key: Sequence[str], domain: Any, names: _Names) -> list[Exclusion]:
        """What a recipe's domain leaves out of the sweep of a family that verifies it."""
        if domain is None:
            return []
        place = ["recipes", str(self.data["families"][key[1]]["recipe"]), "when"]
        text = str(domain).lstrip("= ")
        self._check_tree(place, self._compiled(place, f"={text}"), names.known)
        return [self._tabulate(key, place, self._compiled(place, f"=not ({text})"), names)]

    def _check_reason(self, key: Sequence[str], entry: Tree) -> None:
        if "claims" not in entry and "because" not in entry:
            hint = "add 'claims: [id]', or 'because: reason'"
            raise self.source.error(key, "a family needs a claim or a reason", hint)
        for index, claim in enumerate(entry.get("claims", ())):
            if claim not in self.data.get("claims", {}):
                hint = did_you_mean(claim, self.data.get("claims", {}))
                raise self.source.error([*key, "claims", index], f"unknown claim '{claim}'", hint)

    def _expectation(self, key: Sequence[str], entry: Tree) -> Expectation:
        if "expect" in entry:
            return Expectation(entry["expect"])
        if "check" not in entry:
            raise self.source.error(
                key, "the key 'expect' is missing", "expected a family with 'expect': what the document says"
            )
        return Expectation.EQUAL

    def _state(self, key: Sequence[str], entry: Tree) -> dict[str, Any]:
        """The layer's state map with what the family says differently."""
        state, changes = dict(self.data.get("state", {})), entry.get("state", {})
        for name, change in changes.items():
            if name not in state:
                hint = did_you_mean(name, state)
                raise self.source.error([*key, "state", name], f"unknown state '{name}'", hint)
            state[name] = {**state[name], **change}
        return state

    def _lanes(self, entry: Tree) -> tuple[Lane, ...]:
        # A layer with a tolerance table has no accumulation to keep exact.
        usual = [Lane.ROUNDING] if "tolerance" in self.data else list(Lane)
        if any("holds" in each for each in entry.get("tensors", {}).values()):
            usual = [Lane.EXACT]  # special values have no rounding that a bound could be derived for
        return tuple(Lane(lane) for lane in entry.get("lanes", usual))

    def _tensors(self, key: Sequence[str], entry: Tree, state: Tree) -> Any:
        """What is particular about some tensors' values, compiled."""
        for name, change in entry.get("tensors", {}).items():
            if name not in (known := {*self.data["inputs"], *state}):
                raise self.source.error([*key, "tensors", name], f"no tensor '{name}'", did_you_mean(name, known))
            if "holds" in change and entry.get("lanes", ["exact"]) != ["exact"]:
                hint = "leave 'lanes' out, or give 'lanes: [exact]'"
                raise self.source.error([*key, "lanes"], "special values have an exact lane only", hint)
        return self._compiled([*key, "tensors"], entry.get("tensors", {}))

    def _sweep(self, key: Sequence[str], entry: Tree) -> dict[str, tuple[Any, ...]]:
        sweep = {str(name): tuple(plain(value) for value in values) for name, values in entry.items()}
        for name, values in sweep.items():
            seen: set[str] = set()
            for index, value in enumerate(values):
                written = word(value)
                if written in seen:
                    raise self.source.error([*key, name, index], f"the value {written} stands twice in the sweep")
                seen.add(written)
        return sweep

    def _compiled(self, key: Sequence[str | int], tree: Any) -> Any:
        try:
            return compile_tree(tree)
        except ExpressionError as error:
            raise self.source.error([*key, *error.key], error.problem, error.hint) from None

    def _check_reserved(self, key: Sequence[str], entry: Tree) -> None:
        for place, part in ((key, "sweep"), (key, "values"), (key, "derive"), ([], "values"), ([], "derive")):
            for name in (entry if place else self.data).get(part, {}):
                if name in RESERVED:
                    problem = f"'{name}' means something else in expressions"
                    raise self.source.error([*place, part, name], problem, "choose another name")

    def _derive(self, key: Sequence[str], entry: Tree) -> dict[str, Any]:
        shared = self._compiled(["derive"], self.data.get("derive", {}))
        return {**shared, **self._compiled([*key, "derive"], entry.get("derive", {}))}

    def _derive_parts(self, key: Sequence[str], derive: Tree) -> list[Part]:
        own = self.data[key[0]][key[1]].get("derive", {})
        return [((*key, "derive", name) if name in own else ("derive", name), tree) for name, tree in derive.items()]

    def _check_derived(self, parts: Iterable[Part], known: set[str]) -> set[str]:
        for place, tree in parts:
            self._check_tree(place, tree, known)
            known = known | {str(place[-1])}
        return known

    def _check_tree(self, key: Sequence[str | int], tree: Any, known: set[str]) -> None:
        for inner, expression in expressions_in(tree):
            try:
                expression.check(known)
            except ExpressionError as error:
                raise self.source.error([*key, *inner], error.problem, error.hint) from None

    def _side(self, key: Sequence[str], framework: str, entry: Tree) -> SideSpec:
        change, place = entry.get(framework, {}), [*key, framework]
        state = self.data.get("state", {})
        for index, name in enumerate(change.get("lacks", ())):
            if name not in state:
                raise self.source.error([*place, "lacks", index], f"unknown state '{name}'", did_you_mean(name, state))
        return side_spec(self.source, framework, self.data[framework], change, place)

    def _exclusions(self, key: Sequence[str], entries: Sequence[Tree], names: _Names) -> tuple[Exclusion, ...]:
        found = []
        for index, entry in enumerate(entries):
            place: Sequence[str | int] = [*key, "exclude", index, "when"]
            expression = self._compiled(place, "=" + str(entry["when"]).lstrip("= "))
            self._check_tree(place, expression, names.known)
            left_out = self._tabulate(key, place, expression, names)
            if not left_out.values:
                raise self.source.error(place, "this exclusion excludes nothing", "remove it, or mend its condition")
            found.append(left_out)
        return tuple(found)

    def _tabulate(self, key: Sequence[str], place: Sequence[str | int], when: Expression, names: _Names) -> Exclusion:
        reached = reached_by(when.names, names.derive)
        needed = {name: tree for name, tree in names.derive.items() if name in reached}
        swept = [name for name in names.sweep if name in reached]
        try:
            return exclusion(names.sweep, swept, lambda row: when(derived(needed, {**names.fixed, **row})))
        except ExpressionError as error:
            raise self._failure(key, [(tuple(place), when), *self._derive_parts(key, names.derive)], error) from None

    def _failure(self, key: Sequence[str], parts: Iterable[Part], error: ExpressionError) -> CaseFileError:
        found = (((*place, *inner), each) for place, tree in parts for inner, each in expressions_in(tree))
        place = next((place for place, each in found if each is error.culprit), tuple(key))
        shared = "" if place[:2] == tuple(key) else f", in the family '{key[1]}'"
        return self.source.error(place, error.problem + shared, error.hint)

    def _parts(self, key: Sequence[str], family: Family) -> list[Part]:
        return [
            (("inputs",), family.inputs),
            (("state",), family.state),
            ((*key, "output_shape"), family.output_shape),
            ((*key, "distribution"), family.stated.distribution),
            ((*key, "tensors"), family.tensors),
            *(part for spec in family.sides.values() for part in spec.parts),
        ]

    def _check_names(self, key: Sequence[str], family: Family, parts: Iterable[Part], known: set[str]) -> None:
        for place, tree in parts:
            self._check_tree(place, tree, known)
        found = [expression for _, tree in parts for _, expression in expressions_in(tree)]
        used = reached_by((name for expression in found for name in expression.names), family.derive)
        for name in family.sweep:
            if name not in used and name != PARAMETER:
                raise self.source.error([*key, "sweep", name], f"nothing uses the swept name '{name}'")

    def _check_expansion(self, key: Sequence[str], family: Family, parts: Iterable[Part]) -> None:
        try:
            cases = family.cases()
        except ExpressionError as error:
            raise self._failure(key, [*parts, *self._derive_parts(key, family.derive)], error) from None
        for case in cases:
            check(self.source, key, case, self.ways)
        if not cases:
            raise self.source.error(key, "no combination is left", "its exclusions leave out everything")


def _plain_names(spec: SideSpec) -> set[str]:
    """The names that stand alone as an argument, and so get their value from a call."""
    arguments = spec.arguments[spec.layer].values()
    return {each.text for each in arguments if is_name(each)}
