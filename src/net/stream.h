#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "net/asio.h"

namespace flint::net {

/// The half of a connection that moves bytes: one socket, with its states of reading and writing. The derived class is
/// the other half, which knows what the bytes mean. Threads: that of its context.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  explicit Stream(Socket socket);
  virtual ~Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Called by its loop and the table of connections.

  /// Starts to serve. Called once, when its loop has it.
  virtual void start() = 0;
  /// Closes to make room for another connection, or reports that it is proven (ConnectionTable::stay).
  virtual void give_way() = 0;
  /// The client must prove itself again.
  virtual void doubt() = 0;
  /// Compares its deadlines with the loop's clock, which has advanced.
  virtual void enforce_deadlines() = 0;
  /// The loop is draining: closes if that loses no answer, otherwise after the next one.
  virtual void drain() = 0;
  /// The loop ends: answers what can still be answered, and closes.
  virtual void stop() = 0;

  void close();
  [[nodiscard]] bool is_open() const { return reading_ != Reading::kClosed; }

 protected:
  /// The state of reading. From kLingers on, everything that arrives is dropped.
  enum class Reading : std::uint8_t {
    /// Nothing is read: the client waits.
    kPaused,
    /// The next bytes go to the space that read() got.
    kAsked,
    kLingers,
    kClosed,
  };
  /// The state of writing.
  enum class Writing : std::uint8_t {
    kFree,
    /// The socket accepts no more: on_writable() is next.
    kFull,
    /// Nothing more is written.
    kShut,
  };
  [[nodiscard]] Reading reading() const { return reading_; }
  [[nodiscard]] Writing writing() const { return writing_; }

  /// Starts to read if the state is kPaused. `space` must stay valid until on_input() or on_end_of_input().
  void read(std::span<char> space);
  /// Requires kFree. Returns the number of bytes that the socket accepted. If it accepted none, the state is kFull, or
  /// the stream has failed and is closed.
  std::size_t write(std::string_view bytes);
  /// Closes and drops the kernel's buffer: a client that reads nothing must not hold that memory.
  void abort();
  /// Writes nothing more. Closes when the client has closed, or has sent too much that is dropped.
  void linger();

  enum class Client : std::uint8_t {
    kThere,
    /// Sends nothing more, but may still wait for an answer.
    kEnded,
    kGone,
  };
  [[nodiscard]] Client client();
  /// The client in words: `127.0.0.1:53412`, or `user 1000, process 4711` of a Unix socket.
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
  /// The number of bytes dropped since linger().
  std::size_t discarded_ = 0;
};

}  // namespace flint::net
