// What the binary can be: an engine, the launcher of any engine, or the holder of the machine's lock.
#pragma once

namespace bnn {

// Arguments without the program's name and the role. The result is the exit status.
int serve(int count, char** arguments);
int launch(int count, char** arguments);
int hold_lock(int count, char** arguments);

}  // namespace bnn
