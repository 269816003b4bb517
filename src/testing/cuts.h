#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

namespace flint::testing {

/// The pieces in which the bytes of a test are sent: the answers never depend on them.
using Cut = std::function<std::vector<std::string>(const std::string&)>;

inline std::vector<std::string> whole(const std::string& request) { return {request}; }

inline std::vector<std::string> byte_by_byte(const std::string& request) {
  std::vector<std::string> pieces;
  // A long row has its interesting places at its ends: its middle goes in larger pieces.
  constexpr std::size_t kEnd = 300;
  for (std::size_t at = 0; at < request.size();) {
    const bool middle = at >= kEnd && request.size() - at > kEnd;
    const std::size_t size = middle ? std::min<std::size_t>(1000, request.size() - at - kEnd) : 1;
    pieces.push_back(request.substr(at, size));
    at += size;
  }
  return pieces;
}

inline std::vector<std::string> at_line_ends(const std::string& request) {
  std::vector<std::string> pieces;
  for (std::size_t at = 0; at < request.size();) {
    const std::size_t end = std::min(request.find('\n', at), request.size() - 1) + 1;
    pieces.push_back(request.substr(at, end - at));
    at = end;
  }
  return pieces;
}

}  // namespace flint::testing
