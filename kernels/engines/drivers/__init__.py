"""Programs that run inside another runtime's Python and speak the engine protocol there; they import no bnnbench."""
