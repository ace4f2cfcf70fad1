"""`bnnbench completion`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Parameter

from .options import DebugOption

EXAMPLES = """Examples:
  bnnbench --install-completion                 # for your own shell, once
  source <(bnnbench completion bash)            # for this session
  bnnbench completion zsh > ~/.zfunc/_bnnbench
  bnnbench completion fish > ~/.config/fish/completions/bnnbench.fish"""

app = App(name="completion", help_epilogue=EXAMPLES)


@app.default
def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(help="Shell to complete in.")],
    /,
    *,
    debug: DebugOption = False,
) -> None:
    """Print a shell's completion script."""
    from .main import app as whole

    print(whole.generate_completion(shell=shell))
