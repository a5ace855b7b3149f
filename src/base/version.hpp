// What this program is: the release and the commit that it was built from.
#pragma once

namespace longspan {

const char* version();   // "0.1.0"
const char* git_hash();  // twelve digits, with "+" behind them where tracked files were changed; "unknown" without git

}  // namespace longspan
