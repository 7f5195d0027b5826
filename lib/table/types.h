// The constructor of every table type; table.cc holds the list. Private to lib/table and its tests.
#pragma once

#include <memory>
#include <string>

#include "lib/table/table.h"

namespace postrider::table {

using Opened = Result<std::unique_ptr<Table>>;

// `name` is what follows "type:".
Opened open_hash(const std::string& name, const Context& context);
Opened open_btree(const std::string& name, const Context& context);
Opened open_lmdb(const std::string& name, const Context& context);
Opened open_cdb(const std::string& name, const Context& context);
Opened open_texthash(const std::string& name, const Context& context);
Opened open_inline(const std::string& name, const Context& context);
Opened open_static(const std::string& name, const Context& context);
Opened open_regexp(const std::string& name, const Context& context);
Opened open_pcre(const std::string& name, const Context& context);
Opened open_cidr(const std::string& name, const Context& context);
Opened open_unionmap(const std::string& name, const Context& context);
Opened open_pipemap(const std::string& name, const Context& context);
Opened open_randmap(const std::string& name, const Context& context);
Opened open_unix(const std::string& name, const Context& context);
Opened open_environ(const std::string& name, const Context& context);
Opened open_fail(const std::string& name, const Context& context);

}  // namespace postrider::table
