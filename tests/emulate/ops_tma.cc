// ops_tma: to come.
#include "ptx.h"

namespace emu {

const std::vector<opcode> opcodes_tma = {
};

} // namespace emu
