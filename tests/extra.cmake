# Known answers in the tree must be what the reference scripts print today.
find_program(VS_PYTHON NAMES python3)
if(VS_PYTHON)
  add_test(NAME mpc.vectors COMMAND sh -c
    "'${VS_PYTHON}' '${PROJECT_SOURCE_DIR}/tests/reference/mpc_vectors.py' | cmp - '${PROJECT_SOURCE_DIR}/tests/mpc/vectors.h'")
  add_test(NAME fl.noise_vectors COMMAND sh -c
    "'${VS_PYTHON}' '${PROJECT_SOURCE_DIR}/tests/fl/noise_vectors.py' | cmp - '${PROJECT_SOURCE_DIR}/tests/fl/noise_vectors.h'")
endif()

# The program as a user runs it by hand: real daemons on loopback, real kills (tests/cli/by_hand.py).
if(VS_PYTHON)
  add_test(NAME cli.by_hand COMMAND ${VS_PYTHON} -B ${PROJECT_SOURCE_DIR}/tests/cli/by_hand.py $<TARGET_FILE:veilsum>)
  add_test(NAME cli.state COMMAND ${VS_PYTHON} -B ${PROJECT_SOURCE_DIR}/tests/cli/state.py $<TARGET_FILE:veilsum>)
  set_tests_properties(cli.by_hand cli.state PROPERTIES TIMEOUT 900 RUN_SERIAL ON) # free ports are found by looking
endif()

# A round while hundreds of bad connections hang on every daemon; a short run of many clients.
if(VS_PYTHON)
  add_test(NAME cli.hostile COMMAND ${VS_PYTHON} -B ${PROJECT_SOURCE_DIR}/tests/cli/hostile.py $<TARGET_FILE:veilsum>)
  set_tests_properties(cli.hostile PROPERTIES TIMEOUT 600 RUN_SERIAL ON)
endif()
if(TARGET veilsum)
  add_test(NAME cli.load_50_clients COMMAND veilsum load --clients 50 --len 10000 --parallel 16)
  set_tests_properties(cli.load_50_clients PROPERTIES TIMEOUT 600 RUN_SERIAL ON
    FAIL_REGULAR_EXPRESSION "LeakSanitizer;runtime error:"
    ENVIRONMENT "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/lsan.supp:print_suppressions=0")
endif()

# Test vectors (docs/VECTORS.md), both ways between the program and the Python reference, and every
# member changed once.
if(VS_PYTHON AND TARGET veilsum)
  set(vectors_py "${VS_PYTHON}" -B "${PROJECT_SOURCE_DIR}/tests/reference/vectors.py")
  set(vectors_dir "${PROJECT_SOURCE_DIR}/tests/vectors")
  add_test(NAME vectors.files COMMAND ${vectors_py} files "${vectors_dir}")
  add_test(NAME vectors.program COMMAND ${vectors_py} program $<TARGET_FILE:veilsum> "${vectors_dir}")
  add_test(NAME vectors.check COMMAND ${vectors_py} check $<TARGET_FILE:veilsum>)
  add_test(NAME vectors.tamper COMMAND ${vectors_py} tamper $<TARGET_FILE:veilsum> "${vectors_dir}")
  add_test(NAME vectors.committed COMMAND sh -c
    "$<TARGET_FILE:veilsum> vectors check '${vectors_dir}'/*.json")
  set(pipe_from "$<TARGET_FILE:veilsum> vectors generate --n 5 --t 1 --k 2 --len 20 --bits 8 --max-clients 10 --seed 00ff")
  set(pipe_to "$<TARGET_FILE:veilsum> vectors check --seed 00ff -")
  add_test(NAME vectors.pipe COMMAND sh -c
    "${pipe_from} | ${pipe_to} && ${pipe_from} | sed 's/\"slots\": /&1/' | ${pipe_to} 2>&1 | grep -- '-: slots: '")
  set_tests_properties(vectors.pipe vectors.files vectors.program vectors.check vectors.tamper vectors.committed
    PROPERTIES TIMEOUT 600 FAIL_REGULAR_EXPRESSION "LeakSanitizer;runtime error:")
endif()

# What is built on the kernels, once more on each instruction set below the machine's best.
foreach(isa portable avx2)
  foreach(name sharing share_stream proof pack prg field locate)
    if(TARGET test_mpc_${name})
      add_test(NAME mpc.${name}.${isa} COMMAND test_mpc_${name})
      set_tests_properties(mpc.${name}.${isa} PROPERTIES TIMEOUT 600
        FAIL_REGULAR_EXPRESSION "LeakSanitizer;runtime error:"
        SKIP_REGULAR_EXPRESSION "SKIPPED:;VEILSUM_ISA=${isa} cannot run here"
        ENVIRONMENT "OPENBLAS_NUM_THREADS=1;VEILSUM_ISA=${isa}")
    endif()
  endforeach()
endforeach()

# Running a federation: metrics, logs, signals, TLS, IPv6, bad networks (operations.py), and broken
# deployments before `veilsum doctor` (doctor.py), and every command of docs/OPERATIONS.md.
if(VS_PYTHON)
  foreach(name operations doctor operations_md)
    add_test(NAME cli.${name} COMMAND ${VS_PYTHON} -B ${PROJECT_SOURCE_DIR}/tests/cli/${name}.py $<TARGET_FILE:veilsum>)
    set_tests_properties(cli.${name} PROPERTIES TIMEOUT 900 RUN_SERIAL ON)
  endforeach()
endif()

# Logs for `./dev interop` (tests/interop): other tools read what ours wrote.
add_executable(interop_make_logs EXCLUDE_FROM_ALL ${CMAKE_CURRENT_LIST_DIR}/interop/logs/make_logs.c)
target_link_libraries(interop_make_logs PRIVATE vs_ledger PkgConfig::SODIUM)

# The allocator's calls of our libraries go through the test (tests/net/test_faults_alloc.c).
if(TARGET test_net_faults_alloc)
  target_link_options(test_net_faults_alloc PRIVATE
    "LINKER:--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=sodium_malloc")
endif()

# A failing disk: linked into a test, and as a library for LD_PRELOAD (tests/net/disk_shim.h).
if(TARGET test_net_faults_disk)
  target_sources(test_net_faults_disk PRIVATE tests/net/disk_shim.c)
endif()
add_library(disk_shim MODULE EXCLUDE_FROM_ALL tests/net/disk_shim.c)
target_link_libraries(disk_shim PRIVATE vs_flags)
target_compile_options(disk_shim PRIVATE -fno-sanitize=all)

# Real processes on a failing disk (the sanitizers' own libraries do not go with a preloaded one).
if(VS_PYTHON AND TARGET veilsum AND NOT CMAKE_C_FLAGS MATCHES "fsanitize")
  set_target_properties(disk_shim PROPERTIES EXCLUDE_FROM_ALL OFF)
  add_test(NAME cli.disk COMMAND ${VS_PYTHON} -B ${PROJECT_SOURCE_DIR}/tests/chaos/disk.py
    $<TARGET_FILE:veilsum> $<TARGET_FILE:disk_shim> --runs 2)
  set_tests_properties(cli.disk PROPERTIES TIMEOUT 900 RUN_SERIAL ON)
endif()

# The program with two functions replaced by lies (tests/chaos/liar.c); `./dev chaos` builds it.
add_executable(veilsum_liar EXCLUDE_FROM_ALL ${cli_sources} tests/chaos/liar.c)
target_link_libraries(veilsum_liar PRIVATE vs_bench PkgConfig::SODIUM PkgConfig::JANSSON m)
target_link_options(veilsum_liar PRIVATE "LINKER:--wrap=vs_sh_sum_exactly,--wrap=vs_encoder_share")

# Every attack of docs/SECURITY.md has a test, and every attack test is in its table.
if(VS_PYTHON)
  add_test(NAME attack.table COMMAND ${VS_PYTHON} -B ${PROJECT_SOURCE_DIR}/tests/attack/table.py ${PROJECT_SOURCE_DIR})
endif()

# Crashes of the ledger (tests/ledger/crash): system calls that fail or kill, power cuts.
add_executable(ledger_victim ${CMAKE_CURRENT_LIST_DIR}/ledger/crash/victim.c)
target_link_libraries(ledger_victim PRIVATE vs_ledger PkgConfig::SODIUM)
if(VS_PYTHON)
  add_test(NAME ledger.crash COMMAND ${VS_PYTHON} -B
    ${PROJECT_SOURCE_DIR}/tests/ledger/crash/crash.py $<TARGET_FILE:ledger_victim> --seconds 6)
  set_tests_properties(ledger.crash PROPERTIES TIMEOUT 600 SKIP_REGULAR_EXPRESSION "SKIPPED:")
endif()

# The ledger from outside, of a running federation (tests/cli/outside.py).
if(VS_PYTHON)
  add_test(NAME cli.outside COMMAND ${VS_PYTHON} -B ${PROJECT_SOURCE_DIR}/tests/cli/outside.py $<TARGET_FILE:veilsum>)
  set_tests_properties(cli.outside PROPERTIES TIMEOUT 600 RUN_SERIAL ON)
endif()

# Array files between us and Python, both ways (tests/fl/containers).
add_executable(tensor_convert ${CMAKE_CURRENT_LIST_DIR}/fl/containers/convert.c)
target_link_libraries(tensor_convert PRIVATE vs_fl)
if(VS_PYTHON)
  add_test(NAME fl.containers COMMAND ${VS_PYTHON} -B
    ${PROJECT_SOURCE_DIR}/tests/fl/containers/containers.py $<TARGET_FILE:tensor_convert>)
  set_tests_properties(fl.containers PROPERTIES TIMEOUT 300)
endif()

# Every command of docs/examples, and what the documents say they print.
if(VS_PYTHON AND TARGET veilsum)
  file(GLOB example_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/examples/*.md)
  list(APPEND example_files ${PROJECT_SOURCE_DIR}/docs/POISONING.md)
  foreach(file ${example_files})
    get_filename_component(name ${file} NAME_WE)
    string(TOLOWER ${name} name)
    string(REPLACE "-" "_" name ${name})
    add_test(NAME cli.example_${name} COMMAND ${VS_PYTHON} -B ${PROJECT_SOURCE_DIR}/tests/cli/examples_md.py $<TARGET_FILE:veilsum> ${file})
    set_tests_properties(cli.example_${name} PROPERTIES TIMEOUT 600)
    if(NOT name STREQUAL "poisoning") # no daemons there; for theirs free ports are found by looking
      set_tests_properties(cli.example_${name} PROPERTIES RUN_SERIAL ON)
    endif()
  endforeach()
endif()

# Array files through real rounds.
if(VS_PYTHON)
  add_test(NAME cli.containers COMMAND ${VS_PYTHON} -B ${PROJECT_SOURCE_DIR}/tests/cli/containers.py $<TARGET_FILE:veilsum>)
  set_tests_properties(cli.containers PROPERTIES TIMEOUT 600 RUN_SERIAL ON)
endif()
if(VS_PYTHON)
  add_test(NAME cli.watch COMMAND ${VS_PYTHON} -B ${PROJECT_SOURCE_DIR}/tests/cli/watch.py $<TARGET_FILE:veilsum>)
  set_tests_properties(cli.watch PROPERTIES TIMEOUT 600 RUN_SERIAL ON)
endif()
if(VS_PYTHON) # all of it: 100 million values (docs/BENCHMARKS.md)
  add_test(NAME cli.large COMMAND ${VS_PYTHON} -B ${PROJECT_SOURCE_DIR}/tests/cli/large.py $<TARGET_FILE:veilsum>
    --values 1000000 --limit 100000000)
  set_tests_properties(cli.large PROPERTIES TIMEOUT 600 RUN_SERIAL ON)
endif()
if(VS_PYTHON AND TARGET libveilsum)
  add_test(NAME cli.c_api COMMAND ${VS_PYTHON} -B ${PROJECT_SOURCE_DIR}/tests/cli/c_api.py $<TARGET_FILE:veilsum>
    ${PROJECT_BINARY_DIR} ${CMAKE_C_COMPILER} "${CMAKE_C_FLAGS}")
  set_tests_properties(cli.c_api PROPERTIES TIMEOUT 600 RUN_SERIAL ON)
endif()

# As for test_net_faults_alloc.
if(TARGET test_fl_tensors_nomem)
  target_link_options(test_fl_tensors_nomem PRIVATE "LINKER:--wrap=malloc,--wrap=calloc,--wrap=realloc")
endif()
if(TARGET test_fl_schema_nomem)
  target_link_options(test_fl_schema_nomem PRIVATE
    "LINKER:--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup")
endif()
