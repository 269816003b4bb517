#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "net/asio.h"

namespace flint::net {

/// The half of a connection that moves bytes: one socket, and where it stands in reading and in writing. What the bytes
/// mean is the other half's, which derives from it. Threads: that of its context.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  explicit Stream(Socket socket);
  virtual ~Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // What its loop and the table of connections ask of it.

  /// Serves from now on: its loop has it. Once.
  virtual void start() = 0;
  /// Makes room for another connection, or says why it does not have to.
  virtual void give_way() = 0;
  /// What the client has proven is to be proven again.
  virtual void doubt() = 0;
  /// Looks at the loop's clock, which has advanced.
  virtual void enforce_deadlines() = 0;
  /// The loop is draining: closes if that loses no answer, else after the next one.
  virtual void drain() = 0;
  /// The loop ends: tells the client what it can still be told, and closes.
  virtual void stop() = 0;

  void close();
  [[nodiscard]] bool is_open() const { return reading_ != Reading::kClosed; }

 protected:
  /// Where it stands in reading. From kLingers on, nothing that comes is of interest.
  enum class Reading : std::uint8_t {
    /// Nothing is asked of the socket: the client waits.
    kPaused,
    /// The next bytes go where read() said.
    kAsked,
    kLingers,
    kClosed,
  };
  /// Where it stands in writing.
  enum class Writing : std::uint8_t {
    kFree,
    /// The socket takes no more: on_writable() is next.
    kFull,
    /// Nothing is written any more.
    kShut,
  };
  [[nodiscard]] Reading reading() const { return reading_; }
  [[nodiscard]] Writing writing() const { return writing_; }

  /// From kPaused; nothing happens otherwise. `space` stays as it is until on_input() or on_end_of_input().
  void read(std::span<char> space);
  /// When kFree: the number of bytes that the socket took. It is kFull when it took none, unless it has failed and is
  /// closed.
  std::size_t write(std::string_view bytes);
  /// Closes without waiting for what is in the kernel's buffer: a client that takes nothing shall not hold that memory.
  void abort();
  /// Nothing more is written. Closes when the client has, or has sent too much of what nobody reads any more.
  void linger();

  enum class Client : std::uint8_t {
    kThere,
    /// Sends nothing more. It may still wait for an answer.
    kEnded,
    kGone,
  };
  [[nodiscard]] Client client();
  /// Who the client is, for people: `127.0.0.1:53412`, or `user 1000, process 4711` of a Unix socket.
  [[nodiscard]] std::string client_name();

 private:
  virtual void on_input(std::size_t count) = 0;
  virtual void on_end_of_input() = 0;
  virtual void on_writable() = 0;
  /// Once.
  virtual void on_close() = 0;

  void on_read(error_code error, std::size_t count);
  void await_writable();
  void discard();

  Socket socket_;
  Reading reading_ = Reading::kPaused;
  Writing writing_ = Writing::kFree;
  /// What was read and forgotten since linger().
  std::size_t discarded_ = 0;
};

}  // namespace flint::net
