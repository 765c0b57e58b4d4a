/* home.h - the town that the tests of this folder look at: group fixtures. */
#ifndef ASSAY_TESTS_WORLD_HOME_H
#define ASSAY_TESTS_WORLD_HOME_H

#include "world/town.h"

static arena *home;
static const town *t;

static int set_up(void **state)
{
    (void)state;
    home = arena_new(NULL);
    return town_new(home, TOWN_SEED, &t, NULL) == STATUS_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(home);
    return 0;
}

#endif
