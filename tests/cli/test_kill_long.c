/* test_kill_model.c with twenty kills, at least five of them inside a commit. */
#define KILLS 20
enum { LEAST_INSIDE = 5, ITEMS = 60 };
#include "cli/test_kill_model.c"
