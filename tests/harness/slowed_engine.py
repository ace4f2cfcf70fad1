# The rest of an engine whose first lines set ENGINE, a real engine, and EXTRA_PPM: it hands all requests on, and asks
# for so many more iterations.
import subprocess
import sys

child = subprocess.Popen([ENGINE, *sys.argv[1:]], stdin=subprocess.PIPE, text=True)  # type: ignore[name-defined] # noqa: F821
assert child.stdin
for line in sys.stdin:
    request = line.rstrip("\n")
    if request.split(" ", 1)[0] == "run" and EXTRA_PPM:  # type: ignore[name-defined] # noqa: F821
        request += f" extra_ppm={EXTRA_PPM}"  # type: ignore[name-defined] # noqa: F821
    child.stdin.write(request + "\n")
    child.stdin.flush()
child.stdin.close()
sys.exit(child.wait())
