# What a build can choose, and the flags that every target shares.
option(FLINT_TESTS "Build the tests (needs GoogleTest and Python 3)" OFF)
option(FLINT_BENCH "Build the benchmarks (needs Google Benchmark)" OFF)
option(FLINT_PYTHON "Build the Python extension module (needs nanobind); pip does this, see pyproject.toml" OFF)
option(FLINT_FUZZ "Build the fuzz targets (needs clang)" OFF)
option(FLINT_WERROR "Warnings are errors" OFF)
option(BUILD_SHARED_LIBS "Make libflint-limiter a shared library instead of a static one" OFF)
set(FLINT_SANITIZE "" CACHE STRING "Sanitizers, as in -fsanitize= (address,undefined or thread)")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")

# Without this, programs are position independent only where the compiler happens to default to it.
include(CheckPIESupported)
check_pie_supported(LANGUAGES CXX)

find_program(FLINT_CCACHE ccache)
if(FLINT_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${FLINT_CCACHE}")
endif()

# The hardening flags are checked in the finished program by tests/binary.
add_library(flint_flags INTERFACE)
target_compile_options(flint_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual
  -fstack-protector-strong -fstack-clash-protection)
target_link_options(flint_flags INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
if(FLINT_WERROR)
  target_compile_options(flint_flags INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # Finds fault with operator+ of std::string itself at -O3 (GCC bug 105651).
  target_compile_options(flint_flags INTERFACE -Wno-restrict)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(flint_flags INTERFACE -Wthread-safety)
endif()
# Needs optimisation, and hides from the sanitizers what they would report better.
if(CMAKE_BUILD_TYPE MATCHES "Release|RelWithDebInfo" AND NOT FLINT_SANITIZE)
  target_compile_options(flint_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()

# These apply to every file, so that no object escapes the instrumentation.
if(FLINT_SANITIZE)
  add_compile_options(-fsanitize=${FLINT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${FLINT_SANITIZE})
  if(FLINT_SANITIZE MATCHES "undefined")
    # This check opens a pipe to look at an object: without descriptors, which tests bring about, no object is sound.
    add_compile_options(-fno-sanitize=vptr)
  endif()
endif()
if(FLINT_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
