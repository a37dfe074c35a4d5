"""Groups of commands: each is imported when it is called, so that `laa --help` answers at once, and has three examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperGroup

from ..errors import Exit


class LazyCommand(NamedTuple):
    """A command before it is imported: a module of `commands` that has a function, or a group, and EXAMPLES by its name."""

    module: str
    help: str

    def load(self, name: str) -> Any:
        """Imports it."""
        module = import_module(f".{self.module}", __package__)
        found = getattr(module, name)
        if not isinstance(found, typer.Typer):
            function, found = found, typer.Typer(add_completion=False, rich_markup_mode=None)
            found.command(name, epilog=module.EXAMPLES[name])(function)
        command = typer.main.get_command(found)
        command.name, command.help = name, self.help
        return command


class LazyCommands(Mapping[str, Any]):
    """Commands that are imported when they are asked for."""

    def __init__(self, commands: dict[str, LazyCommand]) -> None:
        self.commands = commands

    def __getitem__(self, name: str) -> Any:
        return self.commands[name].load(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.commands)

    def __len__(self) -> int:
        return len(self.commands)


class CommandGroup(TyperGroup):
    """A group that lists its commands with their whole help, and shows that where no command is named."""

    lazy: ClassVar[dict[str, LazyCommand]] = {}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        if self.lazy:
            self.commands = LazyCommands(self.lazy)  # type: ignore[assignment]

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        commands = self.lazy or self.commands
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help) for name, command in commands.items()])

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            typer.echo(ctx.get_help(), err=True)
            raise typer.Exit(Exit.USAGE)
        return super().parse_args(ctx, args)


def examples(*lines: str) -> str:
    """Formats the examples at the end of a command's help: "laa ... # what it does", set in columns where that fits."""
    parts = [line.partition(" # ") for line in lines]
    width = max((len(command) for command, comment, _ in parts if comment), default=0)
    return "\n".join(["\b", "Examples:", *(f"  {a:{width}}  # {b}" if comment else f"  {a}" for a, comment, b in parts)])


def usage_message(error: typer.TyperException, command_path: str) -> str:
    """Says in laa's way what typer found wrong with the command line. `command_path`: "laa upscale", where it is not known."""
    context = getattr(error, "ctx", None)
    text = error.format_message().replace("Value error, ", "").rstrip(".")
    return f"{text[:1].lower()}{text[1:]}: see {context.command_path if context else command_path} --help"
