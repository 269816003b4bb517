# flint_compile_fast(TARGET): for what only tests run. A cold build spends most of its time on them, and at -O1 they
# take half of the time that they take at -O2.
function(flint_compile_fast target)
  if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
    target_compile_options(${target} PRIVATE -O1)
  endif()
endfunction()

# flint_layer(NAME SOURCES a.cc ... [DEPENDS layer ...] [LIBRARIES target ...]
#             [TESTS a_test.cc ...] [TEST_LIBRARIES target ...])
#
# One static library flint_NAME for the folder NAME, so that including a layer that is not in DEPENDS does not link, and
# one test program NAME_tests from the tests that stand beside the code.
function(flint_layer name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS;LIBRARIES;TESTS;TEST_LIBRARIES" ${ARGN})
  add_library(flint_${name} STATIC ${arg_SOURCES})
  target_include_directories(flint_${name} PUBLIC "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
  list(TRANSFORM arg_DEPENDS PREPEND flint_)
  target_link_libraries(flint_${name} PUBLIC ${arg_DEPENDS} ${arg_LIBRARIES} PRIVATE flint_flags)

  if(FLINT_TESTS AND arg_TESTS)
    add_executable(${name}_tests ${arg_TESTS})
    flint_compile_fast(${name}_tests)
    target_link_libraries(${name}_tests PRIVATE
      flint_testing flint_${name} flint_flags ${arg_TEST_LIBRARIES} GTest::gmock GTest::gtest_main)
    gtest_discover_tests(${name}_tests TEST_PREFIX "${name}." DISCOVERY_TIMEOUT 60 NO_PRETTY_VALUES
                         PROPERTIES TIMEOUT 300)
  endif()
endfunction()
