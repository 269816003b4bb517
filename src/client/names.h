#pragma once

#include <string_view>

namespace flint::client {

/// What whoever uses a connection knows its parameters as, for the advice in messages. Static storage.
struct Names {
  std::string_view server = "the server's URL";
  /// Follows "ask for less".
  std::string_view fewer = "";
  std::string_view ca = "ca_file";
  std::string_view cert = "cert_file and key_file";
};

}  // namespace flint::client
