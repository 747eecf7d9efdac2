// ops_wgmma: to come.
#include "ptx.h"

namespace emu {

const std::vector<opcode> opcodes_wgmma = {
};

} // namespace emu
