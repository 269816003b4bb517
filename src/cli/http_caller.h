#pragma once

#include <memory>

#include "cli/caller.h"
#include "client/connection.h"
#include "client/endpoint.h"

namespace flint::cli {

using client::Endpoint;
using client::parse_server_url;
using client::unix_endpoint;
using HttpOptions = client::ConnectionOptions;

/// What the command's messages call the parameters of a connection.
inline constexpr client::Names kOptionNames{.server = "--server and FLINT_SERVER",
                                            .fewer = " with --limit",
                                            .ca = "--ca or FLINT_SERVER_CA",
                                            .cert = "--cert and --key"};

/// Connects to a server, and fails as client::Connector::connect() does.
Result<std::unique_ptr<Caller>> connect_http(const Endpoint& endpoint, const HttpOptions& options);

}  // namespace flint::cli
