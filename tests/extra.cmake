# Known answers in the tree must be what the reference scripts print today.
find_program(VS_PYTHON NAMES python3)
if(VS_PYTHON)
  add_test(NAME mpc.vectors COMMAND sh -c
    "'${VS_PYTHON}' '${PROJECT_SOURCE_DIR}/tests/reference/mpc_vectors.py' | cmp - '${PROJECT_SOURCE_DIR}/tests/mpc/vectors.h'")
endif()
