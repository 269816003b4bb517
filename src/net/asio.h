#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>

/// The parts of Asio that the server uses, with its one executor spelled out: the type-erased default costs allocations
/// and indirect calls. Asio itself is compiled once, in asio.cc.
namespace flint::net {

namespace asio = boost::asio;
using boost::system::error_code;

using IoContext = asio::io_context;
/// TCP and Unix sockets alike.
using Socket = asio::basic_stream_socket<asio::generic::stream_protocol, IoContext::executor_type>;
using SteadyClock = std::chrono::steady_clock;
using Timer = asio::basic_waitable_timer<SteadyClock, asio::wait_traits<SteadyClock>, IoContext::executor_type>;

}  // namespace flint::net
