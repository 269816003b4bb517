#pragma once

#include <algorithm>
#include <array>
#include <initializer_list>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/coding.h"
#include "limiter/event_codec.h"

/// Payloads of records of the limiter, written by it or by hand.
namespace flint::testing {

inline constexpr limiter::Moment kAt{.time = Time(Nanos(1'795'458'122'123'456'789)),
                                     .wall = WallTime(Nanos(1'795'458'122'123'456'789))};

using Payload = std::vector<std::byte>;

/// One after the other, as limiter::EventWriter wants them.
inline Payload encode(const limiter::LogEvent& event) {
  limiter::EventWriter writer =
      event.part ? limiter::EventWriter(event.type, event.at, *event.part) : limiter::EventWriter(event.type, event.at);
  if (event.request) writer.once(*event.request);
  for (const limiter::KeyEvent& item : event.items) {
    if (event.type == limiter::EventType::kConfigured) writer.configured(item, event.key, event.limit, event.mode);
    if (event.type == limiter::EventType::kModeChanged) writer.mode_changed(item, event.limit, event.mode);
    if (event.type == limiter::EventType::kAllowed) writer.allowed(item);
    if (event.type == limiter::EventType::kReset) writer.reset(item);
    if (event.type == limiter::EventType::kDenied || event.type == limiter::EventType::kWouldDeny) writer.denied(item);
  }
  if (event.type == limiter::EventType::kClock) writer.clock(event.boot);
  if (event.type == limiter::EventType::kPattern) writer.pattern(event.pattern);
  for (const limiter::ForgottenKey& key : event.forgotten) writer.forgotten(key);
  return {writer.written().begin(), writer.written().end()};
}

inline bool decode(limiter::EventType type, std::span<const std::byte> payload, limiter::LogEvent& event) {
  return limiter::decode_event({.kind = static_cast<storage::RecordKind>(type), .seq = 1, .payload = payload}, event);
}

/// From memory of exactly that size, so that a sanitizer sees a read beyond it.
inline bool decodes(limiter::EventType type, const Payload& payload) {
  const auto exact = std::make_unique<std::byte[]>(payload.size());
  std::copy(payload.begin(), payload.end(), exact.get());
  limiter::LogEvent event;
  return decode(type, {exact.get(), payload.size()}, event);
}

inline Payload joined(std::initializer_list<Payload> parts) {
  Payload all;
  for (const Payload& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}
inline Payload varint(std::uint64_t value) {
  std::array<std::byte, base::kMaxVarintBytes> buffer;
  base::Writer out(buffer);
  out.varint(value);
  return {out.written().begin(), out.written().end()};
}
inline Payload moment(std::int64_t time, std::int64_t offset_ms = 0) {
  Payload fixed(8);
  base::store_fixed(fixed.data(), time);
  return joined({fixed, varint(base::zigzag(offset_ms))});
}
inline Payload text(std::string_view value) {
  Payload bytes = varint(value.size());
  for (const char c : value) bytes.push_back(static_cast<std::byte>(c));
  return bytes;
}
inline Payload head(std::uint64_t id, Algorithm algorithm = Algorithm::kTokenBucket, bool denials = false) {
  return varint(id << 3 | (denials ? 4U : 0U) | static_cast<unsigned>(algorithm));
}

}  // namespace flint::testing
