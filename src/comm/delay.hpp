// A network slower than this machine's, for measurements of how much of it hides behind computation: every message and
// collective starts `seconds` after it was asked for, so that none arrives earlier than that. Starts keep their order.
// One that is due happens inside progress(), Request::test() or a wait, as it would with a library that moves nothing
// by itself; a blocking collective waits for all of them and then for its own delay.
#pragma once

namespace longspan {

// The same on all ranks; no message may be under way.
void set_message_delay(double seconds);
double message_delay();

}  // namespace longspan
