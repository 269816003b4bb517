#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// Files of a store as a fuzzer changes them.
namespace flint::fuzz {

/// Makes every checksum in a segment, a snapshot or a manifest (by its name) fit the bytes that it covers, as far as
/// the sizes in them lead on: what is checked behind the checksums is then reached. Other files stay as they are.
void mend_checksums(std::string_view name, std::string& content);

}  // namespace flint::fuzz
