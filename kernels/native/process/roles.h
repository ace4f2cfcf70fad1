// What the binary can be: an engine, the launcher of any engine, the holder of the machine's lock, or the clock of a
// program's start.
#pragma once

namespace bnn {

// Arguments without the program's name and the role. The result is the exit status.
int serve(int count, char** arguments);
int launch(int count, char** arguments);
int hold_lock(int count, char** arguments);
int time_start(int count, char** arguments);

}  // namespace bnn
