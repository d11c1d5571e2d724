"""Workload name -> its parameters and its function, which is imported late.

Nothing here imports torch, scikit-learn or the user's module: a plan of 100,000 trials is checked
on a login node that may have none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import import_module
from operator import attrgetter
from typing import Any, Literal, get_args, get_origin

import msgspec

from jobs import command, custom, importing
from jobs.errors import BadParameters, UnknownWorkload, nearest
from jobs.hardware import Hardware
from jobs.spec import NotPlain, plain

Problems = Callable[[Any, Hardware], list[str]]
Collapse = Callable[[Any, Hardware], tuple[Any, list[str]]]
StandsFor = Callable[[Any, Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Workload:
    """What can be asked of a workload before, and when, it runs."""

    name: str
    """As the grid spells it."""
    params: type[msgspec.Struct]
    """A frozen msgspec struct of the named parameters."""
    function: str
    """``module:function``, imported by ``load``."""
    check: Problems
    """(params, the target's hardware) -> what is wrong with values that cannot act together."""
    collapse: Collapse
    """(params, the target's hardware) -> the params with every parameter that cannot act set to its
    default, and one note for each, "name: why"."""
    defaults_are_frozen: bool = True
    """The defaults are ours and never change, so a spec leaves them out. A user's own change as
    they please: a spec writes them out, so that a new default is a new trial and never an old
    result."""
    accepts_any: bool = False
    """Parameters that ``params`` does not name are taken too (``**kwargs``)."""
    reserved: Mapping[str, str] = field(default_factory=dict)
    """Names that no parameter may have, with the reason."""
    import_path: tuple[str, ...] = ()
    """Folders of the user's modules, see ``jobs.importing``."""
    takes: frozenset[str] | None = None
    """Which of ``context`` and ``seed`` the user's function has parameters for; None where only the
    function itself can tell."""
    judged_alone: frozenset[str] = frozenset()
    """Parameters whose values ``check`` judges whatever the others are."""
    stands_for: StandsFor = lambda _params, _record: {}
    """(params, a record's columns) -> what null and auto stood for there, by parameter."""

    @property
    def is_custom(self) -> bool:
        """Return whether this is the user's own function or command."""
        return not self.defaults_are_frozen

    @property
    def is_command(self) -> bool:
        """Return whether this is a command line."""
        return self.name.startswith(command.PROMPT)

    def load(self) -> Callable[..., Any]:
        """Return the function itself; imports its module, so anything the module raises comes out
        of here."""
        if self.is_command:
            return partial(command.run, command.read(self.name, self.import_path))
        importing.add_to_path(self.import_path)
        module, _, function = self.function.partition(":")
        loaded: Callable[..., Any] = getattr(import_module(module), function)
        return loaded

    def read(self, raw: Mapping[str, Any]) -> msgspec.Struct:
        """Return the parameters as a typed struct.

        Raises:
            BadParameters: All problems at once: unknown, missing, of the wrong type or outside
                their range.
        """
        struct = self._struct_for(raw)
        try:
            return msgspec.convert({key: plain(value) for key, value in raw.items()}, struct)
        except (msgspec.ValidationError, NotPlain, UnicodeError):
            raise BadParameters(self.name, tuple(self._problems(raw, struct))) from None

    def canonical(self, params: msgspec.Struct) -> dict[str, Any]:
        """Return the parameters as a spec holds them: plain, sorted, and without those left at a
        frozen default."""
        names, values, defaults = _fields_of(type(params))
        canonical = {}
        for name, value, default in zip(names, values(params), defaults, strict=True):
            if value is msgspec.UNSET or (
                self.defaults_are_frozen and (value is default or _same(value, default))
            ):
                continue
            canonical[name] = plain(value)
        return canonical

    def written_out(self, params: msgspec.Struct) -> dict[str, Any]:
        """Return every parameter, defaults too: what the record says about the trial."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self.values(params).items()
        }

    def fault_of(self, name: str, value: Any) -> str | None:
        """Return what is wrong with a value of one of the parameters that are judged alone; None if
        nothing, or if others decide."""
        if name not in self.judged_alone:
            return None
        faults = self.check(self.params(**{name: value}), Hardware(gpu=True))
        return next(
            (fault.removeprefix(f"{name}: ") for fault in faults if fault.startswith(f"{name}: ")),
            None,
        )

    def names(self) -> tuple[str, ...]:
        """Return the parameters it knows, for messages and for completion."""
        return tuple(sorted(custom.fields_of(self.params)))

    def values(self, params: msgspec.Struct) -> dict[str, Any]:
        """Return every parameter by its name, with the value that the function is called with;
        without those left to it."""
        names, values, _ = _fields_of(type(params))
        return {
            name: value
            for name, value in zip(names, values(params), strict=True)
            if value is not msgspec.UNSET
        }

    def _struct_for(self, raw: Mapping[str, Any]) -> type[msgspec.Struct]:
        if not self.accepts_any:
            return self.params
        extra = {
            name
            for name in raw.keys() - custom.fields_of(self.params).keys() - self.reserved.keys()
            if not custom.unusable(name)
        }
        return custom.widened(self.params, frozenset(extra)) if extra else self.params

    def _problems(
        self, raw: Mapping[str, Any], struct: type[msgspec.Struct]
    ) -> list[tuple[str, str]]:
        problems = []
        fields = custom.fields_of(struct)
        for key, value in raw.items():
            if key in self.reserved:
                problems.append((key, self.reserved[key]))
            elif self.accepts_any and (reason := custom.unusable(key)):
                problems.append((key, reason))
            elif key not in fields:
                known = self.names()
                problems.append(
                    (
                        key,
                        f"is not a parameter of '{self.name}'{nearest(key, known)}: it has "
                        f"{', '.join(known)}",
                    )
                )
            else:
                try:
                    msgspec.convert(plain(value), fields[key].type)
                except NotPlain as error:
                    problems.append((key, str(error)))
                except msgspec.ValidationError as error:
                    problems.append((key, _explain(str(error), value, fields[key].type)))
        missing = (name for name, info in fields.items() if info.required and name not in raw)
        problems += [(name, "has no default, so the grid must give it") for name in missing]
        return problems


def is_custom(name: str) -> bool:
    """Return whether the user's own function or command computes the workload, whose parameters
    mean what the user likes."""
    return ":" in name or name.startswith(command.PROMPT)


@cache
def defaults_of(name: str) -> Mapping[str, Any]:
    """Return every parameter of a built-in workload with its default."""
    return msgspec.structs.asdict(workload(name).params())


def dataset_of(name: str, params: Mapping[str, Any]) -> str | None:
    """Return the dataset that a trial of a built-in workload reads; None for the user's own, of
    whose data nothing is known."""
    if is_custom(name):
        return None
    dataset: str | None = params.get("dataset", defaults_of(name).get("dataset"))
    return dataset


@cache
def workload(name: str, import_path: tuple[str, ...] = ()) -> Workload:
    """Return the workload of that name.

    Args:
        name: ``train``, ``svm``, ``package.module:function`` or ``$ command line``.
        import_path: Folders of the user's modules, see ``jobs.importing``.

    Raises:
        UnknownWorkload: Neither a built-in name nor of that form.
        BadWorkload: The user's module or function cannot be found, or cannot be a workload.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]()
    if name.startswith(command.PROMPT):
        return _command(name, import_path)
    if not is_custom(name):
        raise UnknownWorkload(name, tuple(BUILT_IN))
    signature = custom.read(name, import_path)
    return Workload(
        name=name,
        params=signature.params,
        function=name,
        # The user's function gets a checkpoint folder and stop_requested(); whether it uses them it
        # says by StopRequested.
        check=lambda _params, _there: [],
        collapse=lambda params, _there: (params, []),
        defaults_are_frozen=False,
        accepts_any=signature.accepts_any,
        reserved=custom.RESERVED_PARAMETERS,
        import_path=import_path,
        takes=signature.takes,
    )


def _command(name: str, import_path: tuple[str, ...]) -> Workload:
    return Workload(
        name=name,
        params=custom.struct_of(command.read(name, import_path).parameters),
        function="jobs.command:run",
        # it has a checkpoint folder and is told to stop; it says by ending without results that it
        # did
        check=lambda _params, _there: [],
        collapse=lambda params, _there: (params, []),
        defaults_are_frozen=False,
        reserved=custom.RESERVED_PARAMETERS,
        import_path=import_path,
        takes=frozenset({"context"}),
    )


def _train() -> Workload:
    from jobs.training import params
    from jobs.training.stands import stands_for

    return Workload(
        "train",
        params.TrainParams,
        "jobs.training.workload:run",
        params.problems,
        params.collapse,
        judged_alone=frozenset({"dataset", "split", "model"}),
        stands_for=stands_for,
    )


def _svm() -> Workload:
    from jobs.svm import workload as svm

    return Workload(
        "svm",
        svm.SvmParams,
        "jobs.svm.workload:run",
        svm.problems,
        svm.collapse,
        judged_alone=frozenset({"dataset", "split"}),
        stands_for=svm.stands_for,
    )


BUILT_IN: dict[str, Callable[[], Workload]] = {"train": _train, "svm": _svm}


@cache
def _fields_of(
    struct: type[msgspec.Struct],
) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]], tuple[Any, ...]]:
    """Names in order, what takes their values from a struct, and their defaults; UNSET stands for
    no default."""
    fields = custom.fields_of(struct)
    names = tuple(sorted(fields))
    defaults = [
        fields[name].default
        if fields[name].default_factory is msgspec.NODEFAULT
        else fields[name].default_factory()
        for name in names
    ]
    getter = _getter(tuple(fields[name].name for name in names))
    return (
        names,
        getter,
        tuple(msgspec.UNSET if default is msgspec.NODEFAULT else default for default in defaults),
    )


def _getter(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda params: tuple(
        getattr(params, name) for name in names
    )  # attrgetter gives no tuple for one name


def _same(value: Any, default: Any) -> bool:
    """Equal, and not merely as True equals 1."""
    return bool(value == default) and isinstance(value, bool) == isinstance(default, bool)


def _explain(message: str, value: Any, kind: Any) -> str:
    """msgspec's message in a person's words, with the choices where there are some."""
    if not message.startswith(("Invalid enum value", "Expected `")):
        return f"{message} (given: {value!r})"
    choices = [repr(choice) for choice in _choices(kind)]
    number = _takes_number(kind)
    if message.startswith("Invalid enum value") and choices:
        return f"is {value!r}, but must be {', '.join(choices)}{' or a number' if number else ''}"
    return f"is {value!r}, but must be {message.removeprefix('Expected ')}".replace(
        "`", ""
    ).partition(" - at ")[0]


def _choices(kind: Any) -> tuple[Any, ...]:
    """The values of every Literal inside the type."""
    inner = get_args(kind)
    return (
        inner
        if get_origin(kind) is Literal
        else tuple(choice for part in inner for choice in _choices(part))
    )


def _takes_number(kind: Any) -> bool:
    return kind in (int, float) or (
        get_origin(kind) is not Literal and any(_takes_number(part) for part in get_args(kind))
    )
