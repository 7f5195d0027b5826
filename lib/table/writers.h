// The writers of each database type, for writer.cc. `replacement` is empty for a new table, or holds
// a copy of the current one when `has_content`.
#pragma once

#include <memory>

#include "lib/table/replacement.h"
#include "lib/table/writer.h"

namespace postrider::table {

using Made = Result<std::unique_ptr<Writer>>;

Made write_hash(Replacement replacement, bool has_content, const WriterOptions& options,
                const Context& context);
Made write_btree(Replacement replacement, bool has_content, const WriterOptions& options,
                 const Context& context);
Made write_lmdb(Replacement replacement, bool has_content, const WriterOptions& options,
                const Context& context);
Made write_cdb(Replacement replacement, bool has_content, const WriterOptions& options,
               const Context& context);

}  // namespace postrider::table
