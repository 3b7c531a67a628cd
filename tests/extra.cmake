# Known answers in the tree must be what the reference scripts print today.
find_program(VS_PYTHON NAMES python3)
if(VS_PYTHON)
  add_test(NAME mpc.vectors COMMAND sh -c
    "'${VS_PYTHON}' '${PROJECT_SOURCE_DIR}/tests/reference/mpc_vectors.py' | cmp - '${PROJECT_SOURCE_DIR}/tests/mpc/vectors.h'")
endif()

# The program as a user runs it by hand: real daemons on loopback, real kills (tests/cli/by_hand.py).
if(VS_PYTHON)
  add_test(NAME cli.by_hand COMMAND ${VS_PYTHON} -B ${PROJECT_SOURCE_DIR}/tests/cli/by_hand.py $<TARGET_FILE:veilsum>)
  set_tests_properties(cli.by_hand PROPERTIES TIMEOUT 900)
endif()
