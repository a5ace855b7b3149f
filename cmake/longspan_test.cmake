find_package(GTest REQUIRED)

add_library(longspan_test_support STATIC ${PROJECT_SOURCE_DIR}/tests/support/mpi_main.cpp)
target_link_libraries(longspan_test_support PUBLIC longspan_comm GTest::gtest GTest::gmock)
target_include_directories(longspan_test_support PUBLIC ${PROJECT_SOURCE_DIR}/tests)

set(LONGSPAN_MPIEXEC_FLAGS --oversubscribe CACHE STRING "Flags of mpiexec in tests; more ranks than cores are normal")

# Undefined behaviour would only be printed by itself; what MPI leaks is told by the libraries on the whole way to it, which
# the quick unwinder loses in them.
set(LONGSPAN_TEST_ENVIRONMENT OMP_NUM_THREADS=1 OMP_PROC_BIND=false)
if(LONGSPAN_SANITIZE)
  list(APPEND LONGSPAN_TEST_ENVIRONMENT UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 ASAN_OPTIONS=fast_unwind_on_malloc=0
       LSAN_OPTIONS=print_suppressions=0:suppressions=${PROJECT_SOURCE_DIR}/tests/support/leaks.supp)
endif()

# longspan_test(folder LINK library... [RANKS n...] [THREADS n]): tests/<folder>/*_test.cpp as one executable, run on each
# number of ranks, and once more on one rank with that many threads. A hang is the usual failure of a parallel test, hence
# the time limit.
function(longspan_test folder)
  cmake_parse_arguments(ARG "" "THREADS" "LINK;RANKS" ${ARGN})
  # The folder of a test holds *_test.cpp files and what they share.
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${folder}/*.cpp)
  if(NOT sources)
    return()
  endif()
  if(NOT ARG_RANKS)
    set(ARG_RANKS 1)
  endif()
  set(name ${folder}_test)
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE longspan_test_support ${ARG_LINK})
  foreach(ranks ${ARG_RANKS})
    set(test ${folder}.ranks_${ranks})
    if(ranks EQUAL 1)
      add_test(NAME ${test} COMMAND ${name})
    else()
      add_test(NAME ${test} COMMAND ${MPIEXEC_EXECUTABLE} ${LONGSPAN_MPIEXEC_FLAGS} ${MPIEXEC_NUMPROC_FLAG} ${ranks}
                                    $<TARGET_FILE:${name}>)
    endif()
    set_tests_properties(${test} PROPERTIES TIMEOUT 600 PROCESSORS 2 WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
      ENVIRONMENT "${LONGSPAN_TEST_ENVIRONMENT}")
  endforeach()
  if(ARG_THREADS)
    add_test(NAME ${folder}.threads_${ARG_THREADS} COMMAND ${name})
    set_tests_properties(${folder}.threads_${ARG_THREADS} PROPERTIES TIMEOUT 600 PROCESSORS 2
      WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
      ENVIRONMENT "${LONGSPAN_TEST_ENVIRONMENT};OMP_NUM_THREADS=${ARG_THREADS};OMP_WAIT_POLICY=passive")
  endif()
endfunction()
