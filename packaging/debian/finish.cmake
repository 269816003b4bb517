# Run by CPack between installing the files and packing them: what Debian asks of a package, and of no other
# installation. Each component stands in a folder of its own.
function(compress file)
  execute_process(COMMAND gzip --best --no-name --force "${file}" COMMAND_ERROR_IS_FATAL ANY)
endfunction()

foreach(component IN LISTS CPACK_COMPONENTS_ALL)
  string(TOUPPER "${component}" upper)
  set(package "${CPACK_DEBIAN_${upper}_PACKAGE_NAME}")
  set(share "${CPACK_TEMPORARY_DIRECTORY}/${component}/usr/share")

  # The command's documents say LICENSE, as the others do who install them.
  file(REMOVE "${share}/doc/${package}/LICENSE")
  configure_file("${CMAKE_CURRENT_LIST_DIR}/copyright" "${share}/doc/${package}/copyright" COPYONLY)
  configure_file("${CMAKE_CURRENT_LIST_DIR}/../../CHANGELOG.md" "${share}/doc/${package}/changelog" COPYONLY)
  file(REMOVE "${share}/doc/${package}/CHANGELOG.md")
  compress("${share}/doc/${package}/changelog")

  file(GLOB pages "${share}/man/man*/*.[0-9]")
  foreach(page IN LISTS pages)
    compress("${page}")
  endforeach()
  # CPack strips programs only.
  file(GLOB_RECURSE archives "${CPACK_TEMPORARY_DIRECTORY}/${component}/usr/lib/*.a")
  foreach(archive IN LISTS archives)
    execute_process(COMMAND strip --strip-debug --enable-deterministic-archives "${archive}" COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
  # Where Debian's zsh looks.
  if(EXISTS "${share}/zsh/site-functions")
    file(RENAME "${share}/zsh/site-functions" "${share}/zsh/vendor-completions")
  endif()
endforeach()
