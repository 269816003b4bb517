# What Flint is built from, found once for all layers. All of it is in Debian 12 (packaging/debian-packages.txt).
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(OpenSSL 3 REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(date 3 REQUIRED)
find_package(spdlog 1.10 REQUIRED)

# Of toml++ only the headers, so that nothing more has to be installed to run Flint.
find_path(FLINT_TOML_INCLUDE toml++/toml.h REQUIRED)

if(FLINT_TESTS)
  enable_testing()
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
