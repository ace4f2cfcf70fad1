"""`bnnbench completion`, and the option that installs it."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Parameter

from .options import DebugOption

EXAMPLES = """Examples:
  bnnbench --install-completion                 # for your own shell, once
  source <(bnnbench completion bash)            # for this session
  bnnbench completion zsh > ~/.zfunc/_bnnbench
  bnnbench completion fish > ~/.config/fish/completions/bnnbench.fish"""
INSTALL = "--install-completion"


def add_completion(app: App) -> None:
    """Gives the whole command line `completion`, and the option that installs it."""

    @app.command(help_epilogue=EXAMPLES)
    def completion(
        shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(help="Shell to complete in.")],
        /,
        *,
        debug: DebugOption = False,
    ) -> None:
        """Print a shell's completion script."""
        print(app.generate_completion(shell=shell))

    app.register_install_completion_command(INSTALL, help="Install completion for your shell.")
