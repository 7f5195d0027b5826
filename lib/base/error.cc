#include "lib/base/error.h"

#include <cstring>

namespace postrider {

Error Error::from_errno(int os_error, std::string_view what) {
  Trouble trouble = Trouble::temporary;
  switch (os_error) {
    case ENOSPC:
    case EDQUOT: trouble = Trouble::no_space; break;
    case ENOENT: trouble = Trouble::not_found; break;
    case EACCES:
    case EPERM:
    case ELOOP: trouble = Trouble::access; break;
    default: break;
  }
  char buffer[128];
  const char* reason = strerror_r(os_error, buffer, sizeof buffer);
  std::string text(what);
  text += ": ";
  text += reason;
  return Error(trouble, std::move(text), os_error);
}

Error Error::within(std::string_view context) const {
  std::string text(context);
  text += ": ";
  text += text_;
  return Error(trouble_, std::move(text), os_error_);
}

}  // namespace postrider
