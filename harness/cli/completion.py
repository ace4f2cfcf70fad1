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
    shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(help="Whose script to print.")],
    /,
    *,
    debug: DebugOption = False,
) -> None:
    """Print the script that completes commands and options in a shell."""
    from .main import app as whole

    print(whole.generate_completion(shell=shell))
