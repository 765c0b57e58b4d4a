/* Generated from the table of operations: tests/graph/checks.h says what is checked. */
#include "cases_table.h"

#include "checks.h"

int main(void)
{
    const struct CMUnitTest tests[] = {GENERATED_CHECKS};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
