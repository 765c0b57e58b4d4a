/* traps.h - items of the traps that need nothing planted (world/sayings.h; private to the module). */
#ifndef ASSAY_WORLD_TRAPS_H
#define ASSAY_WORLD_TRAPS_H

#include "world/sayings.h"

/* The right answer gets a place by lot. */
void trap_set_classes(trap_item *item, random_stream *r, const char *right, const char *wrong);

/* Each fills an item whose kind and cell are set. */
status trap_make_shots(arena *a, const town *t, random_stream *r, size_t number, trap_item *item, error *err);
status trap_make_prefix(arena *a, const town *t, random_stream *r, size_t number, trap_item *item, error *err);
status trap_make_stock(arena *a, const town *t, random_stream *r, size_t number, trap_item *item, error *err); /* stock.c */

/* Parts of lines; NULL when memory is out, or `start` is NULL. */
const char *saying_start_about(arena *a, const char *who, random_stream *r);          /* "WHO lost the red goat in" */
const char *saying_fresh_start(arena *a, const town *t, random_stream *r);            /* of a line that begins as no saying does */
const char *saying_whole(arena *a, const char *start, const char *ending);            /* "START ENDING." */
const char *saying_ask(arena *a, const char *start, const char *ending);              /* "Write a line that ends in ENDING: START" */

#endif
