# The git hash in the programs. Included by CMakeLists.txt it adds a build step that runs this same file as a script;
# the script writes version.cpp only where its content changes, so that a commit recompiles one small file.
if(CMAKE_SCRIPT_MODE_FILE)
  function(git output)
    execute_process(COMMAND git ${ARGN} WORKING_DIRECTORY ${SOURCE_DIR}
                    OUTPUT_VARIABLE text RESULT_VARIABLE failed ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(failed)
      set(text "unknown")
    endif()
    set(${output} "${text}" PARENT_SCOPE)
  endfunction()
  git(LONGSPAN_GIT_HASH rev-parse --short=12 --verify HEAD)
  git(changes --no-optional-locks status --porcelain --untracked-files=no)
  if(NOT LONGSPAN_GIT_HASH STREQUAL "unknown" AND NOT changes STREQUAL "")
    string(APPEND LONGSPAN_GIT_HASH "+")
  endif()
  configure_file(${SOURCE_DIR}/src/base/version.cpp.in ${OUTPUT} @ONLY)
  return()
endif()

set(LONGSPAN_VERSION_SOURCE ${PROJECT_BINARY_DIR}/generated/version.cpp)
add_custom_target(longspan_write_version
  COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${PROJECT_SOURCE_DIR} -DOUTPUT=${LONGSPAN_VERSION_SOURCE}
          -DLONGSPAN_VERSION=${PROJECT_VERSION} -P ${CMAKE_CURRENT_LIST_FILE}
  BYPRODUCTS ${LONGSPAN_VERSION_SOURCE})
target_sources(longspan_base PRIVATE ${LONGSPAN_VERSION_SOURCE})
add_dependencies(longspan_base longspan_write_version)
